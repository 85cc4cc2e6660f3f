# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change means for people, and in which steps and batches it is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.meaning import told
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.steps import (
    batches,
    changing,
    in_steps,
    way_back,
    without_new_denials,
)
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts, Port
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from unit.plugins.module_utils.mesh.mesh_world import (
    SHOP,
    calls_from,
    declared,
    items,
    policy,
    seen,
    service,
    workload,
)

OFF: dict[str, Any] = {"state": "off"}
L4: dict[str, Any] = {"state": "l4"}
STRICT: dict[str, Any] = {"state": "l4-strict"}
L7: dict[str, Any] = {"state": "l7"}
OWN = "cluster.local/ns/shop/sa/waypoint"
FACTS = seen([service("cart"), service("web")], [workload("cart", "batch")])
CART = {"services": [{"name": "cart", "waypoint": "waypoint"}]}
REFUSED = (
    "ingress gateways and sidecars call pods of namespace shop past the waypoint, and are refused "
    "(ingress_use_waypoint: true sends the former through it)"
)
LOCKED = f"pods of namespace shop take calls from {OWN} alone"
FREE = f"pods of namespace shop are no longer locked down to {OWN}"
JOINS = "namespace shop joins the mesh; its pods are not restarted"


def lines(before: dict[str, Any], after: dict[str, Any], facts: Facts = FACTS, waypoints: Any = (SHOP,)) -> list[str]:
    old, new = (declared(each, waypoints=waypoints) for each in (before, after))
    mesh = parse_mesh(new)
    return told(mesh.namespaces[0], mesh, items(old, facts), items(new, facts), facts)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (OFF, L4, [JOINS]),
        (L4, OFF, ["namespace shop leaves the mesh; its pods are not restarted"]),
        (L4, STRICT, ["namespace shop refuses plain text"]),
        (STRICT, L4, ["namespace shop accepts plain text again"]),
        (STRICT, L7, ["the Services of namespace shop are called through waypoint shop/waypoint", LOCKED, REFUSED]),
        (L7, STRICT, ["the Services of namespace shop are called directly again", FREE]),
        (L4, {**L4, "default_deny": True}, ["namespace shop refuses all that no policy allows"]),
        ({**L4, "default_deny": True}, L4, ["namespace shop denies nobody by default"]),
        (L4, {**L4, **CART}, ["Service shop/cart is called through waypoint shop/waypoint", LOCKED, REFUSED]),
        ({**L4, **CART}, L4, ["Service shop/cart is called directly again", FREE]),
        (
            L7,
            {**L7, "services": [{"name": "web", "waypoint": "none"}]},
            ["Service shop/web is called past the waypoint of the namespace"],
        ),
        (
            STRICT,
            {
                **L7,
                "exceptions": [
                    {"allow": "plaintext", "selector": {"a": "b"}, "ports": [8080, 9090]},
                    {"allow": "direct", "ports": [9090]},
                ],
            },
            [
                "the Services of namespace shop are called through waypoint shop/waypoint",
                LOCKED,
                REFUSED,
                "plain text to port 8080 of namespace shop is refused all the same, as it does not come from the "
                "waypoint (an exception with allow: direct for the port lets it in)",
            ],
        ),
        (
            STRICT,
            {**STRICT, "exceptions": [{"allow": "plaintext", "selector": {"a": "b"}}]},
            ["namespace shop: the policies beside its state change"],
        ),
    ],
)
def test_a_change_is_told_in_the_words_of_people(
    before: dict[str, Any], after: dict[str, Any], says: list[str]
) -> None:
    assert lines(before, after) == says


def test_a_roll_out_is_told() -> None:
    bound = {**L4, "service_accounts": [{"name": "batch", "waypoint": "waypoint"}]}
    assert lines(L4, bound, waypoints=[{**SHOP, "for": "workload", "lock_down": False}]) == [
        "Deployment shop/cart is called through waypoint shop/waypoint; its pods are replaced, one roll-out",
        "NOT LOCKED DOWN: pods behind waypoint shop/waypoint may be called past it (lock_down: false)",
    ]


@pytest.mark.parametrize(
    ("rules", "what"), [([calls_from(principals=["x"])], "tells clients apart"), ([], "lets nobody in")]
)
def test_policies_that_a_waypoint_would_hollow_out_are_told(rules: list[Any], what: str) -> None:
    facts = seen([service("cart")], policies=[policy("theirs", rules=rules), policy("open")])
    assert lines(STRICT, L7, facts)[-1] == (
        f"AuthorizationPolicy shop/theirs {what}; its pods see the waypoint from now on, which is let in beside it:"
        " attach a copy to the Services by targetRefs"
    )
    assert not any("theirs" in line for line in lines(L7, {**L7, "mtls": "permissive"}, facts)), "nothing moves"


