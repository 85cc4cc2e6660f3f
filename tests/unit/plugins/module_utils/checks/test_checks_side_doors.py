# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second Service or a route past a Service's policies is told where it is one, once, and nowhere else."""

from __future__ import annotations

import time
from typing import Any

import policy_cases as cases
import policy_mesh as parts
import pytest

ALL = parts.service("all", selector=parts.CART)
TO_ALL = [{"kind": "Service", "name": "all"}]
SECOND = {**parts.waypoint(), "metadata": {"name": "second", "namespace": "shop"}}
BY_SECOND = parts.service("all", selector=parts.CART, labels={parts.USE: "second"})
OTHER_PORT = [{"port": 9090, "targetPort": 9090}]
BOTH_PORTS = [{"port": 80, "targetPort": 8080}, {"port": 9090, "targetPort": 9090}]
CLOSED = parts.policy("closed", targetRefs=cases.TO_WAYPOINT)
LEADS = parts.route(parentRefs=cases.TO_FRONT, rules=cases.BACKEND)


def denying(ports: Any = None, annotations: Any = None) -> Any:
    rules = [parts.rule({"methods": ["DELETE"], **({"ports": ports} if ports else {})})]
    return parts.policy("of-cart", action="DENY", targetRefs=parts.TO_CART, annotations=annotations, rules=rules)


def told(report: Any) -> list[str]:
    return [f"{finding.severity} {finding.code} {finding.object}" for finding in report.findings]


@pytest.mark.parametrize(
    "changes",
    [
        [parts.service("all", selector=parts.CART, ports=OTHER_PORT)],
        [parts.service("all", selector=parts.CART, ports=OTHER_PORT), denying()],
        [parts.service("all", selector=parts.CART, clusterIP="None")],
        [parts.service("all", selector=parts.CART, labels={})],
        [SECOND, BY_SECOND],  # the pods take calls from the first one alone
        [ALL, parts.policy("of-all", targetRefs=TO_ALL, rules=[{}])],
        [ALL, parts.service(ports=BOTH_PORTS), denying(ports=["9090"])],
        [ALL, CLOSED],
        [ALL, parts.policy("of-cart", targetRefs=parts.TO_CART, action="AUDIT", rules=[{}])],
        [ALL, parts.policy("of-cart", targetRefs=parts.TO_CART, rules=[{}])],
        [ALL, parts.policy("of-cart", targetRefs=parts.TO_CART, annotations=cases.DRY)],
        [ALL, denying(annotations=cases.DRY)],
        [ALL, parts.namespace("shop")],
    ],
    ids=[
        "port",
        "deny at another port",
        "headless",
        "no waypoint",
        "lock",
        "own",
        "deny",
        "closed",
        "audit",
        "open",
        "dry run",
        "deny in dry run",
        "outside",
    ],
)
def test_no_side_door_is_told_where_there_is_none(world: Any, examine: Any, changes: Any) -> None:
    assert told(examine(world(*parts.changed(parts.mesh(), changes)), "AMB0740")) == []


@pytest.mark.parametrize(
    "changes",
    [
        [ALL],
        [parts.service("all", selector=parts.CART, ports=BOTH_PORTS)],
        [SECOND, BY_SECOND, {**parts.LOCK_DOWN, "spec": {"action": "DENY"}}],
        [ALL, parts.policy("all", action="DENY", targetRefs=cases.TO_WAYPOINT, rules=[parts.rule(namespaces=["x"])])],
    ],
    ids=["same", "more ports", "second waypoint", "shared deny"],
)
def test_a_service_that_lets_all_in_to_closed_pods_is_an_error(world: Any, examine: Any, changes: Any) -> None:
    assert told(examine(world(*parts.changed(parts.mesh(), changes)), "AMB0740")) == ["error AMB0740 Service shop/all"]


