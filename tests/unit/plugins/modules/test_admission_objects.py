# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module admission_objects: create, again, change, check mode, disabled, exact errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import load_items
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.waves import ADMISSION
from unit.plugins.modules.image_modules import run_module

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(check: bool = False, **args: Any) -> dict[str, Any]:
        return run_module("admission_objects", check, **{"dest": str(tmp_path / "objects" / "guard.json"), **args})

    return call


def test_create_again_change_and_disabled(run: Run) -> None:
    first = run(mode="deny")
    assert (first["changed"], first["count"]) == (True, 10)
    assert run(mode="deny")["changed"] is False

    path = Path(first["file"])
    denied = load_items([path])
    assert denied.roles == {"guard"}
    assert {(item.wave, item.patch) for item in denied.items} == {(ADMISSION, False)}
    assert {item.object["metadata"]["labels"]["ambient.alauda.io/mesh"] for item in denied.items} == {"default"}

    assert run(mode="warn", mesh="east")["changed"] is True
    actions = [item.object["spec"].get("validationActions") for item in load_items([path]).items]
    assert [action for action in actions if action] == [["Warn", "Audit"]] * 5

    assert (run(mode="disabled")["count"], load_items([path]).roles) == (0, {"guard"})


def test_a_policy_refuses_where_it_cannot_judge_and_has_a_reason(run: Run) -> None:
    items = load_items([run(mode="deny")["file"]]).items
    policies = [item.object["spec"] for item in items if item.identity.kind == "ValidatingAdmissionPolicy"]
    assert len(policies) == 5
    for spec in policies:
        assert spec["failurePolicy"] == "Fail"
        assert [validation["reason"] for validation in spec["validations"]] == ["Forbidden"]


def test_check_mode_writes_nothing(run: Run) -> None:
    planned = run(check=True, mode="deny")
    assert planned["changed"] is True
    assert not Path(planned["file"]).exists()
    run(mode="deny")
    assert run(check=True, mode="deny")["changed"] is False
    assert run(check=True, mode="audit")["changed"] is True
    assert run(mode="deny")["changed"] is False


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "refuse"}, "value of mode must be one of: deny, warn, audit, disabled, got: refuse"),
        ({"mode": "deny", "mesh": "-"}, "mesh.name"),
    ],
)
def test_errors(run: Run, options: dict[str, str], text: str) -> None:
    assert text in run(**options)["msg"]