def refused(before: dict[str, Any], after: dict[str, Any], **more: Any) -> list[str]:
    """The Services of whom it is told that their callers are refused."""
    plain, named = (replace(service(name), headless=True, ports=(Port(1, 7000),)) for name in ("db", "queue"))
    facts = seen([service("cart"), plain, replace(named, ports=(Port(1, "peers"),))], [workload("db")])
    queue = replace(workload("queue"), ports={"peers": 7001})
    facts = replace(facts, namespaces={"shop": replace(facts.namespaces["shop"], workloads=(queue,))})
    told_of = [line for line in lines(before, after, facts, [{**SHOP, **more}]) if line.startswith("REFUSED: ")]
    assert all("headless" in line and "allow: direct" in line and "lock_down: false" in line for line in told_of)
    return [line.split()[5].strip(",") for line in told_of]


def test_headless_services_whose_callers_a_lock_down_refuses_are_named() -> None:
    def but_for(*ports: int) -> dict[str, Any]:
        return {**L7, "exceptions": [{"allow": "direct", "ports": list(ports)}]}

    assert refused(L4, L7) == ["shop/db", "shop/queue"]
    assert refused(L4, L7, lock_down=False) == []
    assert refused(L4, but_for(7000)) == ["shop/queue"]
    assert refused(L4, but_for(7000, 7001)) == []
    assert refused(but_for(7000, 7001), but_for(7001)) == ["shop/db"]
    assert refused(L7, {**L7, "mtls": "permissive"}) == [], "they were refused before"
    assert refused(L4, CART) == [], "their pods are not locked down"
    assert refused(L4, {**L7, "default_deny": True}, **{"for": "all"}) == [], "it takes calls to pods, too"


def names(found: list[Item]) -> set[str]:
    return {"-".join(item.identity.name.split("-")[:3]) for item in found if not item.patch}


def steps(before: dict[str, Any], after: dict[str, Any]) -> list[list[Item]]:
    old, new = items(declared(before), FACTS), items(declared(after), FACTS)
    return in_steps(old, new, namespace_items(without_new_denials(parse_mesh(declared(after)), ()), [], FACTS))


DENY: dict[str, Any] = {"default_deny": True}


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        (OFF, L7, 1),
        (L7, OFF, 1),
        (L4, {**L4, **DENY}, 1),
        ({**L7, **DENY}, L7, 1),
        ({**L4, **DENY}, {**L7, **DENY}, 1),
        (L4, {**L7, **DENY}, 2),
        ({**L7, **DENY}, L4, 2),
        ({**L7, **DENY}, OFF, 2),
    ],
)
def test_a_default_deny_and_a_way_never_change_together(
    before: dict[str, Any], after: dict[str, Any], count: int
) -> None:
    found = steps(before, after)
    assert len(found) == count
    assert found[-1] == items(declared(after), FACTS)


def test_the_deny_comes_after_the_way_and_goes_before_it_with_what_admits_the_waypoint() -> None:
    first, _target = steps(L4, {**L7, **DENY})
    assert names(first) == {"ambient-strict", "ambient-only-waypoint"}
    first, _target = steps({**L7, **DENY}, L4)
    assert names(first) == {"ambient-strict", "ambient-only-waypoint"}
    assert any(item.object["metadata"].get("labels", {}).get("istio.io/use-waypoint") for item in first)


def test_the_way_back_is_the_way_in_reverse() -> None:
    before: list[Item] = items(declared(L4), FACTS)
    found = steps(L4, {**L7, **DENY})
    assert way_back(before, found) == [found[0], before]
    assert way_back(before, found[-1:]) == [before]


def test_batches_keep_the_order() -> None:
    assert batches(["c", "a", "b"], 2) == [["c", "a"], ["b"]]
    assert batches([], 2) == []


def entry(what: str, action: str = "changed", role: str = "namespaces") -> dict[str, Any]:
    return {"object": what, "action": action, "role": role}


def test_namespaces_change_in_the_order_of_the_declaration_then_those_that_are_no_longer_declared() -> None:
    mesh = parse_mesh(declared({"name": "b"}, {"name": "a"}, {"name": "quiet"}))
    entries = [
        entry("v1 Namespace a"),
        entry("security.istio.io/v1 AuthorizationPolicy b/ambient-strict", "created"),
        entry("v1 Namespace quiet", role="control_plane"),
        entry("v1 Service gone/cart", "released"),
        entry("v1 Namespace gone", "released"),
        entry("v1 Namespace stays", "candidate"),
    ]
    assert changing(mesh, entries, "namespaces") == ["b", "a", "gone"]
