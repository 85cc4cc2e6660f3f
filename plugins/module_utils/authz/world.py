# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides who may call whom: Services, what stands behind them, waypoints and policies, live or as written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..manifests.identity import Object
from ..mesh.facts import Labels, matches
from ..mesh.patches import NO_WAYPOINT, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE
from ..mesh.selectors import selects
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL, Serves, WaypointRef

ROOT_NAMESPACE = "istio-system"
TRUST_DOMAIN = "cluster.local"
MAKERS = ("Deployment", "StatefulSet", "DaemonSet")
_SERVES = "istio.io/waypoint-for"
_WAYPOINT_CLASS = "istio-waypoint"
_DRY_RUN = "istio.io/dry-run"
_HBONE_PORT = 15008

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


@dataclass(frozen=True)
class Port:
    """A port of a Service. `target`: the number or name of the pods' port."""

    number: int
    target: int | str


@dataclass(frozen=True)
class Service:
    """A Service. `labels` say through which waypoint it is called."""

    namespace: str
    name: str
    selector: Labels
    ports: tuple[Port, ...]
    labels: Labels
    headless: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Workload:
    """What makes pods, or a pod that nothing makes. `ports`: the pods' named ports."""

    kind: str
    namespace: str
    name: str
    account: str
    labels: Labels
    host_network: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Waypoint:
    """A Gateway of the class istio-waypoint.

    Attributes:
        programmed: None where nobody can know, as in a tree.
        allowed: from which namespaces it may be used: Same, All, or the labels of a selector.
        selector: all of that selector, expressions among it.
    """

    ref: WaypointRef
    serves: Serves
    programmed: bool | None
    allowed: str | Mapping[str, str] = "Same"
    selector: Mapping[str, Any] | None = None

    def admits(self, namespace: str, labels: Labels) -> bool:
        """Whether a namespace with these labels may use it."""
        if isinstance(self.allowed, str):
            return self.allowed == "All" or self.ref.namespace == namespace
        return self.selector is not None and selects([self.selector], labels)


@dataclass(frozen=True)
class Target:
    """What a policy is attached to by targetRefs."""

    kind: str
    name: str


@dataclass(frozen=True)
class Policy:
    """An AuthorizationPolicy.

    Attributes:
        selector: None without one: it is about the whole namespace, or the whole mesh in the root namespace.
        targets: empty where ztunnel enforces it.
        conditions: of its status, type → (status, reason, message).
        provider: who is asked where the action is CUSTOM.
    """

    namespace: str
    name: str
    action: str
    selector: Labels | None
    targets: tuple[Target, ...]
    rules: tuple[Mapping[str, Any], ...]
    dry_run: bool = False
    labels: Labels = field(default_factory=dict)
    conditions: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    provider: str = ""

    def __str__(self) -> str:
        return f"AuthorizationPolicy {self.namespace}/{self.name}"


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
        kinds = {kind for _version, kind in KINDS}
        found: dict[str, list[Object]] = {kind: [] for kind in kinds}
        for obj in objects:
            if obj.get("kind") in kinds:
                found[str(obj["kind"])].append(obj)
        return cls(found, live, root, trust)

    def all(self, kind: str) -> Sequence[Object]:
        """The objects of a kind, in the order in which they came."""
        return self.objects.get(kind, ())

    @cached_property
    def namespaces(self) -> Mapping[str, Labels]:
        """The labels of each namespace that is there."""
        return {name_of(obj): labels_of(obj) for obj in self.all("Namespace")}

    @cached_property
    def services(self) -> Mapping[tuple[str, str], Service]:
        """By namespace and name, those of gateways not among them."""
        found = (_service(obj) for obj in self.all("Service") if not _of_a_gateway(obj))
        return {(each.namespace, each.name): each for each in found}

    @cached_property
    def services_in(self) -> Mapping[str, Sequence[Service]]:
        """By namespace."""
        return _grouped(self.services.values())

    @cached_property
    def workloads_in(self) -> Mapping[str, Sequence[Workload]]:
        """By namespace: what makes pods, and pods that none of these makes; gateways are not among them."""
        made = [_workload(kind, obj) for kind in MAKERS for obj in self.all(kind) if not _of_a_gateway(obj)]
        pods = [_workload("Pod", obj) for obj in self.all("Pod") if not _of_a_gateway(obj) and _stands_alone(obj)]
        return _grouped([*made, *pods])

    @cached_property
    def waypoints(self) -> Mapping[WaypointRef, Waypoint]:
        """Every waypoint that is there."""
        found = (_waypoint(obj, self.live) for obj in self.all("Gateway") if is_waypoint(obj))
        return {each.ref: each for each in found}

    @cached_property
    def policies(self) -> Sequence[Policy]:
        """Every AuthorizationPolicy, by namespace and name."""
        return sorted(map(_policy, self.all("AuthorizationPolicy")), key=lambda each: (each.namespace, each.name))

    @cached_property
    def policies_in(self) -> Mapping[str, Sequence[Policy]]:
        """By namespace."""
        return _grouped(self.policies)

    @cached_property
    def accounts(self) -> frozenset[tuple[str, str]]:
        """Every service account, by namespace and name; what pods run as is one, too."""
        there = {(namespace_of(obj), name_of(obj)) for obj in self.all("ServiceAccount")}
        used = {(each.namespace, each.account) for group in self.workloads_in.values() for each in group}
        return frozenset(there | used)

    def pod(self, namespace: str, name: str) -> Workload | None:
        """A pod, whatever has made it."""
        for obj in self.all("Pod"):
            if (namespace_of(obj), name_of(obj)) == (namespace, name):
                return _workload("Pod", obj)
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
            (self.root, Target("GatewayClass", _WAYPOINT_CLASS)),
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


