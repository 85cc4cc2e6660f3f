# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of policies as the checks see it: of a cluster with what a run would bring, or of a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..authz.analysis_index import View
from ..authz.reading import overlay
from ..authz.shapes import checked
from ..authz.trust import ROOT_NAMESPACE, TRUST_DOMAIN
from ..authz.world import World
from ..manifests.identity import group_of
from ..manifests.items import Item
from .findings import Problem
from .policy_plan import KIND_NAMES, laid_over, remaining
from .snapshot import (
    DAEMONSETS,
    DEPLOYMENTS,
    GATEWAYS,
    NAMESPACES,
    NETWORK_POLICIES,
    POD_METADATA,
    Resource,
    SkipError,
    Snapshot,
)

_GATEWAY = "gateway.networking.k8s.io/v1"
_SECURITY = "security.istio.io/v1"
_NETWORKING = "networking.istio.io/v1"
_EXTENSIONS = "extensions.istio.io/v1alpha1"
AUTHORIZATION_POLICIES = Resource(_SECURITY, "AuthorizationPolicy")
DESTINATION_RULES = Resource(_NETWORKING, "DestinationRule")
ENVOY_FILTERS = Resource("networking.istio.io/v1alpha3", "EnvoyFilter")
GRPC_ROUTES = Resource(_GATEWAY, "GRPCRoute")
HTTP_ROUTES = Resource(_GATEWAY, "HTTPRoute")
PEER_AUTHENTICATIONS = Resource(_SECURITY, "PeerAuthentication")
REQUEST_AUTHENTICATIONS = Resource(_SECURITY, "RequestAuthentication")
SERVICES = Resource("v1", "Service")
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", metadata_only=True)
SERVICE_ENTRIES = Resource(_NETWORKING, "ServiceEntry")
SIDECARS = Resource(_NETWORKING, "Sidecar", metadata_only=True)
STATEFUL_SETS = Resource("apps/v1", "StatefulSet")
TCP_ROUTES = Resource(_GATEWAY, "TCPRoute")
TELEMETRIES = Resource("telemetry.istio.io/v1", "Telemetry")
TLS_ROUTES = Resource(_GATEWAY, "TLSRoute")
TRAFFIC_EXTENSIONS = Resource(_EXTENSIONS, "TrafficExtension")
VIRTUAL_SERVICES = Resource(_NETWORKING, "VirtualService")
WASM_PLUGINS = Resource(_EXTENSIONS, "WasmPlugin")

#: Without these nothing can be said.
CORE = (NAMESPACES, SERVICES, POD_METADATA, DEPLOYMENTS, STATEFUL_SETS, DAEMONSETS, GATEWAYS)
_WORLD = (
    *CORE,
    SERVICE_ACCOUNTS,
    HTTP_ROUTES,
    GRPC_ROUTES,
    AUTHORIZATION_POLICIES,
    PEER_AUTHENTICATIONS,
    REQUEST_AUTHENTICATIONS,
    SERVICE_ENTRIES,
    VIRTUAL_SERVICES,
    DESTINATION_RULES,
    WASM_PLUGINS,
)
_OTHERS = (SIDECARS, NETWORK_POLICIES, ENVOY_FILTERS, TELEMETRIES, TRAFFIC_EXTENSIONS, TCP_ROUTES, TLS_ROUTES)
Objects = list[dict[str, Any]]
Find = Callable[[View], Iterable[Problem]]


@dataclass(frozen=True)
class Planned:
    """What the run would bring, and how the mesh is called. `roles`: of all that was computed, also without items."""

    items: Sequence[Item] = ()
    roles: frozenset[str] = frozenset()
    root: str = ROOT_NAMESPACE
    trust_domain: str = TRUST_DOMAIN


@dataclass(frozen=True)
class Seen:
    """What there is to look at.

    Attributes:
        before: as it is; `after`: with what the run would bring. The same where it brings nothing.
        blind: kind → why it could not be listed.
    """

    before: View
    planned: Planned = field(default_factory=Planned)
    blind: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def after(self) -> View:
        """The world once the run is through."""
        items = [item for item in self.planned.items if item.identity.kind in KIND_NAMES]
        there = [obj for group in self.before.world.objects.values() for obj in group]
        left = list(remaining(there, items, self.planned.roles))
        if not items and len(left) == len(there):
            return self.before
        return View(_world(laid_over(left, items), True, self.planned), self.before.others)

    def require(self, needs: Iterable[Resource]) -> None:
        """SkipError where one of the kinds could not be listed."""
        for need in needs:
            if need.kind in self.blind:
                raise SkipError(self.blind[need.kind])

    def problems(self, find: Find) -> list[Problem]:
        """What is found in the world as it would be."""
        return list(find(self.after))

    def known(self, find: Find) -> frozenset[tuple[str, str]]:
        """Object and message of all that is found in the world as it is."""
        return frozenset((problem.object, problem.message) for problem in find(self.before))


def read(cluster: Snapshot, planned: Planned) -> Seen:
    """List all that the world is made of; what may not be listed is noted."""
    blind: dict[str, str] = {}
    objects = [obj for resource in _WORLD for obj in _listed(cluster, resource, blind)]
    others = {resource.kind: list(_listed(cluster, resource, blind)) for resource in _OTHERS}
    return Seen(View(_world(objects, True, planned), others), planned, blind)


def written(items: Iterable[Item], root: str = ROOT_NAMESPACE, trust_domain: str = TRUST_DOMAIN) -> Seen:
    """The world as manifests have it. AmbientError with the object and the field of one that cannot be read."""
    objects = list(checked(overlay([], items)))
    kinds = {resource.kind: [obj for obj in objects if _is_of(obj, resource)] for resource in _OTHERS}
    return Seen(View(World.of(objects, False, root, trust_domain), kinds))


def _is_of(obj: Mapping[str, Any], resource: Resource) -> bool:
    """Whether it is of the kind, whatever the version; Calico has a NetworkPolicy, too."""
    return obj.get("kind") == resource.kind and group_of(obj) == group_of({"apiVersion": resource.api_version})


def _listed(cluster: Snapshot, resource: Resource, blind: dict[str, str]) -> Iterator[dict[str, Any]]:
    try:
        found = cluster.all(resource)
    except SkipError as reason:
        blind[resource.kind] = str(reason)
        return
    for obj in found:
        yield {**obj, "apiVersion": resource.api_version, "kind": resource.kind}


def _world(objects: Objects, live: bool, planned: Planned) -> World:
    return World.of(objects, live, planned.root, planned.trust_domain)
