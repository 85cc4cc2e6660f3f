# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module manifest_objects: create, again, change, check mode, waves, exact errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import load_items
from unit.plugins.modules.image_modules import failure, run_module

ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart, namespace: shop}
"""
POLICIES = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny, namespace: shop}
spec: {action: DENY, rules: [{}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow, namespace: shop, labels: {team: shop}}
spec: {action: ALLOW, rules: [{}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh/route.yaml").write_text(ROUTE)
    (tmp_path / "mesh/policies.yml").write_text(POLICIES)
    return tmp_path


def run(folder: Path, manifests: list[str], check: bool = False, **more: Any) -> dict[str, Any]:
    given = {"manifests": [str(folder / name) for name in manifests], "dest": str(folder / "policies.json"), **more}
    return run_module("manifest_objects", check=check, **given)


def test_create_again_change_and_empty(folder: Path) -> None:
    first = run(folder, ["mesh"])
    assert (first["changed"], first["count"]) == (True, 3)
    path = Path(first["file"])
    written = path.read_bytes()
    assert run(folder, ["mesh"])["changed"] is False
    assert run(folder, ["mesh/policies.yml", "mesh/route.yaml"])["changed"] is False, "their order says nothing"
    assert path.read_bytes() == written

    assert run(folder, ["mesh"], mesh="blue")["changed"] is True
    assert (run(folder, [])["count"], load_items([path]).roles) == (0, {"policies"})


def test_each_comes_in_its_wave_with_the_label_of_the_mesh(folder: Path) -> None:
    found = load_items([run(folder, ["mesh"], mesh="blue")["file"]])
    assert [(item.identity.name, item.wave, item.patch, item.role) for item in found.items] == [
        ("allow", 40, False, "policies"),
        ("cart", 40, False, "policies"),
        ("deny", 70, False, "policies"),
    ]
    assert found.items[0].object["metadata"]["labels"] == {"team": "shop", "ambient.alauda.io/mesh": "blue"}


def test_check_mode_says_what_would_change_and_writes_nothing(folder: Path) -> None:
    planned = run(folder, ["mesh"], check=True)
    assert planned["changed"] is True and not Path(planned["file"]).exists()
    run(folder, ["mesh"])
    assert run(folder, ["mesh"], check=True)["changed"] is False
    assert run(folder, ["mesh/route.yaml"], check=True)["changed"] is True
    assert run(folder, ["mesh"])["changed"] is False


def message(folder: Path, text: str) -> str:
    (folder / "bad.yaml").write_text(text)
    return failure("manifest_objects", manifests=[str(folder / "bad.yaml")], dest=str(folder / "policies.json"))


def test_an_error_is_told_exactly(folder: Path) -> None:
    assert message(folder, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}") == (
        "ambient_manifests, v1 ConfigMap shop/a: is neither of Istio nor of the Gateway API."
        " Deploy it with the application that it belongs to, or with the module apply"
    )
    assert message(folder, ROUTE + "---" + ROUTE) == (
        "gateway.networking.k8s.io/v1 HTTPRoute shop/cart: stands twice under the manager alauda.ambient (roles"
        " policies, wave 40, and policies, wave 40). Keep one of them"
    )
    missing = str(folder / "nowhere.yaml")
    assert failure("manifest_objects", manifests=[missing], dest=str(folder / "x")) == (
        f"{missing}: no such file. Give a file that exists"
    )
    assert failure("manifest_objects", dest="x") == "missing required arguments: manifests"
    assert not (folder / "policies.json").exists()
