# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a state narrows and what it opens: lock-downs, admitted waypoints, default deny, plain text."""

from __future__ import annotations

from typing import Any

import pytest
from unit.plugins.module_utils.mesh.mesh_world import (
    EDGE,
    SHOP,
    calls_from,
    declared,
    items,
    policy,
    refused,
    seen,
    service,
    specs,
    workload,
)

OWN = "cluster.local/ns/shop/sa/waypoint"
FAR = "cluster.local/ns/edge/sa/edge"
L7 = {"state": "l7"}
CART = {"name": "cart", "waypoint": "waypoint"}


def denies_all_but(*principals: str) -> dict[str, Any]:
    return {"action": "DENY", "rules": [calls_from(notPrincipals=list(principals))]}


def allows(*principals: str) -> dict[str, Any]:
    return {"action": "ALLOW", "rules": [calls_from(principals=list(principals))]}


def matching(**labels: str) -> dict[str, Any]:
    return {"selector": {"matchLabels": labels}}


def test_strict_is_one_policy_and_comes_last() -> None:
    (strict,) = (item for item in items(declared({"state": "l4-strict"})) if not item.patch)
    assert (strict.wave, strict.identity.name, strict.object["spec"]) == (
        70,
        "ambient-strict",
        {"mtls": {"mode": "STRICT"}},
    )
    assert specs(items(declared({"state": "l4"})), "ambient") == {}
    assert specs(items(declared({"state": "l7", "mtls": "permissive"})), "ambient-strict") == {}


def test_all_pods_of_an_l7_namespace_are_locked_down_to_their_waypoints() -> None:
    assert list(specs(items(declared(L7)), "ambient-only").values()) == [denies_all_but(OWN)]
    two = declared({**L7, "services": [{"name": "cart", "waypoint": "edge/edge"}]})
    assert list(specs(items(two), "ambient-only-edge-waypoint-").values()) == [denies_all_but(FAR, OWN)]


def test_the_trust_domain_is_that_of_the_mesh() -> None:
    found = specs(items(declared(L7), trust="corp.example"), "ambient-only")
    assert list(found.values()) == [denies_all_but("corp.example/ns/shop/sa/waypoint")]


def test_direct_exceptions_are_ports_that_the_lock_down_leaves_out() -> None:
    exceptions = [{"allow": "direct", "ports": [9090]}, {"allow": "direct", "ports": [80, 9090]}]
    (spec,) = specs(items(declared({**L7, "exceptions": exceptions})), "ambient-only").values()
    assert spec["rules"] == [{**calls_from(notPrincipals=[OWN]), "to": [{"operation": {"notPorts": ["80", "9090"]}}]}]


def test_another_content_is_another_object() -> None:
    plain = set(specs(items(declared(L7)), "ambient-only"))
    ported = set(specs(items(declared({**L7, "exceptions": [{"allow": "direct", "ports": [1]}]})), "ambient-only"))
    assert len(plain) == len(ported) == 1 and plain != ported
    assert plain == set(specs(items(declared(L7)), "ambient-only")), "the same content has the same name"


def test_no_lock_down_where_it_is_switched_off() -> None:
    assert specs(items(declared(L7, waypoints=[{**SHOP, "lock_down": False}])), "ambient-only") == {}


def test_single_services_lock_down_their_own_pods() -> None:
    bound = declared({"services": [{**CART, "selector": {"app": "cart"}}]})
    assert list(specs(items(bound), "ambient-only-waypoint-").values()) == [
        {**denies_all_but(OWN), **matching(app="cart")}
    ]


def test_pods_that_two_services_may_share_admit_the_waypoints_of_both() -> None:
    services = [
        {**CART, "selector": {"app": "cart"}},
        {"name": "tier", "waypoint": "edge/edge", "selector": {"tier": "front"}},
        {"name": "pay", "waypoint": "edge/edge", "selector": {"app": "pay"}},
    ]
    found = specs(items(declared({"services": services})), "ambient-only")
    assert sorted(found.values(), key=str) == sorted(
        [
            {**denies_all_but(FAR, OWN), **matching(app="cart")},
            {**denies_all_but(FAR), **matching(app="pay")},
            {**denies_all_but(FAR, OWN), **matching(tier="front")},
        ],
        key=str,
    )


def test_pods_stay_locked_down_beside_others_that_are_not() -> None:
    """A selector that one pod may share with pods that are not locked down does not open the rest."""
    services = [
        {**CART, "selector": {"app": "cart"}},
        {"name": "tier", "waypoint": "edge/edge", "selector": {"tier": "front"}},
    ]
    value = declared({"services": services}, waypoints=[SHOP, {**EDGE, "lock_down": False}])
    assert list(specs(items(value), "ambient-only").values()) == [{**denies_all_but(FAR, OWN), **matching(app="cart")}]


