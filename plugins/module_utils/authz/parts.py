# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services, workloads, waypoints and policies, read from their manifests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..manifests.dry_run import in_dry_run
from ..manifests.gateways import hbone_listeners
from ..manifests.identity import Object, labels_of, name_of, namespace_or_default
from ..mesh.facts import Labels, named_ports
from ..mesh.selectors import selects
from ..mesh.spec import Serves, WaypointRef

MAKERS = ("Deployment", "StatefulSet", "DaemonSet")
_SERVES = "istio.io/waypoint-for"


@dataclass(frozen=True)
class Port:
    """A port of a Service. `target`: the number or name of the pods' port."""

    number: int
    target: int | str


@dataclass(frozen=True)
class Service:
    """A Service. `labels` say through which waypoint it is called; `no_tcp`: it has ports, and none is of TCP."""

    namespace: str
    name: str
    selector: Labels
    ports: tuple[Port, ...]
    labels: Labels
    headless: bool = False
    no_tcp: bool = False

    def has(self, port: int) -> bool:
        """Whether it has this port."""
        return any(each.number == port for each in self.ports)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Workload:
    """What makes pods, or a pod that nothing makes. `ports`: the pods' named ports of TCP."""

    kind: str
    namespace: str
    name: str
    account: str
    labels: Labels
    host_network: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)

    def listens_on(self, port: Port) -> int:
        """The pods' port to which a port of a Service leads; 0 where it is not known."""
        return port.target if isinstance(port.target, int) else self.ports.get(port.target, 0)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Waypoint:
    """A Gateway that is a waypoint.

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


def is_of_a_gateway(obj: Object) -> bool:
    """Whether istiod or somebody else has made it for a Gateway."""
    return "gateway.networking.k8s.io/gateway-name" in labels_of(obj)


def service_of(obj: Object) -> Service:
    """The Service that a manifest describes."""
    spec = obj.get("spec") or {}
    ports = tuple(Port(int(each["port"]), each.get("targetPort") or int(each["port"])) for each in _ports(spec))
    headless = spec.get("clusterIP") == "None"
    no_tcp = bool(spec.get("ports")) and not ports
    selector = spec.get("selector") or {}
    return Service(namespace_or_default(obj), name_of(obj), selector, ports, labels_of(obj), headless, no_tcp)


def _ports(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (each for each in spec.get("ports") or [] if each.get("port") and _is_tcp(each))


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return (port.get("protocol") or "TCP") == "TCP"


def workload_of(kind: str, obj: Object) -> Workload:
    """The workload that a manifest of one of the `MAKERS`, or of a Pod, describes."""
    template = obj if kind == "Pod" else (obj.get("spec") or {}).get("template") or {}
    spec = template.get("spec") or {}
    account = str(spec.get("serviceAccountName") or "default")
    host = bool(spec.get("hostNetwork"))
    return Workload(
        kind, namespace_or_default(obj), name_of(obj), account, labels_of(template), host, named_ports(spec)
    )


def waypoint_of(obj: Object, live: bool) -> Waypoint:
    """The waypoint that a Gateway describes. `live`: its status counts."""
    ref = WaypointRef(namespace_or_default(obj), name_of(obj))
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
    for listener in hbone_listeners(obj):
        return (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    return {}


def policy_of(obj: Object) -> Policy:
    """The policy that an AuthorizationPolicy describes."""
    spec = obj.get("spec") or {}
    return Policy(
        namespace_or_default(obj),
        name_of(obj),
        str(spec.get("action") or "ALLOW"),
        selector_of(obj),
        targets_of(obj),
        tuple(spec.get("rules") or ()),
        in_dry_run(obj),
        labels_of(obj),
        conditions_of(obj),
        str((spec.get("provider") or {}).get("name") or ""),
    )
