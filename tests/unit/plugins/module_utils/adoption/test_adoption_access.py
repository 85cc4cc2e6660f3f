# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access on the way from one declaration to another: what is told, and who is let through meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.meaning import told
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.beside import NOT_ENFORCED
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Attached, Policy, Port
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from hypothesis import HealthCheck, assume, given, settings
from unit.plugins.module_utils.adoption.adoption_world import Held, bring, held, paths
from unit.plugins.module_utils.adoption.test_adoption_properties import declarations, world
from unit.plugins.module_utils.mesh.access_world import account, allowed
from unit.plugins.module_utils.mesh.mesh_world import SHOP, declared, items, policy, seen, service, workload

CALLERS = ["", *map(account, ("shop/web", "pay/web", "far/batch", "ops/x", "shop/default", "other/x"))]
WEB, OPS, ANY = {"service_account": "web"}, {"namespace": "ops"}, {"any": True}
CART = "Service shop/cart"
CART_ALONE = {"to": {"service": "cart"}}
OTHER = {"name": "waypoint", "namespace": "pay", "allowed_namespaces": "all", "lock_down": False}
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
SAME_EACH_TIME = settings(derandomize=True, deadline=None, suppress_health_check=SLOW)
WEB_SAID, OPS_SAID = "service account shop/web", "namespace ops"


def to_cart(*callers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"to": {"service": "cart"}, "from": list(callers), **more}


def lines(before: list[Any], after: list[Any], **more: Any) -> list[str]:
    """What is told of a change of the entries alone, in a namespace behind a waypoint."""
    old, new = (declared({"state": "l7", "access": each, **more}, waypoints=[SHOP]) for each in (before, after))
    mesh, facts = parse_mesh(new), world(False)
    return told(mesh.namespaces[0], mesh, items(old, facts), items(new, facts), facts)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ([], [to_cart(WEB)], f"{CART} takes calls from {WEB_SAID} alone from now on; everybody else is refused"),
        (
            [],
            [to_cart(WEB, OPS)],
            f"{CART} takes calls from {OPS_SAID} and {WEB_SAID} alone from now on; everybody else is refused",
        ),
        (
            [],
            [to_cart(ANY, methods=["GET"])],
            f"{CART} takes calls from anybody, as far as its access says, from now on; all else is refused",
        ),
        ([to_cart(WEB)], [to_cart(WEB, OPS)], f"{CART} takes calls from {OPS_SAID}, too"),
        ([to_cart(WEB, OPS)], [to_cart(OPS)], f"{CART} no longer takes calls from {WEB_SAID}"),
        (
            [to_cart(WEB)],
            [to_cart(WEB, methods=["GET"])],
            f"{CART} takes calls from the same callers; what they may do there changes",
        ),
        ([to_cart(WEB)], [], f"{CART} takes calls from everybody again"),
        (
            [],
            [{"from": [OPS]}],
            f"everything in namespace shop takes calls from {OPS_SAID} alone from now on; everybody else is refused",
        ),
        ([{"from": [OPS]}], [{"from": [OPS]}, to_cart(WEB)], f"{CART} takes calls from {WEB_SAID}, too"),
        ([{"from": [OPS]}, to_cart(WEB)], [{"from": [OPS]}], f"{CART} no longer takes calls from {WEB_SAID}"),
        (
            [{"from": [OPS]}, to_cart(WEB)],
            [to_cart(WEB)],
            "everything in namespace shop takes calls from everybody again, but for what has an access of its own",
        ),
        (
            [],
            [{"to": {"service_account": "default"}, "from": [WEB]}],
            f"what runs as service account shop/default takes calls from {WEB_SAID} alone from now on; "
            "everybody else is refused",
        ),
    ],
)
def test_a_change_of_access_is_told(before: list[Any], after: list[Any], says: str) -> None:
    assert lines(before, after) == [says]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ([], [to_cart(WEB)], f"{CART} takes calls from {WEB_SAID}, too"),
        ([to_cart(WEB)], [], f"{CART} no longer takes calls from {WEB_SAID}"),
    ],
)
def test_beside_a_default_deny_nothing_is_opened_and_nothing_closed(
    before: list[Any], after: list[Any], says: str
) -> None:
    assert lines(before, after, default_deny=True) == [says]


