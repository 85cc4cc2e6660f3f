# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds in every world: the matrix says what `can` says, and what is known in full is read as the proxies do."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.authz import unknowns
from ansible_collections.alauda.ambient.plugins.module_utils.authz.answering import can
from ansible_collections.alauda.ambient.plugins.module_utils.authz.asking import Question, Request
from ansible_collections.alauda.ambient.plugins.module_utils.authz.deciding import decide
from ansible_collections.alauda.ambient.plugins.module_utils.authz.judging import Judge
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import Call, Proxy
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matrix import matrix
from ansible_collections.alauda.ambient.plugins.module_utils.authz.ruling import Verdict, rule_at
from ansible_collections.alauda.ambient.plugins.module_utils.authz.ways import Caller
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from hypothesis import example, given, settings
from hypothesis import strategies as st
from unit.plugins.module_utils.authz.small_world import (
    app,
    deployment,
    may,
    namespace,
    peer,
    policy,
    service,
    waypoint,
)

SPACES = ("a", "b", "istio-system")
NAMES = ("x", "y", "z")
ACCOUNTS = [(space, name) for space in SPACES[:2] for name in NAMES] + [("istio-system", "x"), ("a", "default")]
PRINCIPALS = [f"cluster.local/ns/{space}/sa/{name}" for space, name in ACCOUNTS]
TRAPS = ["*", "cluster.local/ns/a/*", "*/sa/x", "other.local/ns/a/sa/x", "cluster.local/ns/a/sa/waypoint"]


def _some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2)


SOURCES: dict[str, list[str]] = {
    "principals": [*PRINCIPALS, *TRAPS],
    "namespaces": ["a", "b", "*", "a*", "*b", "is*em"],
    "serviceAccounts": ["a/x", "b/y", "z", "waypoint", "a/waypoint"],
    "ipBlocks": ["10.0.0.0/8"],
    "remoteIpBlocks": ["10.0.0.0/8"],
    "requestPrincipals": ["*", "issuer/me"],
    "trustDomains": ["cluster.local", "other.local"],
}
OPERATIONS = {
    "ports": ["80", "8080", "8081"],
    "methods": ["GET", "*"],
    "paths": ["/p", "/p*", "*"],
    "hosts": ["a.example", "*.example"],
}
CONDITIONS = {
    "source.principal": [*PRINCIPALS, *TRAPS],
    "source.namespace": ["a", "b*"],
    "source.serviceAccount": ["a/x"],
    "destination.port": ["80", "8080"],
    "source.ip": ["10.0.0.0/8"],
    "remote.ip": ["10.0.0.0/8"],
    "request.headers[x-team]": ["blue", "*"],
    "request.auth.claims[group]": ["one"],
}


def _entries(values: dict[str, list[str]]) -> st.SearchStrategy[dict[str, Any]]:
    keys = {key: _some(found) for key, found in values.items()}
    keys |= {f"not{key[0].upper()}{key[1:]}": _some(found) for key, found in values.items()}
    return st.lists(st.sampled_from(sorted(keys)), min_size=1, max_size=2, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({key: keys[key] for key in chosen})
    )


def _when(key: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"key": st.just(key)}, optional={"values": _some(CONDITIONS[key]), "notValues": _some(CONDITIONS[key])}
    )


