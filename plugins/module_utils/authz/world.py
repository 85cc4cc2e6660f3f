# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides who may call whom: Services, what stands behind them, waypoints and policies, live or as written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..manifests.gateways import WAYPOINT_CLASS, is_waypoint
from ..manifests.identity import Object, group_of, labels_of, name_of, namespace_or_default
from ..mesh.facts import Labels, matches
from ..mesh.patches import NO_WAYPOINT, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL, WaypointRef
from .parts import (
    MAKERS,
    Policy,
    Service,
    Target,
    Waypoint,
    Workload,
    is_of_a_gateway,
    policy_of,
    service_of,
    targets_of,
    waypoint_of,
    workload_of,
)
from .pods import apart
from .trust import ROOT_NAMESPACE, TRUST_DOMAIN, as_read

_NAMESPACE_NAME = "kubernetes.io/metadata.name"

#: Every kind that the world is made of, as (apiVersion, kind).
KINDS = (
    ("v1", "Namespace"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "Pod"),
    *(("apps/v1", kind) for kind in MAKERS),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "GRPCRoute"),
    ("security.istio.io/v1", "AuthorizationPolicy"),
    ("security.istio.io/v1", "PeerAuthentication"),
    ("security.istio.io/v1", "RequestAuthentication"),
    ("networking.istio.io/v1", "ServiceEntry"),
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("extensions.istio.io/v1alpha1", "WasmPlugin"),
)
_GROUPS = {kind: version.rpartition("/")[0] for version, kind in KINDS}


