# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module `apply`, shows what it waits for, and says in plain lines what it did or would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.utils.display import Display
from ansible_collections.alauda.ambient.plugins.plugin_utils.lines import show
from ansible_collections.alauda.ambient.plugins.plugin_utils.progress import ProgressAction

_BULK = ("created", "changed_objects", "failed_objects", "prune", "diff", "summary", "invocation")
_FORESEEN = {"created": "to create", "changed": "to change", "deleted": "to delete", "released": "to release"}
_VERBS = {"created": "create", "changed": "change", "deleted": "delete", "released": "release"}
_LISTED = 10


class ActionModule(ProgressAction):
    """The module of the same name, made readable."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module; a failure is told in lines, its lists stand in the report file."""
        result = super().run(tmp, task_vars)
        display = Display()
        if result.get("failed"):
            lines = list(result.get("summary") or [])
        else:
            lines = told(result, foreseen=bool(self._task.check_mode), everything=display.verbosity > 0)
        show(task_vars or {}, lines)
        if result.get("failed") and display.verbosity == 0:
            for key in _BULK:
                result.pop(key, None)
        return result


def told(result: Mapping[str, Any], *, foreseen: bool, everything: bool) -> list[str]:
    """What a person reads of a success: how many of what, which objects change in what, where the rest stands."""
    counts = result.get("counts") or {}
    left = _left_alone(result.get("prune") or [], everything)
    parts = [
        f"{count} {_FORESEEN.get(word, word) if foreseen else word}"
        for word, count in counts.items()
        if count and word != "candidate"
    ]
    if not (parts and (foreseen or result.get("changed"))):
        return left
    objects = [*(result.get("changed_objects") or [])]
    if everything:
        objects += result.get("created") or []
    shown = objects if everything else objects[:_LISTED]
    lines = [", ".join(parts)]
    for entry in shown:
        verb = _VERBS[entry["action"]] if foreseen else entry["action"]
        paths = f": {', '.join(entry['paths'])}" if entry.get("paths") else ""
        lines.append(f"{verb} {entry['object']}{paths}")
    if result.get("changed") and (len(objects) > len(shown) or not everything):
        lines.append(f"all of them: {result.get('report_file')}")
    return lines + left


def _left_alone(prune: Sequence[Mapping[str, Any]], everything: bool) -> list[str]:
    """What is no longer listed and is not taken away, each with the reason."""
    stay = [entry for entry in prune if entry["action"] in ("candidate", "kept")]
    shown = stay if everything else stay[:_LISTED]
    lines = [f"no longer listed: {entry['object']} ({entry['reason']})" for entry in shown]
    if len(stay) > len(shown):
        lines.append(f"no longer listed: {len(stay) - len(shown)} more")
    return lines
