# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module waypoint_objects: create, again, change, check mode, exact errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import load_items
from unit.plugins.modules.image_modules import failure, run_module

SHOP: dict[str, Any] = {"waypoints": [{"name": "waypoint", "namespace": "shop"}]}
SIZED: dict[str, Any] = {"waypoints": [{"name": "waypoint", "namespace": "shop", "replicas": 2}]}


def run(folder: Path, mesh: Any, check: bool = False) -> dict[str, Any]:
    return run_module("waypoint_objects", mesh=mesh, dest=str(folder / "objects/waypoints.json"), check=check)


def test_create_again_change_and_empty(tmp_path: Path) -> None:
    first = run(tmp_path, SHOP)
    assert (first["changed"], first["count"]) == (True, 1)
    path = Path(first["file"])
    written = path.read_bytes(), path.stat().st_mtime_ns
    assert run(tmp_path, SHOP)["changed"] is False
    assert (path.read_bytes(), path.stat().st_mtime_ns) == written

    changed = run(tmp_path, SIZED)
    assert (changed["changed"], changed["count"]) == (True, 2)
    assert {item.identity.kind for item in load_items([path]).items} == {"ConfigMap", "Gateway"}

    assert (run(tmp_path, {})["count"], load_items([path]).roles) == (0, {"waypoints"})


def test_check_mode_says_what_would_change_and_writes_nothing(tmp_path: Path) -> None:
    planned = run(tmp_path, SHOP, check=True)
    assert planned["changed"] is True and not Path(planned["file"]).exists()
    run(tmp_path, SHOP)
    assert run(tmp_path, SHOP, check=True)["changed"] is False
    assert run(tmp_path, SIZED, check=True)["changed"] is True
    assert run(tmp_path, SHOP)["changed"] is False


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "missing required arguments: mesh"),
        (
            {"mesh": {"waypoints": [{"name": "waypoint"}]}},
            "ambient_mesh.waypoints[0].namespace: the name is missing."
            " Use lower-case letters, digits and '-', at most 63 characters",
        ),
    ],
)
def test_an_error_is_told_exactly(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    assert failure("waypoint_objects", dest=str(tmp_path / "w.json"), **args) == message
    assert not (tmp_path / "w.json").exists()
