# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries under access in general: what is written is read, order says nothing, a caller more takes none away."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.adoption.access import Change, closed_in
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import (
    Facts,
    NamespaceFacts,
    Port,
    Service,
    Workload,
)
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.intents import CallerKind, Intent, TargetKind
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.plugins.module_utils.mesh.access_world import SERVICES, account, may, world_of

ACCOUNTS = ("shop/web", "shop/cart", "pay/web", "far/batch", "ops/x")
CALLERS: list[dict[str, Any]] = [
    {"service_account": "web"},
    {"service_account": "far/batch"},
    {"namespace": "ops"},
    {"service": "pay/web"},
    {"any": True},
]
METHODS, PATHS, HOSTS = ["GET", "PUT"], ["/", "/api/*", "*.html", "/users/{*}/cart"], ["a.example", "*.example"]
MODERATE = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2)


@st.composite
def tokens(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {"issuer": draw(st.sampled_from(["https://a.example", "b"])), "jwks_uri": "https://a/keys"}
    if draw(st.booleans()):
        found["audiences"] = draw(some(["shop", "pay"]))
    if draw(st.booleans()):
        found["claims"] = {"groups": draw(some(["admin", "dev*"]))}
    return found


@st.composite
def entries(draw: st.DrawFn, http: bool) -> dict[str, Any]:
    """A valid entry of namespace shop, whose Services and accounts are those of `FACTS`."""
    target = draw(st.sampled_from([None, {"service": "cart"}, {"service": "web"}, {"service_account": "cart"}]))
    found: dict[str, Any] = {"from": draw(some(CALLERS)), **({"to": target} if target else {})}
    if draw(st.booleans()):
        found["ports"] = [80] if target and "service" in target else [8080]
    if http:
        for key, values in (("methods", METHODS), ("paths", PATHS), ("hosts", HOSTS)):
            if draw(st.booleans()):
                found[key] = draw(some(values))
        if draw(st.booleans()):
            found["jwt"] = draw(tokens())
    return found


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, Any]:
    http, lock = draw(st.booleans()), draw(st.booleans())
    shop = {"name": "shop", "state": "l7" if http else "l4", "default_deny": draw(st.booleans())}
    waypoint = {"name": "waypoint", "namespace": "shop", "lock_down": lock}
    access = draw(st.lists(entries(http), min_size=1, max_size=4))
    return {"waypoints": [waypoint], "namespaces": [{**shop, "access": access}]}


def _seen() -> NamespaceFacts:
    labels = {name: {"app": name} for name in SERVICES}
    return NamespaceFacts(
        tuple(Service(name, labels[name], (Port(80, 8080),)) for name in SERVICES),
        tuple(Workload("apps/v1", "Deployment", name, name, labels[name], labels[name], 1) for name in SERVICES),
    )


FACTS = Facts({"shop": _seen(), "pay": _seen()})


def compiled(value: dict[str, Any]) -> list[Any]:
    return namespace_items(parse_mesh(value), [], FACTS)


def text(value: dict[str, Any]) -> str:
    return json.dumps([[item.wave, item.object] for item in compiled(value)])


def printed(intent: Intent) -> dict[str, Any]:
    """An entry as a person would write it."""
    found: dict[str, Any] = {
        "from": [
            {caller.kind.value: True}
            if caller.kind is CallerKind.ANY
            else {caller.kind.value: "/".join(part for part in (caller.namespace, caller.name) if part)}
            for caller in intent.callers
        ]
    }
    words = {TargetKind.SERVICE: "service", TargetKind.ACCOUNT: "service_account"}
    if intent.target.kind in words:
        found["to"] = {words[intent.target.kind]: intent.target.name}
        found["to"] |= {"selector": dict(intent.selector)} if intent.selector else {}
    for key in ("ports", "methods", "paths", "hosts"):
        if getattr(intent, key):
            found[key] = list(getattr(intent, key))
    if intent.jwt:
        said = {"issuer": intent.jwt.issuer, "jwks_uri": intent.jwt.jwks_uri, "jwks": intent.jwt.jwks}
        found["jwt"] = {key: value for key, value in said.items() if value}
        found["jwt"] |= {"audiences": list(intent.jwt.audiences)} if intent.jwt.audiences else {}
        claims = {name: list(values) for name, values in intent.jwt.claims.items()}
        found["jwt"] |= {"claims": claims} if claims else {}
    return found