def closing(
    waypoint: bool,
    *theirs: Policy,
    root: Any = (),
    attached: Any = (),
    coming: Any = (),
    shop: Any = None,
    to: Any = None,
    **more: Any,
) -> str:
    """What is told when something is closed beside policies of others, without the words that never change."""
    state, waypoints = ("l7", [{**SHOP, **more}, OTHER]) if waypoint else ("l4", [])
    entry = {"from": [WEB], **(CART_ALONE if to is None else to)}
    value = declared({"state": state, "access": [entry], **(shop or {})}, waypoints=waypoints)
    services = [replace(service(name), ports=(Port(80, 8080),)) for name in ("cart", "till")]
    mesh, facts = parse_mesh(value), seen(services, [workload("cart"), workload("till")])
    spaces = {"shop": replace(facts.namespaces["shop"], policies=theirs)}
    facts = replace(facts, namespaces=spaces, root_policies=root, attached=tuple(attached))
    found = told(mesh.namespaces[0], mesh, [], items(value, facts), facts, coming)
    (line,) = (each for each in found if f"takes calls from {WEB_SAID} alone" in each)
    return line.partition("alone from now on; everybody else is refused")[2]


def test_allows_of_others_that_let_their_callers_in_as_well_are_named() -> None:
    mine, everywhere = policy("mine", app="cart"), policy("wide", namespace="istio-system")
    assert closing(False, mine) == "; AuthorizationPolicy shop/mine lets its callers in as well"
    assert closing(False, coming=[mine]) == "; AuthorizationPolicy shop/mine lets its callers in as well"
    both = "; AuthorizationPolicies istio-system/wide and shop/mine let their callers in as well"
    assert closing(False, mine, root=[everywhere]) == both
    past = "; AuthorizationPolicy shop/mine lets its callers in as well, past the waypoint"
    assert closing(True, mine, lock_down=False) == past


def test_policies_of_others_that_let_nobody_in_to_these_pods_are_not_named() -> None:
    http = {"to": [{"operation": {"methods": ["GET"]}}]}
    others = policy("empty", rules=()), policy("deny", "DENY"), policy("http", rules=[http]), policy("web", app="web")
    assert closing(False, *others) == ""
    assert closing(True, policy("mine", app="cart")) == "", "the lock-down refuses them"


def test_a_policy_that_a_manifest_puts_to_sleep_lets_nobody_in_any_more_and_is_not_told() -> None:
    sleeps = policy("mine", NOT_ENFORCED, rules=())
    assert closing(False, policy("mine", app="cart"), coming=[sleeps]) == ""

    mesh = parse_mesh(declared({"state": "l7"}, waypoints=[SHOP]))
    names_web = [{"from": [{"source": {"principals": ["web"]}}]}]
    there, woken = policy("mine", rules=names_web), policy("woken", rules=names_web)
    facts = seen(policies=[there])

    def telling(*coming: Policy) -> list[str]:
        found = told(mesh.namespaces[0], mesh, [], namespace_items(mesh, [], facts, beside=coming), facts, coming)
        return [line.partition(";")[0] for line in found if line.startswith("AuthorizationPolicy")]

    assert telling() == ["AuthorizationPolicy shop/mine tells clients apart"]
    assert telling(sleeps, woken) == ["AuthorizationPolicy shop/woken tells clients apart"]


def attached(*targets: str, namespace: str = "shop") -> list[Attached]:
    return [Attached(namespace, "theirs", targets)]


ALL: dict[str, Any] = {}
TILL_PASSES = {"services": [{"name": "till", "waypoint": "none"}]}
CART_ELSEWHERE = {"services": [{"name": "cart", "waypoint": "pay/waypoint"}]}


@pytest.mark.parametrize(
    ("theirs", "more"),
    [
        (attached("Service cart"), {}),
        (attached("Service web", "Service cart"), {}),
        (attached("Gateway waypoint"), {}),
        (attached("GatewayClass istio-waypoint", namespace="istio-system"), {}),
        (attached("Gateway waypoint"), {"to": ALL}),
        (attached("Service till"), {"to": ALL}),
        (attached("Gateway waypoint", namespace="pay"), {"shop": CART_ELSEWHERE}),
    ],
)
def test_allows_at_the_waypoint_that_let_their_callers_in_as_well_are_named(theirs: list[Attached], more: Any) -> None:
    name = f"{theirs[0].namespace}/theirs"
    said = closing(True, attached=theirs, lock_down=False, **more)
    assert said == f"; AuthorizationPolicy {name} lets its callers in as well, at the waypoint"


@pytest.mark.parametrize(
    ("theirs", "more"),
    [
        (attached("Service till"), {}),
        (attached("Service cart", namespace="pay"), {}),
        (attached("Gateway waypoint", namespace="pay"), {}),
        (attached("Gateway edge"), {}),
        (attached("GatewayClass istio-waypoint"), {}),
        (attached("GatewayClass istio", namespace="istio-system"), {}),
        (attached("Gateway waypoint"), {"shop": CART_ELSEWHERE}),
        (attached("Service till"), {"to": ALL, "shop": TILL_PASSES}),
    ],
)
def test_allows_at_the_waypoint_that_let_nobody_in_to_the_target_are_not_named(
    theirs: list[Attached], more: Any
) -> None:
    assert closing(True, attached=theirs, lock_down=False, **more) == ""


