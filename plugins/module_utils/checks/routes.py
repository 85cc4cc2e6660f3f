# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes and traffic rules: without a waypoint nobody follows them, and two kinds of them do not mix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..authz.analysis_index import View
from ..authz.parts import Service
from ..manifests.identity import Object, name_of, namespace_or_default
from .attached import missing, why_no_waypoint
from .findings import Problem, Severity

_ROUTES = ("HTTPRoute", "GRPCRoute")
_CONNECTION_ROUTES = ("TCPRoute", "TLSRoute")

_GIVE = "Give the Service a waypoint that is ready (label istio.io/use-waypoint)"

Key = tuple[str, str]


class Reference(NamedTuple):
    """A Service by namespace and name, and one of its ports, 0 for all of them."""

    service: Key
    port: int = 0


@dataclass(frozen=True)
class Route:
    """A route.

    Attributes:
        calls: to which Services calls it is about.
        gateways: through which Gateways calls come that it is about.
        leads: to which Services it leads, also by a mirror.
    """

    name: str
    calls: tuple[Reference, ...]
    gateways: tuple[Key, ...]
    leads: tuple[Reference, ...]

    @property
    def services(self) -> tuple[Key, ...]:
        """The Services of `calls`."""
        return tuple(each.service for each in self.calls)

    @property
    def backends(self) -> tuple[Key, ...]:
        """The Services of `leads`."""
        return tuple(each.service for each in self.leads)


def gateway_api_routes(view: View) -> Iterator[Route]:
    """Every HTTPRoute and GRPCRoute."""
    for kind in _ROUTES:
        for obj in view.world.all(kind):
            yield _route(kind, obj)


def connection_routes(view: View) -> Iterator[Route]:
    """Every TCPRoute and TLSRoute."""
    for kind in _CONNECTION_ROUTES:
        for obj in view.others.get(kind, ()):
            yield _route(kind, obj)


def _route(kind: str, obj: Object) -> Route:
    where, spec = namespace_or_default(obj), obj.get("spec") or {}
    parents = [each for each in spec.get("parentRefs") or [] if isinstance(each, Mapping)]
    rules = [each for each in spec.get("rules") or [] if isinstance(each, Mapping)]
    filters = [each for rule in rules for each in rule.get("filters") or []]
    mirrors = [each["requestMirror"]["backendRef"] for each in filters if each.get("requestMirror")]
    backends = [*(each for rule in rules for each in rule.get("backendRefs") or []), *mirrors]
    return Route(
        f"{kind} {where}/{name_of(obj)}",
        tuple(_reference(each, where) for each in parents if each.get("kind") == "Service"),
        tuple(_key(each, where) for each in parents if each.get("kind", "Gateway") == "Gateway"),
        tuple(_reference(each, where) for each in backends if each.get("kind", "Service") == "Service"),
    )


def virtual_services(view: View) -> Iterator[Route]:
    """Every VirtualService, as far as it is about calls within the mesh; gateways are those of Istio's own kind."""
    for obj in view.world.all("VirtualService"):
        where, spec = namespace_or_default(obj), obj.get("spec") or {}
        gateways = [str(each) for each in spec.get("gateways") or []]
        hosts = [str(each) for each in spec.get("hosts") or []]
        found = [key for host in hosts if (key := service_named(view, host, where))]
        in_mesh = not gateways or "mesh" in gateways
        others = tuple((where, each) for each in gateways if each != "mesh")
        leads = [
            Reference(key, port) for host, port in _destinations(spec) if (key := service_named(view, host, where))
        ]
        name = f"VirtualService {where}/{name_of(obj)}"
        yield Route(name, tuple(map(Reference, found)) if in_mesh else (), others, tuple(leads))


