# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is bound to which waypoint, with the facts of a cluster and without, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Service
from unit.plugins.module_utils.mesh.mesh_world import (
    EDGE,
    SHOP,
    declared,
    items,
    patched,
    refused,
    seen,
    service,
    specs,
    workload,
)

USE = "istio.io/use-waypoint"
FROM = "istio.io/use-waypoint-namespace"
MODE = {"istio.io/dataplane-mode": "ambient"}
NS = "ambient_mesh.namespaces[0]"
CART = {"name": "cart", "waypoint": "waypoint"}
BATCH = {"service_accounts": [{"name": "batch", "waypoint": "waypoint"}]}
PODS = [{**SHOP, "for": "workload", "lock_down": False}]


def test_a_namespace_is_bound_by_its_labels() -> None:
    assert patched(items(declared({"state": "l7"}))) == {"Namespace shop": {**MODE, USE: "waypoint"}}
    far = declared({"state": "l7", "waypoint": "edge/edge", "ingress_use_waypoint": True})
    assert patched(items(far)) == {
        "Namespace shop": {**MODE, USE: "edge", FROM: "edge", "istio.io/ingress-use-waypoint": "true"}
    }


def test_a_service_is_bound_or_let_go_past_the_waypoint() -> None:
    services = [{"name": "cart", "waypoint": "edge/edge"}, {"name": "web", "waypoint": "none"}]
    facts = seen([service("cart"), service("web")])
    assert patched(items(declared({"state": "l7", "services": services}), facts)) == {
        "Namespace shop": {**MODE, USE: "waypoint"},
        "Service cart": {USE: "edge", FROM: "edge"},
        "Service web": {USE: "none"},
    }


def test_a_service_account_binds_its_services() -> None:
    facts = seen([service("cart"), service("web")], [workload("cart", "batch"), workload("web")])
    found = items(declared(BATCH), facts)
    assert patched(found) == {"Namespace shop": MODE, "Service cart": {USE: "waypoint"}}
    (spec,) = specs(found, "ambient-only").values()
    assert spec["selector"] == {"matchLabels": {"app": "cart"}}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_service_account_binds_its_workloads_by_their_templates(kind: str) -> None:
    facts = seen([service("cart")], [workload("cart", "batch", kind), workload("web")])
    assert patched(items(declared(BATCH, waypoints=PODS), facts)) == {
        "Namespace shop": MODE,
        f"{kind} cart": {USE: "waypoint"},
    }


def test_a_waypoint_for_all_is_bound_both_ways() -> None:
    facts = seen([service("cart")], [workload("cart", "batch")])
    found = items(declared(BATCH, waypoints=[{**SHOP, "for": "all"}]), facts)
    assert set(patched(found)) == {"Namespace shop", "Service cart", "Deployment cart"}
    assert len(specs(found, "ambient-only")) == 1, "Service and workload have the same pods"


def test_a_service_with_two_accounts_may_be_bound_itself() -> None:
    facts = seen([service("cart")], [workload("cart", "batch"), workload("cart-2", "other", app="cart")])
    assert refused(declared(BATCH), facts) == (
        f"{NS}.service_accounts[0]: Service shop/cart leads to pods of several service accounts: batch, other."
        " Bind that Service itself under services, or have it lead to pods of one account"
    )
    assert set(patched(items(declared({**BATCH, "services": [CART]}), facts))) == {"Namespace shop", "Service cart"}


@pytest.mark.parametrize("owner", ["Helm release cart", "Argo CD application cart", "Flux kustomization cart"])
def test_a_workload_that_somebody_looks_after_is_refused(owner: str) -> None:
    facts = seen([], [workload("cart", "batch", owner=owner)])
    assert refused(declared(BATCH, waypoints=PODS), facts) == (
        f"{NS}.service_accounts[0]: Deployment shop/cart belongs to {owner}, which would take a label of ours off its"
        " pods again. Put istio.io/use-waypoint=waypoint on its pods there, and take the entry out"
    )


