# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects with a field less than usual crash no check of policies, and what is meant for others is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import policy_cases as cases
import policy_mesh as parts
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.analysis_rules import covers, never_matches
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import Call, Proxy, matches
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.engine import Selection, run_checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.identities import Names
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_table import POLICY_CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_world import Seen, View
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from hypothesis import given
from hypothesis import strategies as st
from unit.plugins.module_utils.checks.fields import paths, with_null, without


def changes(obj: Any) -> Iterator[Any]:
    """The object without each of its fields, and with null in its place."""
    for path in paths(obj):
        yield without(obj, path)
        if not isinstance(path[-1], int):
            yield with_null(obj, path)


def look(objects: list[Any]) -> None:
    others = {kind: [obj for obj in objects if obj["kind"] == kind] for kind in parts.OTHERS}
    context = Context(Snapshot(None), Wishes(tree=Seen(View(World.of(objects, True), others))))  # type: ignore[arg-type]
    report = run_checks(POLICY_CHECKS, Selection((Phase.POLICIES,)), context)
    assert len(report.results) == len(POLICY_CHECKS)


@pytest.mark.parametrize("code", [check.code for check in POLICY_CHECKS])
def test_no_missing_field_crashes_a_check(code: str) -> None:
    case = next(case for case in cases.CASES if case.code == code)
    variants = [changed for obj in case.bad for changed in changes(obj)]
    assert variants
    for changed in variants:
        look(
            [
                *parts.mesh(),
                *(obj for obj in case.bad if obj["metadata"]["name"] != changed["metadata"]["name"]),
                changed,
            ]
        )


def test_no_missing_field_of_a_mesh_that_is_well_crashes_one() -> None:
    there = parts.mesh()
    for index, obj in enumerate(there):
        for changed in changes(obj):
            look([*there[:index], changed, *there[index + 1 :]])


@pytest.mark.parametrize("spec", ["text", ["a"], {"rules": "text"}, {"rules": ["text"]}, {"selector": ["a"]}])
def test_what_is_no_policy_at_all_is_one_clear_finding(world: Any, examine: Any, spec: Any) -> None:
    report = examine(world(*parts.mesh(), {**parts.policy("odd"), "spec": spec}), "AMB0701")

    (finding,) = report.findings
    assert (finding.severity, finding.object) == ("error", "policies")
    assert finding.message.startswith("could not be checked: an object is not made as its kind has it")


def test_sidecars_enforce_what_is_not_in_ambient_mode(world: Any, examine: Any) -> None:
    plain = [parts.namespace("shop"), parts.namespace("web")]
    spec = {"selector": parts.selected(app="db")}
    theirs = [
        parts.policy(
            selector=parts.selected(app="db"), rules=[parts.rule({"methods": ["GET"]}, principals=[parts.WEB])]
        ),
        parts.policy("ext", action="CUSTOM", selector=parts.selected(app="db"), rules=[{}]),
        parts.make("RequestAuthentication", "it", spec=spec),
        parts.make("WasmPlugin", "it", spec=spec),
        parts.peers("off", selector={"app": "db"}, mtls={"mode": "DISABLE"}),
        parts.make("DestinationRule", "it", spec={"host": "db"}),
        parts.make("VirtualService", "it", spec={"hosts": ["db"]}),
    ]
    gateways = {"gateway.networking.k8s.io/gateway-name": "edge"}
    ingress = parts.policy("in", "web", [parts.rule({"methods": ["GET"]})], selector={"matchLabels": gateways})

    kept = [obj for obj in parts.mesh() if obj["kind"] not in ("Gateway", "AuthorizationPolicy")]
    sidecars = examine(world(*parts.changed(kept, [*plain, parts.service(labels={}), *theirs])), "policies")
    ambient = examine(world(*parts.changed(parts.mesh(), [ingress])), "policies")

    assert [str(each) for each in sidecars.findings] == []
    assert [str(each) for each in ambient.findings] == []