def _destinations(spec: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for protocol in ("http", "tls", "tcp"):
        for rule in spec.get(protocol) or []:
            mirrors = [*([rule["mirror"]] if rule.get("mirror") else []), *_of_mirrors(rule)]
            for destination in (*(each.get("destination") or {} for each in rule.get("route") or []), *mirrors):
                yield str(destination.get("host", "")), int((destination.get("port") or {}).get("number") or 0)


def _of_mirrors(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (each.get("destination") or {} for each in rule.get("mirrors") or [])


def _reference(reference: Mapping[str, Any], namespace: str) -> Reference:
    return Reference(_key(reference, namespace), int(reference.get("port") or 0))


def _key(reference: Mapping[str, Any], namespace: str) -> Key:
    return str(reference.get("namespace") or namespace), str(reference.get("name", ""))


def service_named(view: View, host: str, namespace: str) -> Key | None:
    """The Service that a host means, by its short or its full name; None where it is none that is there."""
    parts = host.split(".")
    key = (namespace, host) if len(parts) == 1 else (parts[1], parts[0])
    fits = len(parts) <= 2 or parts[2] == "svc"
    return key if fits and key in view.world.services else None


def have_a_waypoint(view: View) -> Iterator[Problem]:
    """AMB0707: only waypoints follow routes."""
    for route in (*gateway_api_routes(view), *connection_routes(view)):
        for key in route.services:
            service = view.world.services.get(key)
            if service is None:
                message = f"is about Service {key[0]}/{key[1]}, which does not exist"
                yield Problem(route.name, message, "Correct its parentRefs, or make the Service", missing(view))
            elif in_mesh(view, service) and (reason := why_no_waypoint(view, service)):
                message = f"is about Service {service}, which {reason}: nobody follows it"
                yield Problem(route.name, message, _GIVE, missing(view))
    for route in virtual_services(view):
        for key in dict.fromkeys(route.services):
            service = view.world.services[key]
            if in_mesh(view, service) and (reason := why_no_waypoint(view, service)):
                message = f"is about Service {service}, which {reason}: clients in ambient mode do not follow it"
                yield Problem(route.name, message, _GIVE, Severity.WARNING)


def in_mesh(view: View, service: Service) -> bool:
    """Whether the Service belongs to what ztunnel captures."""
    return service.namespace in view.enrolled


def not_mixed(view: View) -> Iterator[Problem]:
    """AMB0714: what happens with both is not defined."""
    by_service: dict[Key, list[str]] = defaultdict(list)
    for route in gateway_api_routes(view):
        for key in route.services:
            by_service[key].append(route.name)
    for route in virtual_services(view):
        for key in dict.fromkeys(route.services):
            if by_service.get(key):
                yield Problem(
                    route.name,
                    f"is about Service {key[0]}/{key[1]}, as is {by_service[key][0]}: which one counts is undefined",
                    "Keep one kind of them for a Service; the Gateway API's is the stable one",
                )


def destination_rules_count(view: View) -> Iterator[Problem]:
    """AMB0715: ztunnel knows no DestinationRule, and a route of the Gateway API leads to no subset."""
    routed = {key: route.name for route in gateway_api_routes(view) for key in route.services}
    led = {key for route in virtual_services(view) for key in route.backends}
    for obj in view.world.all("DestinationRule"):
        key = service_named(view, _host(obj), namespace_or_default(obj))
        service = view.world.services[key] if key else None
        if service and in_mesh(view, service) and (reason := why_no_waypoint(view, service)):
            yield Problem(
                f"DestinationRule {namespace_or_default(obj)}/{name_of(obj)}",
                f"is about Service {service}, which {reason}: clients in ambient mode do not follow it",
                _GIVE,
            )
        elif key in routed and key not in led and (obj.get("spec") or {}).get("subsets"):
            yield Problem(
                f"DestinationRule {namespace_or_default(obj)}/{name_of(obj)}",
                f"has subsets of Service {service}, and {routed[key]} is about it, which leads to Services alone",
                "Make a Service for each version, and lead the route to these",
            )


def _host(obj: Object) -> str:
    return str((obj.get("spec") or {}).get("host", ""))