def name_of(obj: Object) -> str:
    """The name of an object."""
    return str((obj.get("metadata") or {}).get("name", ""))


def namespace_of(obj: Object) -> str:
    """The namespace of an object; `default` where a manifest leaves it out."""
    return str((obj.get("metadata") or {}).get("namespace") or "default")


def labels_of(obj: Object) -> Labels:
    """The labels of an object."""
    labels: Labels = (obj.get("metadata") or {}).get("labels") or {}
    return labels


def is_waypoint(gateway: Object) -> bool:
    """Whether a Gateway is of a class of waypoints."""
    return str((gateway.get("spec") or {}).get("gatewayClassName", "")).startswith(_WAYPOINT_CLASS)


def conditions_of(obj: Object) -> dict[str, tuple[str, str, str]]:
    """The conditions of a status: type → (status, reason, message)."""
    found = (obj.get("status") or {}).get("conditions") or []
    return {
        str(each.get("type")): (str(each.get("status")), str(each.get("reason", "")), str(each.get("message", "")))
        for each in found
    }


def selector_of(obj: Object) -> Labels | None:
    """The labels of a policy's selector; None without one."""
    selector = (obj.get("spec") or {}).get("selector")
    return (selector.get("matchLabels") or {}) if selector is not None else None


def targets_of(obj: Object) -> tuple[Target, ...]:
    """What a policy is attached to by targetRefs, or the older targetRef."""
    spec = obj.get("spec") or {}
    refs = [*(spec.get("targetRefs") or []), *([spec["targetRef"]] if spec.get("targetRef") else [])]
    return tuple(Target(str(ref.get("kind")), str(ref.get("name"))) for ref in refs)


def _grouped(found: Iterable[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for each in found:
        groups.setdefault(each.namespace, []).append(each)
    return groups


def _of_a_gateway(obj: Object) -> bool:
    return "gateway.networking.k8s.io/gateway-name" in labels_of(obj)


def _stands_alone(pod: Object) -> bool:
    owners = (pod.get("metadata") or {}).get("ownerReferences") or []
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not any(owner.get("kind") in (*MAKERS, "ReplicaSet") for owner in owners)


def _service(obj: Object) -> Service:
    spec = obj.get("spec") or {}
    ports = tuple(Port(int(each["port"]), each.get("targetPort") or int(each["port"])) for each in _ports(spec))
    headless = spec.get("clusterIP") == "None"
    return Service(namespace_of(obj), name_of(obj), spec.get("selector") or {}, ports, labels_of(obj), headless)


def _ports(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (each for each in spec.get("ports") or [] if each.get("port") and each.get("protocol", "TCP") == "TCP")


def _workload(kind: str, obj: Object) -> Workload:
    template = obj if kind == "Pod" else (obj.get("spec") or {}).get("template") or {}
    spec = template.get("spec") or {}
    named = {
        str(port["name"]): int(port["containerPort"])
        for container in spec.get("containers") or []
        for port in container.get("ports") or []
        if port.get("name") and port.get("containerPort")
    }
    account = str(spec.get("serviceAccountName") or "default")
    host = bool(spec.get("hostNetwork"))
    return Workload(kind, namespace_of(obj), name_of(obj), account, labels_of(template), host, named)


def _waypoint(obj: Object, live: bool) -> Waypoint:
    ref = WaypointRef(namespace_of(obj), name_of(obj))
    word = labels_of(obj).get(_SERVES, Serves.SERVICE.value)
    serves = Serves(word) if word in [each.value for each in Serves] else Serves.SERVICE
    status, _reason, _message = conditions_of(obj).get("Programmed", ("", "", ""))
    has_address = bool((obj.get("status") or {}).get("addresses"))
    programmed = (status == "True" and has_address) if live else None
    namespaces = _allowed_routes(obj)
    if namespaces.get("from") != "Selector":
        return Waypoint(ref, serves, programmed, str(namespaces.get("from") or "Same"))
    selector = namespaces.get("selector")
    return Waypoint(ref, serves, programmed, (selector or {}).get("matchLabels") or {}, selector)


def _allowed_routes(obj: Object) -> Mapping[str, Any]:
    """Who may use a waypoint: what its listener for HBONE says, Same where it says nothing."""
    listeners = (obj.get("spec") or {}).get("listeners") or []
    hbone = [each for each in listeners if (each.get("protocol"), each.get("port")) == ("HBONE", _HBONE_PORT)]
    for listener in hbone:
        return (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    return {}


def _policy(obj: Object) -> Policy:
    spec = obj.get("spec") or {}
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return Policy(
        namespace_of(obj),
        name_of(obj),
        str(spec.get("action") or "ALLOW"),
        selector_of(obj),
        targets_of(obj),
        tuple(spec.get("rules") or ()),
        str(annotations.get(_DRY_RUN)).lower() == "true",
        labels_of(obj),
        conditions_of(obj),
        str((spec.get("provider") or {}).get("name") or ""),
    )
