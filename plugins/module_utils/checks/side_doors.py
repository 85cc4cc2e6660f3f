# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways through a waypoint to a Service or its pods by the name of another Service, whose policies let in more.

A waypoint asks the policies of the Service that is called. Which pods the call ends at, and by which route, is nothing
to it. The compiler refuses the same for entries under `access` (mesh/targets.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..authz.analysis_index import View, target_ports
from ..authz.analysis_rules import ports_of
from ..authz.deciding import decide
from ..authz.matching import Call, Proxy
from ..authz.parts import Policy, Service, Workload
from ..mesh.spec import WaypointRef
from .bypass import STRANGER
from .findings import Problem, Severity
from .routes import Reference, Route, connection_routes, gateway_api_routes, virtual_services

_COUNTED = ("ALLOW", "DENY", "CUSTOM")


@dataclass(frozen=True)
class _Entrance:
    """A Service whose callers pass a waypoint, and the policies there; `named`: the same, quick to compare."""

    service: Service
    ref: WaypointRef
    policies: Sequence[Policy]
    named: frozenset[str]


def _entrance(view: View, service: Service) -> _Entrance | None:
    """None where callers pass no waypoint, as those of a headless Service, who call the pods themselves."""
    waypoint = None if service.headless else view.waypoint_of(service)
    if waypoint is None:
        return None
    policies = [each for each in view.at_waypoint(waypoint.ref, service) if each.action in _COUNTED]
    return _Entrance(service, waypoint.ref, policies, frozenset(map(str, policies)))


def none_beside_policies(view: View) -> Iterator[Problem]:
    """AMB0740: of two Services before the same pods one has policies, and the other lets everybody in."""
    told = set()
    for workload in view.captured:
        services = sorted(view.services_of(workload), key=str) if len(view.services_of(workload)) > 1 else []
        entrances = [each for service in services if (each := _entrance(view, service))]
        for beside in entrances:
            for guarded in entrances:
                if not beside.named < guarded.named or str(beside.service) in told:
                    continue
                found = _side_door(view, beside, guarded, workload)
                if found:
                    told.add(str(beside.service))
                    yield _beside(beside.service, guarded.service, workload, *found)


def _beside(beside: Service, guarded: Service, workload: Workload, severity: Severity, policy: Policy) -> Problem:
    return Problem(
        f"Service {beside}",
        f"leads to the same pods as Service {guarded} ({workload}), and {policy} is about that one alone: whom it "
        "refuses comes in here",
        "Attach the policy to both Services, or to the Gateway of their waypoint",
        severity,
    )


def _side_door(view: View, beside: _Entrance, guarded: _Entrance, workload: Workload) -> tuple[Severity, Policy] | None:
    """How bad it is, and past which policy: an error where a stranger is refused at the one and not at the other."""
    if not beside.named < guarded.named:
        return None  # nothing to pass, or somebody has said who may call this one
    more = [each for each in guarded.policies if str(each) not in beside.named]
    shared = target_ports(beside.service, workload) & target_ports(guarded.service, workload)
    entered = {port for port in shared if _admits_waypoint(view, workload, beside.ref, port)}
    doors, numbers = _numbers(beside.service, workload, entered), _numbers(guarded.service, workload, entered)
    if not any(_lets_in(beside.policies, number) for number in doors):
        return None
    if not all(_lets_in(guarded.policies, number) for number in numbers):
        return Severity.ERROR, more[0]
    narrowing = (each for each in more if each.action != "ALLOW" and _is_about(each, numbers))
    return next(((Severity.WARNING, each) for each in narrowing), None)


def _numbers(service: Service, workload: Workload, ports: Iterable[int]) -> list[int]:
    """The ports of the Service that lead to some ports of the pods."""
    wanted = set(ports)
    return [each.number for each in service.ports if workload.listens_on(each) in wanted]


def _lets_in(policies: Sequence[Policy], number: int) -> bool:
    return decide(policies, Call(principal=STRANGER, port=number), Proxy.WAYPOINT).allowed


def _admits_waypoint(view: View, workload: Workload, ref: WaypointRef, port: int) -> bool:
    """Whether the pods take calls from that waypoint: a lock-down may know another one only."""
    call = Call(principal=ref.principal(view.world.trust_domain), port=port)
    return decide(view.at_pods(workload), call, Proxy.ZTUNNEL).allowed


def _is_about(policy: Policy, numbers: Iterable[int]) -> bool:
    named = set(map(str, numbers))
    return any(not ports_of(rule) or ports_of(rule) & named for rule in policy.rules)


def routes_lead_to_the_open(view: View) -> Iterator[Problem]:
    """AMB0742: the policies of the Services to which a route leads are not asked."""
    for route in (*gateway_api_routes(view), *connection_routes(view), *virtual_services(view)):
        told = set()
        for called in route.calls:
            for led in route.leads:
                if (called.service, led.service) not in told and _leads_past(view, called, led):
                    told.add((called.service, led.service))
                    yield _past(route, called, led)


def _past(route: Route, called: Reference, led: Reference) -> Problem:
    names = ["/".join(each.service) for each in (called, led)]
    return Problem(
        route.name,
        f"leads calls of Service {names[0]}, which everybody may call, to Service {names[1]}, where policies refuse "
        "some: a waypoint asks those of the Service that is called, and not these",
        f"Say who may call Service {names[0]}, or attach the policies to the Gateway of the waypoint",
    )


def _leads_past(view: View, called: Reference, led: Reference) -> bool:
    """Whether a stranger is let in at the one and refused at the other, and the pods take the call."""
    front, back = view.world.services.get(called.service), view.world.services.get(led.service)
    if front is None or back is None or front is back:
        return False
    here, there = _entrance(view, front), _entrance(view, back)
    if here is None or there is None:
        return False
    doors, numbers = _ports(front, called.port), _ports(back, led.port)
    if not any(_lets_in(here.policies, number) for number in doors):
        return False
    if any(_lets_in(there.policies, number) for number in numbers):
        return False
    behind = (each for each in view.behind[led.service] if not _is_side_door(view, here, there, each))
    return any(_reached(view, workload, here.ref, back, numbers) for workload in behind)


def _ports(service: Service, named: int) -> list[int]:
    """The port that a reference names, or all where it names none."""
    return [each.number for each in service.ports if named in (0, each.number)]


def _is_side_door(view: View, front: _Entrance, back: _Entrance, workload: Workload) -> bool:
    """Whether AMB0740 says it, with or without a route."""
    return front.service in view.services_of(workload) and _side_door(view, front, back, workload) is not None


def _reached(view: View, workload: Workload, ref: WaypointRef, back: Service, numbers: Iterable[int]) -> bool:
    """Whether the pods take calls from the waypoint where these ports of the Service lead."""
    ports = {port for port in target_ports(back, workload) if set(_numbers(back, workload, [port])) & set(numbers)}
    return view.world.captured(workload) and any(_admits_waypoint(view, workload, ref, port) for port in ports)