def with_access(value: dict[str, Any], access: list[Any]) -> dict[str, Any]:
    (shop,) = value["namespaces"]
    return {**value, "namespaces": [{**shop, "access": access}]}


@given(declarations())
@MODERATE
def test_what_is_printed_is_read_as_it_was(value: dict[str, Any]) -> None:
    mesh = parse_mesh(value)
    again = with_access(value, [printed(intent) for intent in mesh.namespaces[0].access])
    assert parse_mesh(again) == mesh
    assert text(again) == text(value)


@given(declarations(), st.randoms())
@MODERATE
def test_the_order_says_nothing_and_saying_it_twice_neither(value: dict[str, Any], chance: Any) -> None:
    (shop,) = value["namespaces"]
    shuffled = json.loads(json.dumps([*shop["access"], shop["access"][0]]))
    chance.shuffle(shuffled)
    for each in shuffled:
        for key in ("from", "methods", "paths", "hosts"):
            chance.shuffle(each.get(key, []))
    assert text(with_access(value, shuffled)) == text(value)


CLAIMS: tuple[dict[str, Any], ...] = (
    {},
    {"iss": "b", "sub": "x", "aud": "shop", "groups": ["admin"]},
    {"iss": "https://a.example", "sub": "x"},
)
REQUESTS = [
    {"method": method, "path": path, "host": host, "claims": claims}
    for method in METHODS
    for path in ("/", "/api/x", "/users/1/cart")
    for host in ("a.example", "other")
    for claims in CLAIMS
]


def allowed(value: dict[str, Any]) -> set[Any]:
    """Every call that is let through, by the number of the request; also those past the waypoint."""
    world = world_of(compiled(value))
    return {
        (name, caller, number, direct)
        for name in SERVICES
        for caller in ("", *map(account, ACCOUNTS))
        for number, request in enumerate(REQUESTS)
        for direct in (False, True)
        if (not direct or number == 0) and may(world, ("shop", name), caller, direct=direct, **request)
    }


@given(declarations(), st.sampled_from(CALLERS), st.integers(0, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_caller_more_takes_none_away(value: dict[str, Any], caller: dict[str, Any], at: int) -> None:
    access = json.loads(json.dumps(value["namespaces"][0]["access"]))
    access[at % len(access)]["from"].append(caller)
    assert allowed(value) <= allowed(with_access(value, access))


@given(declarations(), st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_first_entry_closes_to_all_that_it_does_not_name_and_the_plan_says_so(
    value: dict[str, Any], data: st.DataObject
) -> None:
    (shop,) = value["namespaces"]
    value = {**value, "namespaces": [{**shop, "default_deny": False}]}
    entry = {**data.draw(entries(shop["state"] == "l7")), "to": {"service": "cart"}, "from": [{"namespace": "ops"}]}
    if "ports" in entry:
        entry["ports"] = [80]
    before, after = with_access(value, []), with_access(value, [entry])

    stays = allowed(before) - allowed(after)
    strangers = {each for each in allowed(before) if each[0] == "cart" and each[1] != account("ops/x")}
    assert strangers and strangers <= stays
    assert {each for each in stays if each[0] == "web"} == set(), "what no entry is about stays as it was"
    change = Change("shop", closed_in(compiled(before)), closed_in(compiled(after)), False, False)
    assert change.told() == [
        "Service shop/cart takes calls from namespace ops alone from now on; everybody else is refused"
    ]
