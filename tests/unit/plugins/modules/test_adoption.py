# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module adoption where nothing changes, and its errors: no cluster is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts
from unit.plugins.modules.image_modules import failure, run_module

SHOP = {"namespaces": [{"name": "shop", "state": "l4"}]}


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "facts.json").write_text(Facts().to_json())
    (tmp_path / "plan.json").write_text(json.dumps({"objects": []}))
    return {
        "host": "https://127.0.0.1:1",
        "api_key": "no-token",
        "mesh": SHOP,
        "plan": str(tmp_path / "plan.json"),
        "facts": str(tmp_path / "facts.json"),
        "work_dir": str(tmp_path),
    }


def entry(wave: int, action: str, role: str = "control_plane") -> dict[str, Any]:
    return {"object": "v1 ConfigMap istio-system/a", "wave": wave, "action": action, "role": role}


def test_nothing_to_do_asks_nobody(given: dict[str, Any]) -> None:
    for check in (True, False):
        result = run_module("adoption", check=check, **given)
        assert {key: result[key] for key in ("changed", "batches", "waves", "late_waves", "summary")} == {
            "changed": False,
            "batches": [],
            "waves": [],
            "late_waves": [],
            "summary": [],
        }


def test_waves_of_others_are_told_before_and_after_the_namespaces(given: dict[str, Any]) -> None:
    changes = [entry(70, "created", "policies"), entry(0, "changed"), entry(40, "created", "policies")]
    quiet = [entry(20, "unchanged"), entry(10, "candidate")]
    Path(given["plan"]).write_text(json.dumps({"objects": changes + quiet}))
    result = run_module("adoption", **given)
    assert (result["waves"], result["late_waves"], result["batches"]) == ([0, 40], [70], [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size: must be 1 or more. Say how many namespaces change at a time"),
        (
            {"plan": "/no/plan.json"},
            "/no/plan.json: no such file. Run apply in check mode",
        ),
        (
            {"facts": "/no/facts.json"},
            "/no/facts.json: no such file. Run mesh_facts first",
        ),
        (
            {"mesh": {"namespaces": [{"name": "shop"}]}},
            "ambient_mesh.namespaces[0].state: the state is missing. Say off, l4, l4-strict or l7",
        ),
        (
            {"discovery_selectors": {}},
            "ambient_discovery_selectors: a list of label selectors is expected. Write [{matchLabels: {mesh: blue}}]",
        ),
    ],
)
def test_an_error_is_told_exactly(given: dict[str, Any], change: dict[str, Any], message: str) -> None:
    assert failure("adoption", **{**given, **change}) == message


@pytest.mark.parametrize("text", ["", "[]", "null", '{"objects": [{}]}', '{"objects": 1}', '{"objects": ["a"]}'])
def test_a_plan_that_is_none_is_refused(given: dict[str, Any], text: str) -> None:
    Path(given["plan"]).write_text(text)
    message = failure("adoption", **given)
    what = "is no report of apply: " if text else "not valid JSON: "
    assert message.startswith(f"{given['plan']}: {what}") and message.endswith("Run apply in check mode")
    assert message.endswith(". Run apply in check mode")