@dataclass(frozen=True)
class World:
    """All of it. `live`: read from a cluster, else as written in manifests; `objects`: by kind, as they were read."""

    objects: Mapping[str, Sequence[Object]]
    live: bool
    root: str = ROOT_NAMESPACE
    trust_domain: str = TRUST_DOMAIN

    @classmethod
    def of(cls, objects: Iterable[Object], live: bool, root: str = ROOT_NAMESPACE, trust: str = TRUST_DOMAIN) -> World:
        """Sort objects by kind; those of no concern are left out. `objects` have their kind."""
        found: dict[str, list[Object]] = {kind: [] for kind in _GROUPS}
        for obj in objects:
            kind = str(obj.get("kind"))
            if group_of(obj) == _GROUPS.get(kind):  # others have kinds of these names, such as Knative's Service
                found[kind].append(obj)
        return cls(found, live, root, trust)

    def all(self, kind: str) -> Sequence[Object]:
        """The objects of a kind, in the order in which they came."""
        return self.objects.get(kind, ())

    @cached_property
    def namespaces(self) -> Mapping[str, Labels]:
        """The labels of each namespace that is there."""
        return {name_of(obj): labels_of(obj) for obj in self.all("Namespace")}

    def allows(self, waypoint: Waypoint, namespace: str) -> bool:
        """Whether a waypoint may be used from a namespace. Manifests leave out the label that every cluster adds."""
        return waypoint.admits(namespace, {_NAMESPACE_NAME: namespace, **self.namespaces.get(namespace, {})})

    @cached_property
    def services(self) -> Mapping[tuple[str, str], Service]:
        """By namespace and name, those of gateways not among them."""
        found = (service_of(obj) for obj in self.all("Service") if not is_of_a_gateway(obj))
        return {(each.namespace, each.name): each for each in found}

    @cached_property
    def services_in(self) -> Mapping[str, Sequence[Service]]:
        """By namespace."""
        return _grouped(self.services.values())

    @cached_property
    def workloads_in(self) -> Mapping[str, Sequence[Workload]]:
        """By namespace: what makes pods, and pods that something else or nothing makes; gateways are not among them."""
        made = [workload_of(kind, obj) for kind in MAKERS for obj in self.all(kind) if not is_of_a_gateway(obj)]
        deployments = {(namespace_or_default(obj), name_of(obj)) for obj in self.all("Deployment")}
        return _grouped([*made, *apart(self.all("Pod"), deployments)])

    @cached_property
    def waypoints(self) -> Mapping[WaypointRef, Waypoint]:
        """Every waypoint that is there."""
        found = (waypoint_of(obj, self.live) for obj in self.all("Gateway") if is_waypoint(obj))
        return {each.ref: each for each in found}

    @cached_property
    def policies(self) -> Sequence[Policy]:
        """Every AuthorizationPolicy, by namespace and name."""
        found = (as_read(policy_of(obj), self.trust_domain) for obj in self.all("AuthorizationPolicy"))
        return sorted(found, key=lambda each: (each.namespace, each.name))

    @cached_property
    def policies_in(self) -> Mapping[str, Sequence[Policy]]:
        """By namespace."""
        return _grouped(self.policies)

    @cached_property
    def token_places(self) -> frozenset[tuple[str, Target]]:
        """Namespace and target of all to which a RequestAuthentication with rules is attached."""
        return frozenset(
            (namespace_or_default(obj), target)
            for obj in self.all("RequestAuthentication")
            if (obj.get("spec") or {}).get("jwtRules")
            for target in targets_of(obj)
        )

    @cached_property
    def accounts(self) -> frozenset[tuple[str, str]]:
        """Every service account, by namespace and name; what pods run as is one, too."""
        there = {(namespace_or_default(obj), name_of(obj)) for obj in self.all("ServiceAccount")}
        used = {(each.namespace, each.account) for group in self.workloads_in.values() for each in group}
        return frozenset(there | used)

    def pod(self, namespace: str, name: str) -> Workload | None:
        """A pod, whatever has made it."""
        for obj in self.all("Pod"):
            if (namespace_or_default(obj), name_of(obj)) == (namespace, name):
                return workload_of("Pod", obj)
        return None

    def enrolled(self, namespace: str) -> bool:
        """Whether pods of the namespace are captured by ztunnel, if they do not say otherwise themselves."""
        return self.namespaces.get(namespace, {}).get(MODE_LABEL) == MODE_AMBIENT

    def captured(self, workload: Workload) -> bool:
        """Whether ztunnel captures its pods."""
        mode = workload.labels.get(MODE_LABEL)
        return not workload.host_network and (mode == MODE_AMBIENT if mode else self.enrolled(workload.namespace))

    def behind(self, service: Service) -> list[Workload]:
        """What the Service leads to."""
        found = self.workloads_in.get(service.namespace, ())
        return [each for each in found if matches(service.selector, each.labels)]

    def services_of(self, namespace: str, account: str) -> list[Service]:
        """The Services that lead to pods of a service account."""
        mine = [each for each in self.workloads_in.get(namespace, ()) if each.account == account]
        services = self.services_in.get(namespace, ())
        return [each for each in services if any(matches(each.selector, workload.labels) for workload in mine)]

    def waypoint_named(self, service: Service) -> WaypointRef | None:
        """The waypoint that labels name for calls to the Service, whether or not it is there."""
        for labels in (service.labels, self.namespaces.get(service.namespace, {})):
            name = labels.get(USE_WAYPOINT)
            if name == NO_WAYPOINT:
                return None
            if name:
                return WaypointRef(labels.get(USE_WAYPOINT_NAMESPACE, service.namespace), name)
        return None

    def at_pods(self, workload: Workload) -> list[Policy]:
        """The policies that ztunnel enforces for pods of a workload. Actions that it does not know are among them."""
        near = (self.root, workload.namespace) if workload.namespace != self.root else (self.root,)
        return [
            policy
            for namespace in near
            for policy in self.policies_in.get(namespace, ())
            if not policy.targets and (policy.selector is None or policy.selector.items() <= workload.labels.items())
        ]

    def at_waypoint(self, ref: WaypointRef, service: Service) -> list[Policy]:
        """The policies that a waypoint enforces for calls to a Service."""
        places = (
            (self.root, Target("GatewayClass", WAYPOINT_CLASS)),
            (ref.namespace, Target("Gateway", ref.name)),
            (service.namespace, Target("Service", service.name)),
        )
        near = list(dict.fromkeys((self.root, ref.namespace, service.namespace)))
        found = {
            (near.index(policy.namespace), policy.name): policy
            for place in places
            for policy in self._attached.get(place, ())
        }
        return [found[key] for key in sorted(found)]

    @cached_property
    def _attached(self) -> Mapping[tuple[str, Target], Sequence[Policy]]:
        """By namespace and target."""
        found: dict[tuple[str, Target], list[Policy]] = {}
        for policy in self.policies:
            for target in policy.targets:
                found.setdefault((policy.namespace, target), []).append(policy)
        return found


def _grouped(found: Iterable[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for each in found:
        groups.setdefault(each.namespace, []).append(each)
    return groups