def test_without_a_waypoint_no_allow_at_one_is_named_and_with_it_both_kinds_are() -> None:
    theirs = attached("Service cart", "Gateway waypoint")
    assert closing(False, attached=theirs) == ""
    assert closing(True, policy("mine", app="cart"), attached=theirs, lock_down=False) == (
        "; AuthorizationPolicy shop/mine lets its callers in as well, past the waypoint"
        "; AuthorizationPolicy shop/theirs lets its callers in as well, at the waypoint"
    )


def _targets(mesh: dict[str, Any]) -> dict[str, set[str]]:
    return {
        each["name"]: {entry.get("to", {}).get("service", "") for entry in each.get("access", [])}
        for each in mesh["namespaces"]
    }


def _passed(mesh: dict[str, Any]) -> set[str]:
    """The namespaces with a Service that is called past a waypoint."""
    spaces = [each for each in mesh["namespaces"] if each["state"] != "off"]
    return {each["name"] for each in spaces if any(one["waypoint"] == "none" for one in each["services"])}


def _halfway(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether entries come or go beside others that stay, and hold for pods that are called past a waypoint.

    One try may be refused then: an ALLOW and what admits the waypoint beside it do not come at the same moment.
    """
    old, new = _targets(first), _targets(second)
    passed = _passed(first) | _passed(second)
    return any(
        old.get(name) != new.get(name) and (name in passed or ("" in old.get(name, ())) != ("" in new.get(name, ())))
        for name in {*old, *new}
    )


def _denied_by_a_neighbour(mesh: dict[str, Any]) -> bool:
    """Whether a namespace that denies by default shares its waypoint: who else uses that is denied there, too."""
    denying = any(each["name"] == "pay" and each.get("default_deny") for each in mesh["namespaces"])
    return denying and "pay/waypoint" in str([each for each in mesh["namespaces"] if each["name"] == "shop"])


def _http_past_the_waypoint(*meshes: dict[str, Any]) -> bool:
    """Whether HTTP keys stand where pods are not locked down: who calls these past the waypoint is refused, and that
    is where calls go between two labels."""
    return any("methods" in str(mesh["namespaces"]) and not mesh["waypoints"][0]["lock_down"] for mesh in meshes)


def _open_at_the_gateway_alone(mesh: dict[str, Any]) -> bool:
    """Whether HTTP keys of a whole namespace stand beside Services that no waypoint is before, and that stay closed."""
    return any("methods" in one and "to" not in one for each in mesh["namespaces"] for one in each.get("access", []))


@given(declarations(), declarations())
@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_who_may_call_before_and_after_may_call_at_every_moment(first: dict[str, Any], second: dict[str, Any]) -> None:
    assume(not _halfway(first, second) and not _denied_by_a_neighbour(first) and not _denied_by_a_neighbour(second))
    assume(not _http_past_the_waypoint(first, second))
    facts = world(False)
    before, mesh = namespace_items(parse_mesh(first), [], facts), parse_mesh(second)
    after = namespace_items(mesh, [], facts)
    throughout = allowed(before, CALLERS) & allowed(after, CALLERS)
    live: Held = held(before)

    def look(now: Held) -> None:
        refused = throughout - allowed(now.values(), CALLERS)
        assert not refused, refused

    for name, steps, _back in paths(live, mesh, facts):
        bring(live, steps, name, look)
    assert allowed(live.values(), CALLERS) == allowed(after, CALLERS)


def _callers(items: Iterable[Item]) -> set[tuple[str, str, str]]:
    """Who may do anything at all: while traffic moves to a waypoint, its callers are let in without its rules."""
    return {(namespace, name, caller) for namespace, name, caller, _method in allowed(items, CALLERS)}


@given(declarations(), declarations())
@settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_nobody_may_call_on_the_way_who_may_neither_before_nor_after(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    assume(not _open_at_the_gateway_alone(first) and not _open_at_the_gateway_alone(second))
    facts = world(False)
    before, mesh = namespace_items(parse_mesh(first), [], facts), parse_mesh(second)
    ever = _callers(before) | _callers(namespace_items(mesh, [], facts))
    live: Held = held(before)

    def look(now: Held) -> None:
        let_in = _callers(now.values()) - ever
        assert not let_in, let_in

    for name, steps, _back in paths(live, mesh, facts):
        bring(live, steps, name, look)