@pytest.mark.parametrize("code", ["AMB0708", "AMB0709", "AMB0720", "AMB0721"])
@pytest.mark.parametrize("unfit", [{"status": {}}, {parts.FOR: "none"}], ids=str)
def test_a_waypoint_that_no_call_passes_is_in_nobodys_way(world: Any, examine: Any, code: str, unfit: Any) -> None:
    case = next(case for case in cases.CASES if case.code == code)
    ill = parts.changed(parts.mesh(), case.bad)

    assert examine(world(*ill), code).findings != []
    assert examine(world(*parts.changed(ill, [parts.waypoint(**unfit)])), code).findings == []


def test_pods_that_something_unknown_makes_are_selected(world: Any, examine: Any) -> None:
    owner = {"kind": "ReplicaSet", "name": "rollout-1", "apiVersion": "apps/v1", "uid": "1"}
    metadata = {"name": "r-1", "namespace": "shop", "labels": {"app": "rolled"}, "ownerReferences": [owner]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    rolled = parts.policy(selector=parts.selected(app="rolled"), rules=[parts.rule(principals=[parts.WEB])])

    assert examine(world(*parts.mesh(), rolled), "AMB0731").findings != []
    assert examine(world(*parts.mesh(), rolled, pod), "AMB0731").findings == []


def test_the_service_of_a_gateway_is_a_target_as_well(world: Any, examine: Any) -> None:
    own = {"gateway.networking.k8s.io/gateway-name": "waypoint"}
    service = parts.service("waypoint", labels=own)
    of_it = parts.policy(targetRefs=[{"kind": "Service", "name": "waypoint"}])

    assert examine(world(*parts.mesh(), service, of_it), "AMB0704").findings == []


NAMES = ["a", "ab", "b", "ba", "a*", "*a", "*", "b*", "*b"]


@given(st.lists(st.sampled_from(["a", "ab", "b", "ba", "abba"]), max_size=4), st.sampled_from(NAMES))
def test_a_pattern_fits_as_going_through_all_names_would_tell(names: list[str], pattern: str) -> None:
    fits = [
        pattern == "*"
        or (pattern.startswith("*") and name.endswith(pattern[1:]))
        or (pattern.endswith("*") and name.startswith(pattern[:-1]))
        or name == pattern
        for name in names
    ]
    assert Names(names).fit(pattern) is (any(fits) or pattern == "*")


SOURCE = st.fixed_dictionaries({}, optional={
    "namespaces": st.lists(st.sampled_from(["a", "ab", "a*", "*"]), min_size=1, max_size=2),
    "notNamespaces": st.lists(st.sampled_from(["a", "ab", "a*"]), min_size=1, max_size=2),
})  # fmt: skip
OPERATION = st.fixed_dictionaries({}, optional={
    "ports": st.lists(st.sampled_from(["1", "2"]), min_size=1, max_size=2),
    "notPorts": st.lists(st.sampled_from(["1", "2"]), min_size=1, max_size=2),
})  # fmt: skip
RULE = st.builds(
    lambda sources, operations: {
        "from": [{"source": each} for each in sources],
        "to": [{"operation": each} for each in operations],
    },
    st.lists(SOURCE, max_size=2),
    st.lists(OPERATION, max_size=2),
)


def matched(rule: Any) -> set[tuple[str, int]]:
    """The calls that a proxy takes a rule for, of some."""
    calls = [(name, port) for name in ("a", "ab", "b") for port in (1, 2)]
    return {
        (name, port)
        for name, port in calls
        if matches(rule, Call(principal=f"cluster.local/ns/{name}/sa/x", port=port), Proxy.ZTUNNEL, "ALLOW", "shop")
    }


@given(RULE, RULE)
def test_a_rule_that_covers_another_matches_all_that_it_does(wide: Any, narrow: Any) -> None:
    if covers(wide, narrow):
        assert matched(narrow) <= matched(wide)


@given(SOURCE, OPERATION)
def test_a_rule_that_can_never_match_does_not(source: Any, operation: Any) -> None:
    rule = {"from": [{"source": source}], "to": [{"operation": operation}]}
    if list(never_matches(rule, "shop")):
        assert matched(rule) == set()
