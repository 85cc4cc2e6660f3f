# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads of an apply."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.action.apply import told


def result(prune: list[tuple[str, str]], **counts: int) -> dict[str, Any]:
    """A module's result in which this became of what is no longer listed."""
    entries = [{"object": f"v1 ConfigMap n/{name}", "action": action, "reason": "why"} for name, action in prune]
    gone = [entry for entry in entries if entry["action"] == "deleted"]
    return {"counts": counts, "changed": bool(gone), "changed_objects": gone, "prune": entries, "report_file": "/r"}


def test_nothing_to_say() -> None:
    assert told(result([], unchanged=3), foreseen=False, everything=False) == []


def test_what_stays_is_told_also_where_nothing_changes() -> None:
    lines = told(
        result([("a", "candidate"), ("b", "kept")], unchanged=3, candidate=1), foreseen=False, everything=False
    )
    assert lines == ["no longer listed: v1 ConfigMap n/a (why)", "no longer listed: v1 ConfigMap n/b (why)"]


def test_many_are_counted() -> None:
    many = [(f"c{number}", "candidate") for number in range(15)]
    lines = told(result(many, candidate=15), foreseen=True, everything=False)
    assert (len(lines), lines[-1]) == (11, "no longer listed: 5 more")
    assert len(told(result(many, candidate=15), foreseen=True, everything=True)) == 15


def test_what_goes_is_told_as_any_change() -> None:
    lines = told(result([("a", "deleted"), ("b", "candidate")], deleted=1), foreseen=True, everything=False)
    assert lines[:2] == ["1 to delete", "delete v1 ConfigMap n/a"]
    assert lines[-1] == "no longer listed: v1 ConfigMap n/b (why)"
