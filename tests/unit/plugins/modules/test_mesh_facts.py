# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module mesh_facts where nothing is bound: no cluster is asked. With one: tests/integration/test_adoption.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts
from unit.plugins.modules.image_modules import failure, run_module

NOWHERE = {"host": "https://127.0.0.1:1", "api_key": "no-token"}
STRICT = {"namespaces": [{"name": "shop", "state": "l4-strict"}]}


def test_create_again_and_check_mode_without_a_request(tmp_path: Path) -> None:
    dest = str(tmp_path / "objects/facts.json")
    planned = run_module("mesh_facts", check=True, mesh=STRICT, dest=dest, **NOWHERE)
    assert planned["changed"] is True and not Path(dest).exists()

    first = run_module("mesh_facts", mesh=STRICT, dest=dest, **NOWHERE)
    assert (first["changed"], first["namespaces"], first["file"]) == (True, [], dest)
    assert Facts.from_file(dest) == Facts()
    assert run_module("mesh_facts", mesh=STRICT, dest=dest, **NOWHERE)["changed"] is False
    assert run_module("mesh_facts", check=True, mesh=STRICT, dest=dest, **NOWHERE)["changed"] is False


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        ([], "ambient_mesh: a list where a mapping is expected. Write name, namespaces, waypoints under it"),
        (
            {"namespaces": [{"name": "shop", "state": "l7"}]},
            "ambient_mesh.namespaces[0].waypoint: the state l7 needs a waypoint, and none is declared in this"
            " namespace. Declare one under waypoints: {name: waypoint, namespace: shop}",
        ),
    ],
)
def test_an_error_is_told_exactly(tmp_path: Path, mesh: object, message: str) -> None:
    assert failure("mesh_facts", mesh=mesh, dest=str(tmp_path / "facts.json"), **NOWHERE) == message
