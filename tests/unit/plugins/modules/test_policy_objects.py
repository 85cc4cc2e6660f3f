# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module policy_objects: what it shows, twice the same, in check mode, with facts, and exact errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.plugins.module_utils.mesh.mesh_world import SHOP, declared, seen, service, workload
from unit.plugins.modules.image_modules import failure, run_module

CART: dict[str, Any] = {"to": {"service": "cart"}, "from": [{"service_account": "web"}]}
OFFLINE: dict[str, Any] = {**CART, "to": {"service": "cart", "selector": {"app": "cart"}}}


def names(**args: Any) -> list[str]:
    return [obj["metadata"]["name"] for obj in run_module("policy_objects", **args)["objects"]]


def test_the_policies_are_shown_and_nothing_changes() -> None:
    mesh = declared({"state": "l4", "access": [OFFLINE]})
    shown = run_module("policy_objects", mesh=mesh)
    (policy,) = shown["objects"]
    assert shown["changed"] is False
    assert policy["metadata"]["labels"] == {
        "ambient.alauda.io/intent": "service-cart",
        "ambient.alauda.io/mesh": "default",
    }
    assert policy["spec"]["rules"] == [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]}]
    assert run_module("policy_objects", mesh=mesh) == shown
    assert run_module("policy_objects", mesh=mesh, check=True) == shown
    assert run_module("policy_objects", mesh={})["objects"] == []


def test_they_come_in_the_order_in_which_they_are_applied() -> None:
    found = names(mesh=declared({"state": "l7", "access": [OFFLINE]}, waypoints=[SHOP]))
    assert [name.rpartition("-")[0] if "admit" in name or "only" in name else name for name in found] == [
        "ambient-admit-waypoint",
        "ambient-allow-service-cart",
        "ambient-allow-service-cart.waypoint",
        "ambient-only-waypoint",
        "ambient-strict",
    ]


def test_facts_and_the_trust_domain_count(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text(seen([service("cart")], [workload("cart", "batch")]).to_json())
    mesh = declared({"access": [{"to": {"service_account": "batch"}, "from": [{"service": "cart"}]}]})
    (policy,) = run_module("policy_objects", mesh=mesh, facts=str(file), trust_domain="corp.example")["objects"]
    assert policy["spec"]["rules"] == [{"from": [{"source": {"principals": ["corp.example/ns/shop/sa/batch"]}}]}]
    assert policy["spec"]["selector"] == {"matchLabels": {"app": "cart"}}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "missing required arguments: mesh"),
        (
            {"mesh": declared({"access": [CART]})},
            "ambient_mesh.namespaces[0].access[0].to.selector: which pods to close is not known without a cluster. "
            "Write to: {service: cart, selector: {app: cart}}",
        ),
        (
            {"mesh": {}, "facts": "/no/file"},
            "/no/file: no such file. Run mesh_facts first",
        ),
    ],
)
def test_an_error_is_told_exactly(args: dict[str, Any], message: str) -> None:
    assert failure("policy_objects", **args) == message


@pytest.mark.parametrize("trust", ["", "spiffe://cluster.local", "cluster.local/ns", "a b", "*"])
def test_a_trust_domain_that_no_principal_begins_with_is_refused(trust: str) -> None:
    told = failure("policy_objects", mesh=declared({"access": [OFFLINE]}), trust_domain=trust)
    what = f"{trust!r} is no trust domain" if trust else "is empty"
    assert told == f"trust_domain: {what}. Write the name alone, such as cluster.local (ambient_trust_domain)"
