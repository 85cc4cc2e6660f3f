# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that go past a waypoint: from ingress gateways, from sidecars, to the pods' addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..authz.analysis_index import View, target_ports
from ..authz.analysis_rules import conditions, namespace_in, sources, values
from ..authz.deciding import decide
from ..authz.matching import Call, Proxy, Rule
from ..authz.parts import Service
from ..manifests.gateways import is_waypoint
from ..manifests.identity import name_of, namespace_or_default
from ..mesh.patches import INGRESS_USE_WAYPOINT
from ..mesh.sidecars import asks_of_namespace
from ..mesh.spec import WaypointRef
from .findings import Problem, Severity
from .hbone import HBONE, INGRESS
from .routes import Route, gateway_api_routes, virtual_services

_SHOWN = 5
STRANGER = "cluster.local/ns/-/sa/-"  # nobody can be called so


def ingress_comes_through(view: View) -> Iterator[Problem]:
    """AMB0720: ingress gateways of Istio call the pods, unless the Service asks for the waypoint."""
    through: dict[tuple[str, str], str] = {}
    for route in gateway_api_routes(view):
        entry = next((f"{each[0]}/{each[1]}" for each in route.gateways if _is_ingress(view, each)), "")
        _note(through, route, f"Gateway {entry}" if entry else "")
    for route in virtual_services(view):
        _note(through, route, f"Gateway {route.gateways[0][1]}" if route.gateways else "")
    for key, entry in through.items():
        service = view.world.services.get(key)
        waypoint = view.waypoint_of(service) if service else None
        if service is None or waypoint is None or _asks_for_waypoint(view, service):
            continue
        guarded = any(each.rules for each in view.at_waypoint(waypoint.ref, service))
        yield Problem(
            f"Service {service}",
            f"{entry} calls its pods past waypoint {waypoint.ref}: "
            + ("policies there do not hold for what comes in" if guarded else "routes there do not hold for it"),
            f"Give the Service or its namespace the label {INGRESS_USE_WAYPOINT}=true",
            None if guarded else Severity.WARNING,
        )


def _note(through: dict[tuple[str, str], str], route: Route, entry: str) -> None:
    for key in route.backends if entry else ():
        through.setdefault(key, entry)


def _is_ingress(view: View, key: tuple[str, str]) -> bool:
    gateway = view.gateways.get(key)
    if gateway is None or is_waypoint(gateway):
        return False
    return str((gateway.get("spec") or {}).get("gatewayClassName", "")).startswith("istio")


def _asks_for_waypoint(view: View, service: Service) -> bool:
    outer = view.world.namespaces.get(service.namespace, {})
    return service.labels.get(INGRESS_USE_WAYPOINT, outer.get(INGRESS_USE_WAYPOINT)) == "true"


def pods_are_locked(view: View) -> Iterator[Problem]:
    """AMB0721: a waypoint for Services sees no call to a pod's address, nor to a headless Service."""
    open_to: dict[tuple[WaypointRef, str], list[str]] = defaultdict(list)
    for key, workloads in view.behind.items():
        service = view.world.services[key]
        waypoint = view.waypoint_of(service)
        if waypoint is None or not view.at_waypoint(waypoint.ref, service):
            continue
        if service.headless and not waypoint.serves.workloads:
            yield Problem(
                f"Service {service}",
                f"is headless: callers go to its pods' addresses, past waypoint {waypoint.ref} and its policies",
                "Set the label istio.io/waypoint-for of the waypoint to all, and label the pods as well",
            )
        for workload in workloads:
            ports = sorted(target_ports(service, workload)) or [0]
            call = Call(principal=STRANGER, port=ports[0])
            if view.world.captured(workload) and decide(view.at_pods(workload), call, Proxy.ZTUNNEL).allowed:
                open_to[waypoint.ref, service.namespace].append(service.name)
                break
    for (ref, namespace), names in sorted(open_to.items()):
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield Problem(
            f"Gateway {ref}",
            f"its policies can be passed by: anybody may call the pods of Services in {namespace} by their address "
            f"({', '.join(sorted(names)[:_SHOWN])}{more})",
            f"Let the pods take calls from {ref.principal(view.world.trust_domain)} alone: ambient_mesh does with "
            "lock_down, or a DENY with notPrincipals and a selector",
        )


def callers_have_no_sidecar(view: View) -> Iterator[Problem]:
    """AMB0722: sidecars call the pods past every waypoint."""
    spaces = view.world.namespaces
    sidecars = {name for name in spaces if not view.world.enrolled(name) and asks_of_namespace(spaces[name])}
    for policy in view.world.policies if sidecars else ():
        if policy.dry_run or not policy.targets or policy.action not in ("ALLOW", "DENY"):
            continue
        named = {name for rule in policy.rules for name in _namespaces_of(rule, policy.namespace)}
        found = sorted(named & sidecars)
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            yield Problem(
                str(policy),
                f"names clients of namespace {found[0]}{more}, whose pods have sidecars: they call past the waypoint, "
                "and it does not hold for them",
                "Take that namespace to ambient mode first, or enforce at the pods what has to hold for it",
            )


def _namespaces_of(rule: Rule, namespace: str) -> Iterator[str]:
    for each in sources(rule):
        yield from values(each, "namespaces")
        yield from map(namespace_in, values(each, "principals"))
        for account in values(each, "serviceAccounts"):
            yield account.partition("/")[0] if "/" in account else namespace
    for each in conditions(rule):
        if each.get("key") == "source.namespace":
            yield from values(each, "values")


def ports_stay_shut(view: View) -> Iterator[Problem]:
    """AMB0736: whoever may come by HBONE may come to every port; a NetworkPolicy does not see which."""
    for obj in view.others.get("NetworkPolicy", ()):
        where = namespace_or_default(obj)
        if where not in view.enrolled or not INGRESS.concerns(obj):
            continue
        named = {str(port.get("port")) for rule in INGRESS.rules_of(obj) for port in rule.get("ports") or []}
        pods = ((obj.get("spec") or {}).get("podSelector") or {}).get("matchLabels")
        if str(HBONE) not in named or len(named) == 1:
            continue
        captured = [each for each in view.selected(where, pods) if view.world.captured(each)]
        open_to = next((each for each in captured if not view.at_pods(each)), None)
        if open_to:
            yield Problem(
                f"NetworkPolicy {where}/{name_of(obj)}",
                f"names ports beside {HBONE}; who comes by HBONE reaches every port of {open_to}, and no "
                "AuthorizationPolicy is about it",
                "Say by an AuthorizationPolicy who may call these pods on which ports",
            )