def test_a_service_is_told_once_however_many_it_stands_beside(world: Any, examine: Any) -> None:
    more = [parts.service("more", selector=parts.CART), parts.deployment("cart-2", labels=parts.CART)]

    found = examine(world(*parts.changed(parts.mesh(), [ALL, *more])), "AMB0740")

    assert told(found) == ["error AMB0740 Service shop/all", "error AMB0740 Service shop/more"]


def backend(port: int) -> Any:
    return parts.route(parentRefs=cases.TO_FRONT, rules=[{"backendRefs": [{"name": "cart", "port": port}]}])


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ([cases.FRONT, LEADS], 1),
        ([cases.FRONT, parts.route(parentRefs=[{**cases.TO_FRONT[0], "port": 80}], rules=cases.BACKEND)], 1),
        ([cases.FRONT, parts.route(parentRefs=[{**cases.TO_FRONT[0], "port": 81}], rules=cases.BACKEND)], 0),
        ([cases.FRONT, parts.service(ports=BOTH_PORTS), backend(9090)], 1),
        ([cases.FRONT, parts.service(ports=BOTH_PORTS), backend(9090), parts.policy(
            "of-cart", targetRefs=parts.TO_CART, rules=[parts.rule({"ports": ["9090"]})])], 0),
        ([parts.service("front", labels={}), LEADS], 0),  # nobody follows the route: AMB0707
        ([SECOND, parts.service("front", labels={parts.USE: "second"}), LEADS], 0),
        ([SECOND, parts.service("front", labels={parts.USE: "second"}), LEADS, parts.policy(
            "locked", action="DENY", selector=parts.selected(), rules=[parts.rule(notNamespaces=["shop"])])], 1),
        ([parts.service("front", selector=parts.CART), LEADS], 0),  # AMB0740 says it
        ([parts.route(rules=cases.BACKEND)], 0),
        ([cases.FRONT, parts.route(parentRefs=cases.TO_FRONT)], 0),
        ([cases.FRONT, LEADS, CLOSED], 0),
    ],
)  # fmt: skip
def test_a_route_past_policies_is_told_where_the_pods_take_the_call(
    world: Any, examine: Any, changes: Any, count: int
) -> None:
    found = examine(world(*parts.changed(parts.mesh(), changes)), "AMB0742")

    assert told(found) == ["warning AMB0742 HTTPRoute shop/way"] * count


@pytest.mark.parametrize("kind", ["GRPCRoute", "TCPRoute", "TLSRoute"])
def test_routes_of_every_kind_lead_past_policies(world: Any, examine: Any, kind: str) -> None:
    leads = parts.route(kind, parentRefs=cases.TO_FRONT, rules=cases.BACKEND)

    found = examine(world(*parts.changed(parts.mesh(), [cases.FRONT, leads])), "AMB0742")

    assert told(found) == [f"warning AMB0742 {kind} shop/way"]


def test_many_services_before_the_same_pods_cost_little(world: Any, examine: Any) -> None:
    many = [parts.service(f"of-cart-{number}", selector=parts.CART) for number in range(600)]
    closed = [parts.policy(each["metadata"]["name"], targetRefs=[{"kind": "Service", "name": each["metadata"]["name"]}],
                           rules=[parts.rule(principals=[parts.WEB])]) for each in many[:300]]  # fmt: skip
    mesh = world(*parts.changed(parts.mesh(), [*many, *closed]))
    start = time.process_time()

    found = examine(mesh, "AMB0740")

    assert len(told(found)) == 300
    assert time.process_time() - start < 5  # comparing each with each took half a minute


def test_what_leads_to_the_same_pods_is_told_as_a_side_door_with_or_without_a_route(world: Any, examine: Any) -> None:
    canary = [parts.service("front", selector=parts.CART), LEADS]

    found = examine(world(*parts.changed(parts.mesh(), canary)), "AMB0740", "AMB0742")

    assert told(found) == ["error AMB0740 Service shop/front"]