#: id: the namespace, the waypoints, the facts, and the error
REFUSED: dict[str, tuple[dict[str, Any], Any, Any, str]] = {
    "bare pod": (
        BATCH,
        PODS,
        seen([], [workload("job", "batch", "Pod")]),
        f"{NS}.service_accounts[0]: Pod shop/job has no template by which its labels could be rolled out."
        " Put istio.io/use-waypoint=waypoint on it where it is made, and take the entry out",
    ),
    "unknown service": (
        {"services": [{**CART, "name": "crat"}]},
        [SHOP],
        seen([service("cart")]),
        f"{NS}.services[0].name: there is no Service shop/crat with pods. Did you mean cart?",
    ),
    "no service": (
        {"services": [CART]},
        [SHOP],
        seen(),
        f"{NS}.services[0].name: there is no Service shop/cart with pods. Create it first, or take the entry out",
    ),
    "unknown account": (
        BATCH,
        [SHOP],
        seen([], [workload("cart", "batches")]),
        f"{NS}.service_accounts[0].name: nothing in shop runs as service account batch. Did you mean batches?",
    ),
    "no account": (
        BATCH,
        [SHOP],
        seen(),
        f"{NS}.service_accounts[0].name: nothing in shop runs as service account batch."
        " Deploy it first, or take the entry out",
    ),
    "account without service": (
        BATCH,
        [SHOP],
        seen([service("web")], [workload("cart", "batch")]),
        f"{NS}.service_accounts[0]: no Service leads to pods of service account batch."
        " Use a waypoint with for: workload",
    ),
    "account without cluster": (
        BATCH,
        [SHOP],
        None,
        f"{NS}.service_accounts[0]: what runs as a service account only a cluster knows."
        " Bind its Services under services instead",
    ),
    "selector without cluster": (
        {"services": [CART]},
        [SHOP],
        None,
        f"{NS}.services[0].selector: which pods to lock down is not known without a cluster."
        " Write the Service's selector here, or say lock_down: false in the entry of its waypoint",
    ),
    "another selector": (
        {"services": [{**CART, "selector": {"app": "crat"}}]},
        [SHOP],
        seen([service("cart")]),
        f"{NS}.services[0].selector: the Service has another selector: app=cart."
        " Correct it, or take it out: it is read from the cluster",
    ),
    "service without selector": (
        {"services": [CART]},
        [SHOP],
        seen([Service("cart", {})]),
        f"{NS}.services[0]: the Service has no selector: which pods to lock down is not known."
        " Say lock_down: false in the entry of shop/waypoint",
    ),
    "without selector beside one that opts out": (
        {"state": "l7", "services": [CART, {"name": "web", "waypoint": "none"}]},
        [SHOP],
        seen([Service("cart", {}), service("web")]),
        f"{NS}.services[0]: the Service has no selector: which pods to lock down is not known."
        " Say lock_down: false in the entry of shop/waypoint",
    ),
    "bound twice": (
        {**BATCH, "services": [{"name": "cart", "waypoint": "edge/edge"}]},
        [SHOP, EDGE],
        seen([service("cart")], [workload("cart", "batch")]),
        f"{NS}: Service shop/cart is bound twice, to edge/edge and to shop/waypoint."
        " Keep one of the entries under services and service_accounts",
    ),
    "second way": (
        {"services": [CART]},
        [SHOP],
        seen([service("cart"), service("all", tier="front")], [workload("cart", app="cart", tier="front")]),
        f"{NS}: Service shop/all leads to pods behind waypoint shop/waypoint, too, without it: its callers would be"
        " refused. Bind it to the waypoint under services, or say lock_down: false in the entry of shop/waypoint",
    ),
    "second way that opts out": (
        {"services": [CART, {"name": "direct", "waypoint": "none"}]},
        [SHOP],
        seen([service("cart"), service("direct", app="cart")]),
        f"{NS}.services[1]: Service shop/direct leads to pods behind waypoint shop/waypoint, too, without it: its"
        " callers would be refused. Bind it to the waypoint under services, or say lock_down: false in the entry of"
        " shop/waypoint",
    ),
    "second way that opts out, without cluster": (
        {
            "services": [
                {**CART, "selector": {"app": "a"}},
                {**CART, "name": "b", "waypoint": "none", "selector": {"app": "a", "v": "2"}},
            ]
        },
        [SHOP],
        None,
        f"{NS}.services[1]: Service shop/b leads to pods behind waypoint shop/waypoint, too, without it: its"
        " callers would be refused. Bind it to the waypoint under services, or say lock_down: false in the entry of"
        " shop/waypoint",
    ),
    "opt-out that shares pods": (
        {"state": "l7", "services": [{"name": "direct", "waypoint": "none"}]},
        [SHOP],
        seen([service("cart"), service("direct", app="cart")]),
        f"{NS}.services[0]: Service shop/direct leads to pods behind waypoint shop/waypoint, too, without it: its"
        " callers would be refused. Bind it to the waypoint under services, or say lock_down: false in the entry of"
        " shop/waypoint",
    ),
    "opt-out without cluster": (
        {"state": "l7", "services": [{"name": "web", "waypoint": "none"}]},
        [SHOP],
        None,
        f"{NS}.services[0].waypoint: which other Services to lock down is not known without a cluster."
        " Say lock_down: false in the entry of shop/waypoint, or bind the others one by one",
    ),
}


@pytest.mark.parametrize(("namespace", "waypoints", "facts", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_bound_is_refused_with_what_to_do(
    namespace: dict[str, Any], waypoints: Any, facts: Any, says: str
) -> None:
    assert refused(declared(namespace, waypoints=waypoints), facts) == says


def test_a_second_way_is_no_matter_without_a_lock_down() -> None:
    facts = seen([service("cart"), service("all", app="cart")], [workload("cart")])
    value = declared({"services": [CART]}, waypoints=[{**SHOP, "lock_down": False}])
    assert set(patched(items(value, facts))) == {"Namespace shop", "Service cart"}


def test_a_workload_that_knows_its_pods_by_expressions_is_locked_down_by_their_labels() -> None:
    """Without labels the policy would be one for the whole namespace."""
    pods = workload("cart", "batch")
    by_expressions = type(pods)(**{**vars(pods), "selector": {}})
    value = declared(BATCH, waypoints=[{**SHOP, "for": "workload", "lock_down": True}])
    (spec,) = specs(items(value, seen([], [by_expressions])), "ambient-only").values()
    assert spec["selector"] == {"matchLabels": {"app": "cart"}}