RULES = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.fixed_dictionaries({"source": _entries(SOURCES)}), min_size=1, max_size=2),
        "to": st.lists(st.fixed_dictionaries({"operation": _entries(OPERATIONS)}), min_size=1, max_size=2),
        "when": st.lists(st.sampled_from(sorted(CONDITIONS)).flatmap(_when), max_size=1),
    },
)
STATUS = st.sampled_from(
    [
        (),
        (),
        (),
        [("WaypointAccepted", "False", "AncestorNotBound")],
        [("ZtunnelAccepted", "True", "UnsupportedValue")],
        [("ZtunnelAccepted", "False", "Invalid")],
    ]
)
PLACES = st.sampled_from(
    [
        *[(space, on) for space in SPACES for on in ("", "app=x", "app=y")],
        *[(space, f"Service/{name}") for space in SPACES[:2] for name in NAMES],
        ("a", "Gateway/waypoint"),
        ("istio-system", "GatewayClass/istio-waypoint"),
    ]
)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    space, on = draw(PLACES)
    action = draw(st.sampled_from(["ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "CUSTOM", "AUDIT"]))
    rules = draw(st.lists(RULES, max_size=2))
    return policy("p", *rules, space=space, action=action, on=on, status=draw(STATUS))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Two namespaces with Services and pods in and outside the mesh, waypoints, plain text, and policies."""
    objects: list[dict[str, Any]] = []
    for space in SPACES[:2]:
        labels = draw(st.sampled_from([{}, {"use_waypoint": "waypoint"}, {"use_waypoint": "none"}]))
        objects.append(namespace(space, enrolled=draw(st.sampled_from([True, True, False])), **labels))
        for name in NAMES:
            objects += app(name, space, target=draw(st.sampled_from([8080, "web", "nobody"])))
    objects.append(namespace("istio-system", enrolled=False))
    objects += [
        waypoint(space="a", ready=draw(st.booleans())),
        waypoint(space="b", serves=draw(st.sampled_from(KINDS))),
    ]
    extra = draw(st.sampled_from(EXTRAS))
    objects += [
        *extra,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": SPACES[2]}},
    ]
    objects += [peer("p", draw(st.sampled_from(MODES)), space) for space in SPACES if draw(st.booleans())]
    found = draw(st.lists(policies(), max_size=6))
    for number, each in enumerate(found):
        each["metadata"]["name"] = f"p{number}"
    named = {(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]): obj for obj in objects + found}
    return World.of(named.values(), draw(st.booleans()))


KINDS = ["", "all", "workload"]
MODES = ["STRICT", "PERMISSIVE", ""]
_TWO_PORTS = [{"port": 80, "targetPort": 8080}, {"port": 81, "targetPort": 8081}]
EXTRAS: list[list[dict[str, Any]]] = [
    [],
    [deployment("x2", "a", labels={"app": "x", "istio.io/dataplane-mode": "none"}, account="x")],
    [deployment("x2", "a", labels={"app": "x", "sidecar.istio.io/inject": "true"}, account="y")],
    [service("x", "a", selector={"app": "x"}, ports=_TWO_PORTS, clusterIP="None")],
    [service("y", "b", {"istio.io/use-waypoint": "waypoint"}, selector={"app": "y"}, ports=_TWO_PORTS)],
    [service("z", "b", ports=_TWO_PORTS)],
]
REQUESTS = st.sampled_from(
    [
        Request(),
        Request(port=80),
        Request(method="GET", path="/p"),
        Request(method="POST", path="/", host="a.example", headers={"x-team": "blue"}, claims={}, address="10.1.1.1"),
        Request(claims={"iss": "issuer", "sub": "me", "group": "one"}),
    ]
)


@given(worlds(), REQUESTS)
def test_the_matrix_says_what_can_says_of_each_pair(world: World, request: Request) -> None:
    judge = Judge(world)
    found = matrix(world, request=request)
    assert {(row.service.namespace, row.service.name) for row in found.rows} == set(world.services)
    assert set(world.accounts) <= set(found.accounts)
    for row in found.rows:
        said = {account: group.ruling for group in row.groups for account in group.accounts}
        assert sorted(said) == sorted(found.accounts), "every account is in one group"
        assert sum(len(group.accounts) for group in row.groups) == len(said)
        for account, ruling in said.items():
            asked = Question(account, (row.service.namespace, row.service.name), request)
            alone = can(world, asked, judge).total
            assert (alone.verdict, alone.would, alone.by, alone.rule, alone.where) == (
                ruling.verdict,
                ruling.would,
                ruling.by,
                ruling.rule,
                ruling.where,
            ), f"{asked}: {alone.reason} / {ruling.reason}"


@given(worlds())
def test_the_matrix_in_json_holds_every_pair(world: World) -> None:
    whole = matrix(world)
    for row, data in zip(whole.rows, whole.data()["services"], strict=True):
        listed = {account: group["verdict"] for group in data["groups"] for account in group["accounts"]}
        for group in row.groups:
            for account in group.accounts:
                verdict = listed.get("/".join(account), data["others"]["verdict"])
                assert verdict == group.ruling.verdict.value


@given(worlds())
def test_the_matrix_of_a_namespace_is_part_of_the_whole(world: World) -> None:
    whole = {str(row.service): row.data() for row in matrix(world).rows}
    for space in SPACES[:2]:
        rows = matrix(world, space).rows
        assert rows
        assert all(row.data() == whole[str(row.service)] for row in rows)


CALLS = st.builds(
    Call,
    principal=st.sampled_from(["", *PRINCIPALS]),
    port=st.sampled_from([80, 8080]),
    source_ip=st.sampled_from(["10.1.1.1", "192.168.0.1"]),
    method=st.sampled_from(["GET", "POST"]),
    path=st.sampled_from(["/p", "/p/q", "/"]),
    host=st.sampled_from(["a.example", "b.test"]),
    headers=st.sampled_from([{}, {"x-team": "blue"}, {"x-team": "red"}]),
    claims=st.sampled_from([{}, {"iss": "issuer", "sub": "me", "group": "one"}]),
)
WORDS = (
    unknowns.METHOD,
    unknowns.PATH,
    unknowns.HOST,
    unknowns.HEADERS,
    unknowns.TOKEN,
    unknowns.PORT,
    unknowns.SOURCE,
)


@given(worlds(), CALLS, st.sampled_from(list(Proxy)))
def test_what_is_known_in_full_is_decided_as_the_proxy_decides(world: World, call: Call, proxy: Proxy) -> None:
    found = [each for each in world.policies if each.action in ("ALLOW", "DENY")]
    decision, ruling = decide(found, call, proxy), rule_at(found, call, proxy, frozenset(), "", False)
    assert ruling.verdict is (Verdict.ALLOWED if decision.allowed else Verdict.DENIED)
    if decision.policy is not None:
        assert (ruling.by, ruling.rule) == (str(decision.policy), decision.rule + 1)


@settings(max_examples=300)
@given(worlds(), CALLS, st.sampled_from(list(Proxy)), st.sets(st.sampled_from(WORDS)))
def test_what_is_said_without_knowing_all_holds_for_every_such_call(
    world: World, call: Call, proxy: Proxy, words: set[str]
) -> None:
    """Nothing that is unknown may make a sure answer wrong."""
    found = [each for each in world.policies if each.action in ("ALLOW", "DENY")]
    ruling = rule_at(found, call, proxy, frozenset(words), "", False)
    allowed = decide(found, call, proxy).allowed
    if ruling.verdict is not Verdict.DEPENDS:
        assert ruling.verdict is (Verdict.ALLOWED if allowed else Verdict.DENIED), ruling.reason
    else:
        assert ruling.on and ruling.on <= words


@given(worlds(), st.sampled_from(ACCOUNTS[:6]), st.sampled_from(PRINCIPALS), st.booleans())
@example(World.of([], True), ("a", "x"), PRINCIPALS[0], True)
def test_an_allow_that_is_added_never_takes_from_those_it_names(
    world: World, account: tuple[str, str], principal: str, at_pods: bool
) -> None:
    proxy = Proxy.ZTUNNEL if at_pods else Proxy.WAYPOINT
    call = Call(principal, 80, method="GET", path="/p", host="a.example", source_ip="10.0.0.1")
    added = World.of([policy("more", may("/".join(account)), space="a")], True).policies
    before = rule_at(world.policies, call, proxy, frozenset(), "", False)
    after = rule_at([*world.policies, *added], call, proxy, frozenset(), "", False)
    if call.account == "/".join(account):
        assert (before.verdict, after.verdict) != (Verdict.ALLOWED, Verdict.DENIED)
        if before.verdict is Verdict.DENIED and after.verdict is Verdict.DENIED:
            assert before.by == after.by, "only a DENY is stronger"


@given(worlds(), st.sampled_from(ACCOUNTS[:6]), st.sampled_from(NAMES))
def test_an_allow_added_to_a_service_keeps_the_answer_of_can(world: World, account: tuple[str, str], name: str) -> None:
    """For whom it names, on the whole way: at the waypoint and at the pods, the waypoint admitted there."""
    at_waypoint = policy("zz-w", may("/".join(account)), space="a", on=f"Service/{name}")
    at_pods = policy("zz-p", may("/".join(account), "a/waypoint"), space="a", on=f"app={name}")
    objects = [obj for group in world.objects.values() for obj in group]
    more = World.of([*objects, at_waypoint, at_pods], world.live)
    question = Question(account, ("a", name), Request(method="GET", path="/p"))
    before, after = can(world, question).total, can(more, question).total
    in_the_mesh = Judge(world).ways.callers(*account) == (Caller.MESH,)  # others pass the waypoint by
    if in_the_mesh and before.verdict is Verdict.ALLOWED:
        assert after.meant is Verdict.ALLOWED, after.reason
