# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module namespace_objects: create, again, change, check mode, empty, exact errors."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import load_items
from ansible_collections.alauda.ambient.plugins.modules import namespace_objects

Run = Callable[..., dict[str, Any]]
SHOP = {"name": "default", "namespaces": [{"name": "shop", "state": "l4"}]}
BLUE = [{"matchLabels": {"mesh": "blue"}}]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(check: bool = False, **args: Any) -> dict[str, Any]:
        given = {"dest": str(tmp_path / "objects" / "namespaces.json"), **args, "_ansible_check_mode": check}
        output = io.StringIO()
        with patch_module_args(given), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
            namespace_objects.main()
        result: dict[str, Any] = json.loads(output.getvalue())
        return result

    return call


def test_create_again_change_and_empty(run: Run) -> None:
    first = run(mesh=SHOP)
    assert (first["changed"], first["count"], first["enrolled"], first["released"]) == (True, 1, ["shop"], [])

    path = Path(first["file"])
    written = path.read_bytes(), path.stat().st_mtime_ns
    assert run(mesh=SHOP)["changed"] is False
    assert (path.read_bytes(), path.stat().st_mtime_ns) == written

    off = {"namespaces": [{"name": "shop", "state": False}]}
    changed = run(mesh=off)
    assert (changed["changed"], changed["released"]) == (True, ["shop"])
    (item,) = load_items([path]).items
    assert (item.patch, item.releases, item.gone) == (True, True, ("istio.io/dataplane-mode",))

    empty = run(mesh={})
    assert (empty["changed"], empty["count"]) == (True, 0)
    assert load_items([path]).items == []


def test_check_mode_says_what_would_change_and_writes_nothing(run: Run) -> None:
    result = run(mesh=SHOP, check=True)
    assert result["changed"] is True
    assert not Path(result["file"]).exists()

    run(mesh=SHOP)
    before = Path(result["file"]).read_bytes()
    assert run(mesh=SHOP, check=True)["changed"] is False
    assert run(mesh={}, check=True)["changed"] is True
    assert Path(result["file"]).read_bytes() == before


def test_discovery_labels_come_along(run: Run) -> None:
    result = run(mesh=SHOP, discovery_selectors=BLUE)

    assert [(item.wave, item.manager, item.object["metadata"]) for item in load_items([result["file"]]).items] == [
        (-30, "alauda.ambient/discovery", {"name": "shop", "labels": {"mesh": "blue"}}),
        (50, "alauda.ambient/enrolment", {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}}),
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "missing required arguments: mesh"),
        (
            {"mesh": "shop"},
            "ambient_mesh: a string where a mapping is expected. Write name, namespaces, waypoints under it",
        ),
        (
            {"mesh": {"namespaces": [{"name": "shop", "state": "of"}]}},
            "ambient_mesh.namespaces[0].state: 'of' is not a state. Did you mean off?",
        ),
        (
            {"mesh": SHOP, "discovery_selectors": [{}]},
            "ambient_discovery_selectors[0]: a label selector is expected. Use matchLabels or matchExpressions",
        ),
    ],
)
def test_an_error_is_told_exactly(run: Run, args: dict[str, Any], message: str) -> None:
    result = run(**args)

    assert (result["failed"], result["msg"]) == (True, message)
