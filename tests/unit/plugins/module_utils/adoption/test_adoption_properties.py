# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any sequence of declarations ends in the last one, in an order that refuses nobody on the way, and back again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.adoption.meaning import View
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.steps import by_namespace
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts, NamespaceFacts, Port
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.patches import NO_WAYPOINT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.plugins.module_utils.adoption.adoption_world import Held, apply, bring, check_order, held, paths, text
from unit.plugins.module_utils.mesh.mesh_world import calls_from, policy, service, workload

SERVICES = ("cart", "web")
WAYPOINTS = [
    {"name": "waypoint", "namespace": "shop"},
    {"name": "second", "namespace": "shop"},
    {"name": "waypoint", "namespace": "pay", "allowed_namespaces": "all"},
]
THEIRS = [policy("theirs", rules=[calls_from(principals=["x"])], app="cart"), policy("none", rules=[])]
CALLERS: list[dict[str, Any]] = [
    {"service_account": "web"},
    {"service_account": "far/batch"},
    {"namespace": "ops"},
    {"service": "web"},
    {"any": True},
]
PORTS = st.lists(st.sampled_from([80, 9090]), min_size=1, max_size=2)


@st.composite
def namespaces(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A valid entry for a namespace with two Services that share no pods."""
    state = draw(st.sampled_from(["off", "l4", "l4-strict", "l7"]))
    found: dict[str, Any] = {"name": name, "state": state}
    if state == "off":
        return found
    own = ["waypoint", "second"] if name == "shop" else ["waypoint"]
    found["default_deny"] = deny = draw(st.booleans())
    names = own if deny else [*own, "pay/waypoint"]
    if state == "l7":
        found["waypoint"] = draw(st.sampled_from(names))
        found["mtls"] = draw(st.sampled_from(["strict", "permissive"]))
    bound = draw(st.lists(st.sampled_from(SERVICES), unique=True, max_size=2))
    found["services"] = [{"name": each, "waypoint": draw(st.sampled_from([*names, "none"]))} for each in bound]
    exceptions = []
    if state == "l7" and draw(st.booleans()):
        exceptions.append({"allow": "direct", "ports": draw(PORTS)})
    if state == "l4-strict" and draw(st.booleans()):
        exceptions.append({"allow": "plaintext", "selector": {"app": "web"}, "ports": draw(PORTS)})
    found["exceptions"] = exceptions
    ways = {each["name"]: each["waypoint"] != "none" for each in found["services"]}
    through = {each: ways.get(each, state == "l7") for each in SERVICES}
    found["access"] = draw(st.lists(entries(through, any(through.values())), max_size=2))
    return found


@st.composite
def entries(draw: st.DrawFn, through: dict[str, bool], whole: bool) -> dict[str, Any]:
    """A valid entry about who may call a Service, or all of the namespace. `through`: Services behind a waypoint."""
    name = draw(st.sampled_from([*SERVICES, ""]))
    found: dict[str, Any] = {"from": draw(st.lists(st.sampled_from(CALLERS), min_size=1, max_size=2))}
    if name:
        found["to"] = {"service": name}
    if name and draw(st.booleans()):
        found["ports"] = [80]
    if through.get(name, whole) and draw(st.booleans()):
        methods = draw(st.lists(st.sampled_from(["GET", "PUT"]), min_size=1, max_size=2))
        found |= {"methods": methods} if name or all(through.values()) else {}
    return found


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, Any]:
    lock = draw(st.booleans())
    spaces = [draw(namespaces(name)) for name in ("shop", "pay") if draw(st.integers(0, 4))]
    if spaces and "pay/waypoint" in str(spaces[0]):  # who shares a waypoint cannot deny there
        spaces = [{**each, "default_deny": False} if each["state"] != "off" else each for each in spaces]
    return {"waypoints": [{**each, "lock_down": lock} for each in WAYPOINTS], "namespaces": spaces}


def world(allows: bool) -> Facts:
    services = (replace(service(name), ports=(Port(80, 8080),)) for name in SERVICES)
    seen = NamespaceFacts(tuple(services), tuple(map(workload, SERVICES)), tuple(THEIRS) if allows else ())
    return Facts({"shop": seen, "pay": seen})


SEQUENCES = st.tuples(st.lists(declarations(), min_size=1, max_size=4), st.booleans())
MODERATE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(SEQUENCES)
@MODERATE
def test_any_sequence_ends_in_its_last_declaration_and_no_step_leaves_the_order(
    given_: tuple[list[dict[str, Any]], bool],
) -> None:
    values, allows = given_
    facts = world(allows)
    allowing = [tuple(sorted(each.selector.items())) for each in THEIRS] if allows else []
    live: Held = {}
    for value in values:
        mesh = parse_mesh(value)
        for name, steps, _back in paths(live, mesh, facts):
            bring(live, steps, name, lambda now: check_order(now, allowing))
        assert text(live.values()) == text(held(namespace_items(mesh, [], facts)).values())


def ways(live: Held) -> dict[tuple[str, str], str]:
    """The waypoint through which each Service is called, empty without one."""
    views = {name: View.of(items) for name, items in by_namespace(live.values()).items()}
    found = {
        (name, service): views.get(name, View()).way(name, service) for name in ("shop", "pay") for service in SERVICES
    }
    return {service: "" if way == NO_WAYPOINT else way for service, way in found.items()}


@given(declarations(), declarations())
@MODERATE
def test_no_service_is_called_on_the_way_through_a_waypoint_that_is_neither_its_old_nor_its_new_one(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    facts, mesh = world(False), parse_mesh(second)
    live = held(namespace_items(parse_mesh(first), [], facts))
    old, new = ways(live), ways(held(namespace_items(mesh, [], facts)))

    def look(now: Held) -> None:
        for name, way in ways(now).items():
            assert way in (old[name], new[name]), name

    for name, steps, back in paths(live, mesh, facts):
        before = dict(live)
        bring(live, steps, name, look)
        there = dict(live)
        bring(live, back, name, look)
        assert ways(live) == ways(before)
        live.clear()
        live.update(there)


@given(SEQUENCES)
@MODERATE
def test_applying_twice_is_silent(given_: tuple[list[dict[str, Any]], bool]) -> None:
    values, allows = given_
    facts = world(allows)
    live: Held = {}
    mesh = parse_mesh(values[-1])
    items = namespace_items(mesh, [], facts)
    apply(live, items, lambda now: None)
    assert text(namespace_items(mesh, [], facts)) == text(items)
    assert apply(live, items, lambda now: None) == 0
    for name, steps, _back in paths(live, mesh, facts):
        assert len(steps) == 1
        assert bring(live, steps, name, lambda now: None) == 0


@given(declarations(), declarations(), st.booleans(), st.integers(0, 2))
@MODERATE
def test_the_way_back_ends_where_it_began_from_every_step_and_in_the_order(
    first: dict[str, Any], second: dict[str, Any], allows: bool, done: int
) -> None:
    facts = world(allows)
    allowing = [tuple(sorted(each.selector.items())) for each in THEIRS] if allows else []
    live = held(namespace_items(parse_mesh(first), [], facts))
    before = text(live.values())
    plan = paths(live, parse_mesh(second), facts)
    for name, steps, back in plan:
        bring(live, steps[:done], name, lambda now: check_order(now, allowing))
        bring(live, back, name, lambda now: check_order(now, allowing))
    assert text(live.values()) == before