def test_where_one_service_opts_out_the_others_are_locked_down_one_by_one() -> None:
    value = declared({**L7, "services": [{"name": "web", "waypoint": "none"}]})
    facts = seen([service("cart"), service("web"), service("pay")])
    found = specs(items(value, facts), "ambient-only")
    assert sorted(spec["selector"]["matchLabels"]["app"] for spec in found.values()) == ["cart", "pay"]


def test_default_deny_without_a_waypoint_is_one_policy() -> None:
    found = items(declared({"default_deny": True}))
    assert specs(found, "ambient-default") == {"ambient-default-deny": {}}
    assert specs(found, "ambient-admit") == {}


def test_default_deny_with_a_waypoint_denies_there_too_and_admits_it_before() -> None:
    found = items(declared({**L7, "default_deny": True}))
    gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}
    assert specs(found, "ambient-default") == {
        "ambient-default-deny": {},
        "ambient-default-deny-waypoint": {"targetRefs": [gateway]},
    }
    ((name, admitted),) = specs(found, "ambient-admit-waypoint-").items()
    assert admitted == allows(OWN)
    assert name.endswith("-deny"), "it goes with the default deny"
    assert {item.identity.name: item.wave for item in found if not item.patch and "-deny" in item.identity.name} == {
        name: 39,
        "ambient-default-deny-waypoint": 40,  # before any call comes through the waypoint
        "ambient-default-deny": 70,
    }


def test_a_waypoint_is_let_in_beside_each_allow_of_others() -> None:
    theirs = [
        policy("a", rules=[calls_from(principals=["x"])], app="cart"),
        policy("b", rules=[], app="cart"),
        policy("c", "DENY", rules=[{"to": [{"operation": {"ports": ["1"]}}]}]),
    ]
    facts = seen([service("cart")], policies=theirs, root=[policy("r", namespace="istio-system")])
    for deny in (False, True):
        found = items(declared({**L7, "default_deny": deny}), facts)
        beside = [spec for name, spec in specs(found, "ambient-admit").items() if not name.endswith("-deny")]
        assert sorted(beside, key=str) == sorted([allows(OWN), {**allows(OWN), **matching(app="cart")}], key=str)
        assert all(item.wave == 39 for item in found if item.identity.name.startswith("ambient-admit"))


@pytest.mark.parametrize(
    "rule",
    [
        calls_from(principals=["cluster.local/ns/a/sa/b"]),
        calls_from(notNamespaces=["shop"]),
        calls_from(serviceAccounts=["a/b"]),
        calls_from(ipBlocks=["10.0.0.0/8"]),
        {"when": [{"key": "source.namespace", "values": ["a"]}]},
        {"when": [{"key": "source.ip", "values": ["10.0.0.1"]}]},
    ],
)
def test_a_denial_of_others_that_would_be_blind_is_refused(rule: dict[str, Any]) -> None:
    assert refused(declared(L7), seen([service("cart")], policies=[policy("no-dev", "DENY", [rule])])) == (
        "ambient_mesh.namespaces[0]: AuthorizationPolicy shop/no-dev denies by who the client is, and behind a "
        "waypoint the pods see the waypoint. Attach it to the Services by targetRefs, so that the waypoint enforces it"
    )


def test_plain_text_exceptions_open_pods_or_some_of_their_ports() -> None:
    exceptions = [
        {"allow": "plaintext", "selector": {"app": "legacy"}},
        {"allow": "plaintext", "selector": {"app": "cart"}, "ports": [9090, 80]},
    ]
    found = items(declared({"state": "l4-strict", "exceptions": exceptions}))
    permissive = {"mode": "PERMISSIVE"}
    assert sorted(specs(found, "ambient-plaintext-").values(), key=str) == sorted(
        [
            {**matching(app="legacy"), "mtls": permissive},
            {**matching(app="cart"), "portLevelMtls": {"80": permissive, "9090": permissive}},
        ],
        key=str,
    )
    assert {item.wave for item in found if item.identity.name.startswith("ambient-plaintext-")} == {40}


def test_names_have_room_for_many_waypoints() -> None:
    many = [{"name": f"{'w' * 42}-{number}", "namespace": "shop"} for number in range(9)]
    services = [{"name": f"s{number}", "waypoint": each["name"]} for number, each in enumerate(many)]
    value = declared({**L7, "waypoint": many[0]["name"], "services": services}, waypoints=many)
    facts = seen([service(f"s{number}") for number in range(9)], [workload("s0")], [policy("a")])
    assert all(len(item.identity.name) <= 200 for item in items({**value}, facts))
