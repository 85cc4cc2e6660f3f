# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared mesh, typed: what `ambient_mesh` says once it has been read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from .intents import Intent

MODE_LABEL = "istio.io/dataplane-mode"
MODE_AMBIENT = "ambient"


class State(Enum):
    """How far a namespace takes part in the mesh."""

    OFF = "off"
    L4 = "l4"
    L4_STRICT = "l4-strict"
    L7 = "l7"

    @property
    def enrolled(self) -> bool:
        """Whether pods of the namespace are captured by ztunnel."""
        return self is not State.OFF

    @property
    def strict(self) -> bool:
        """Whether plain text is refused where nothing else is said."""
        return self in (State.L4_STRICT, State.L7)


class Serves(Enum):
    """For which traffic a waypoint stands: the label `istio.io/waypoint-for`."""

    SERVICE = "service"
    WORKLOAD = "workload"
    ALL = "all"
    NONE = "none"

    @property
    def services(self) -> bool:
        """Whether calls to Services pass it."""
        return self in (Serves.SERVICE, Serves.ALL)

    @property
    def workloads(self) -> bool:
        """Whether calls to pods by their address pass it."""
        return self in (Serves.WORKLOAD, Serves.ALL)


class Allow(Enum):
    """What an exception lets through."""

    PLAINTEXT = "plaintext"
    DIRECT = "direct"


@dataclass(frozen=True, order=True)
class WaypointRef:
    """Which waypoint: the namespace and the name of its Gateway."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def of(cls, text: str) -> WaypointRef:
        """The one that reads as `text`."""
        namespace, _slash, name = text.partition("/")
        return cls(namespace, name)

    def principal(self, trust_domain: str) -> str:
        """As whom the waypoint speaks to the pods behind it, as policies write it."""
        return f"{trust_domain}/ns/{self.namespace}/sa/{self.name}"


@dataclass(frozen=True)
class Autoscaling:
    """Bounds of a HorizontalPodAutoscaler, and the CPU use in percent that it aims at."""

    min: int
    max: int
    cpu: int = 80


@dataclass(frozen=True)
class WaypointSpec:
    """One waypoint.

    Attributes:
        serves: the key `for` of the declaration.
        resources: of the proxy's container, as Kubernetes has them.
        disruption_budget: `{minAvailable}` or `{maxUnavailable}`, as a PodDisruptionBudget has them.
        spread: topology keys over which the pods are spread.
        allowed: `same`, `all`, or labels of the namespaces that may use it.
        lock_down: whether the pods behind it take calls from it alone.
        existing: whether somebody else makes it.
    """

    name: str
    namespace: str
    serves: Serves = Serves.SERVICE
    replicas: int | None = None
    autoscaling: Autoscaling | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    disruption_budget: Mapping[str, Any] = field(default_factory=dict)
    spread: tuple[str, ...] = ()
    revision: str = ""
    allowed: str | Mapping[str, str] = "same"
    lock_down: bool = True
    existing: bool = False

    @property
    def ref(self) -> WaypointRef:
        """Its name in full."""
        return WaypointRef(self.namespace, self.name)


@dataclass(frozen=True)
class ServiceBinding:
    """A Service and its waypoint, None to have it called without one.

    `selector`: the Service's, where it is declared; else it is read from the cluster.
    """

    name: str
    waypoint: WaypointRef | None
    selector: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountBinding:
    """A service account, whose Services or workloads go through a waypoint."""

    name: str
    waypoint: WaypointRef


@dataclass(frozen=True)
class Exemption:
    """What is let through although the state of the namespace refuses it."""

    allow: Allow
    selector: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class NamespaceSpec:
    """One user namespace and the state that is wanted for it.

    Attributes:
        mtls: `strict` or `permissive` where the declaration says so, else empty.
        discovery_labels: instead of those that the discovery selectors ask for.
        waypoint: of all Services of the namespace that say nothing else.
        access: who may call what in it; what no entry is about may be called by everybody.
        path: where in the declaration it stands, for errors that only the cluster can show.
    """

    name: str
    state: State
    mtls: str = ""
    default_deny: bool = False
    discovery_labels: Mapping[str, str] = field(default_factory=dict)
    waypoint: WaypointRef | None = None
    ingress_use_waypoint: bool = False
    services: tuple[ServiceBinding, ...] = ()
    service_accounts: tuple[AccountBinding, ...] = ()
    exceptions: tuple[Exemption, ...] = ()
    access: tuple[Intent, ...] = ()
    path: str = field(default="", compare=False)

    @property
    def strict(self) -> bool:
        """Whether its pods refuse plain text."""
        return self.mtls == "strict" or (self.state.strict and self.mtls != "permissive")

    @property
    def as_a_whole(self) -> bool:
        """Whether all its pods stand behind waypoints."""
        return self.waypoint is not None and all(service.waypoint for service in self.services)

    def waypoints(self) -> frozenset[WaypointRef]:
        """Every waypoint that something in the namespace is bound to."""
        bound = [self.waypoint, *(service.waypoint for service in self.services)]
        return frozenset(ref for ref in bound if ref) | {account.waypoint for account in self.service_accounts}


@dataclass(frozen=True)
class MeshSpec:
    """The whole declaration; `name` is the value of the label `ambient.alauda.io/mesh`."""

    name: str = "default"
    namespaces: tuple[NamespaceSpec, ...] = ()
    waypoints: tuple[WaypointSpec, ...] = ()

    def enrolled(self) -> Iterator[NamespaceSpec]:
        """The namespaces that shall be part of the mesh."""
        return (namespace for namespace in self.namespaces if namespace.state.enrolled)

    def released(self) -> Iterator[NamespaceSpec]:
        """The namespaces that are declared not to be part of it."""
        return (namespace for namespace in self.namespaces if not namespace.state.enrolled)

    def declares(self, namespace: str) -> bool:
        """Whether the namespace is named in the declaration, in whatever state."""
        return namespace in self._names

    def waypoint(self, ref: WaypointRef) -> WaypointSpec:
        """The waypoint of that name; a declaration that was read has every one that it refers to."""
        return self._by_ref[ref]

    @cached_property
    def serving(self) -> frozenset[str]:
        """The namespaces with a waypoint through which an enrolled namespace is called."""
        return frozenset(ref.namespace for namespace in self.enrolled() for ref in namespace.waypoints())

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(namespace.name for namespace in self.namespaces)

    @cached_property
    def _by_ref(self) -> dict[WaypointRef, WaypointSpec]:
        return {waypoint.ref: waypoint for waypoint in self.waypoints}
