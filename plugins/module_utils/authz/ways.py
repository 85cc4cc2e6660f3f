# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way that a call takes: who speaks for the caller, through which waypoint it goes, and to which pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from ..manifests.gateways import is_waypoint
from ..manifests.identity import name_of, namespace_or_default
from ..mesh.patches import INGRESS_USE_WAYPOINT, USE_WAYPOINT
from ..mesh.sidecars import NAMESPACE_INJECTION, POD_INJECTION, asks_of_namespace, asks_of_pod
from ..mesh.spec import WaypointRef
from .parts import Policy, Service, Target, Workload
from .tokens import looked_at, needs_token
from .world import World

_TRUE = "true"
_NOT_NAMED = "no label names a waypoint for the Service (istio.io/use-waypoint)"


class Caller(Enum):
    """As what a pod takes part in the mesh when it calls."""

    MESH = "is in the mesh"
    SIDECAR = "has a sidecar"
    GATEWAY = "is a gateway"
    OUTSIDE = "is outside the mesh"

    @property
    def identified(self) -> bool:
        """Whether its calls carry the identity of its service account."""
        return self is not Caller.OUTSIDE


@dataclass(frozen=True)
class Backend:
    """Pods that may answer. `open`: why ztunnel does not guard them; empty where it does."""

    workload: Workload
    policies: Sequence[Policy]
    open: str = ""

    @property
    def where(self) -> str:
        """Who guards them."""
        return f"ztunnel of {self.workload}"


@dataclass(frozen=True)
class Way:
    """How calls to a Service go.

    Attributes:
        waypoint: the one that labels name, whether or not calls pass it.
        missed: why calls do not pass it although they should; empty where they do, and where none is named and no
            policy needs one.
        policies: that waypoint's for the Service; those of the Service where none is named.
        admits_gateways: whether ingress gateways send calls through it.
        known: whether it is known what stands behind the Service.
        notes: what is odd about it; policies in dry run are named, for they decide nothing.
    """

    service: Service
    waypoint: WaypointRef | None
    missed: str
    policies: Sequence[Policy]
    backends: Sequence[Backend]
    admits_gateways: bool = False
    known: bool = True
    notes: tuple[str, ...] = field(default=())


class Ways:
    """The ways of a world, each found once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._ways: dict[tuple[str, str], Way] = {}
        self._callers: dict[tuple[str, str], tuple[Caller, ...]] = {}

    def to(self, service: Service) -> Way:
        """How calls to a Service go."""
        key = (service.namespace, service.name)
        if key not in self._ways:
            self._ways[key] = self._find(service)
        return self._ways[key]

    def callers(self, namespace: str, account: str) -> tuple[Caller, ...]:
        """As what pods of a service account call; more than one where they differ."""
        key = (namespace, account)
        if key not in self._callers:
            mine = self._by_account.get(key, ())
            found = {self.caller(workload) for workload in mine} or {self._without_pods(namespace, account)}
            self._callers[key] = tuple(sorted(found, key=lambda caller: caller.name))
        return self._callers[key]

    def caller(self, workload: Workload) -> Caller:
        """As what the pods of a workload call."""
        if has_sidecar(self.world, workload):
            return Caller.SIDECAR
        return Caller.MESH if self.world.captured(workload) else Caller.OUTSIDE

    def to_pods(self, workload: Workload) -> tuple[WaypointRef | None, str, list[Policy]]:
        """How calls to the addresses of pods go: the waypoint that labels name, why it is missed, and its policies."""
        stand_in = Service(workload.namespace, "", {}, (), workload.labels)
        ref = self.world.waypoint_named(stand_in)
        if ref is None:
            return None, "", []
        return ref, self.why_missed(ref, workload.namespace, pods=True), self.world.at_waypoint(ref, stand_in)

    def why_missed(self, ref: WaypointRef, namespace: str, *, pods: bool = False) -> str:
        """Why what is in a namespace is not called through a waypoint that labels name; empty where it is."""
        waypoint = self.world.waypoints.get(ref)
        if waypoint is None:
            return f"the waypoint {ref} is not there"
        if not self.world.allows(waypoint, namespace):
            return f"the waypoint {ref} does not allow the namespace {namespace} (allowedRoutes)"
        serves = waypoint.serves.workloads if pods else waypoint.serves.services
        if not serves:
            what = "calls to pods" if pods else "calls to Services"
            return f"the waypoint {ref} stands for {waypoint.serves.value}, not for {what} (istio.io/waypoint-for)"
        if waypoint.programmed is False:
            return f"the waypoint {ref} is not ready"
        return ""

    @cached_property
    def _by_account(self) -> dict[tuple[str, str], list[Workload]]:
        found: dict[tuple[str, str], list[Workload]] = {}
        for group in self.world.workloads_in.values():
            for workload in group:
                found.setdefault((workload.namespace, workload.account), []).append(workload)
        return found

    @cached_property
    def _gateways(self) -> frozenset[tuple[str, str]]:
        """The service accounts of gateways, waypoints among them."""
        found = set()
        for obj in self.world.all("Gateway"):
            name = name_of(obj)
            suffix = "" if is_waypoint(obj) else f"-{(obj.get('spec') or {}).get('gatewayClassName', '')}"
            found.add((namespace_or_default(obj), f"{name}{suffix}"))
        return frozenset(found)

    def _without_pods(self, namespace: str, account: str) -> Caller:
        if (namespace, account) in self._gateways:
            return Caller.GATEWAY
        if self.world.enrolled(namespace):
            return Caller.MESH
        asks = asks_of_namespace(self.world.namespaces.get(namespace, {}))
        return Caller.SIDECAR if asks else Caller.OUTSIDE

    def _find(self, service: Service) -> Way:
        workloads = self.world.behind(service)
        notes: tuple[str, ...] = ()
        if not workloads:
            workloads = [Workload("Pods", service.namespace, service.name, "", service.selector)]
            notes = (
                (f"nothing that stands behind Service {service} is there now",)
                if self.world.live
                else (f"what makes the pods behind Service {service} is not among the manifests",)
            )
        known = bool(service.selector)
        apart = "the Service has no port of TCP, and ztunnel carries nothing else" if service.no_tcp else ""
        backends = [Backend(each, self.world.at_pods(each), apart or self._open(each, known)) for each in workloads]
        if service.headless:
            ref, missed, policies = self._past_the_service(service, workloads[0])
        else:
            ref = self.world.waypoint_named(service)
            policies = self.world.at_waypoint(ref or WaypointRef("", ""), service)
            if ref is None:
                policies = [policy for policy in policies if Target("Service", service.name) in policy.targets]
            needed = any(not policy.dry_run for policy in policies)
            missed = self.why_missed(ref, service.namespace) if ref else _NOT_NAMED if needed else ""
        ingress = self.world.namespaces.get(service.namespace, {}).get(INGRESS_USE_WAYPOINT)
        admits = service.labels.get(INGRESS_USE_WAYPOINT, ingress) == _TRUE
        here = [*policies, *(policy for backend in backends for policy in backend.policies)]
        notes += tuple(dict.fromkeys(f"{each} is in dry run: it decides nothing" for each in here if each.dry_run))
        if ref and not missed and not looked_at(self.world, ref, service):
            notes += tuple(
                f"{each} asks for a token, and no RequestAuthentication is attached there: "
                f"rule {', '.join(map(str, rules))} never matches"
                for each in policies
                if (rules := [number for number, rule in enumerate(each.rules, 1) if needs_token(rule)])
            )
        return Way(service, ref, missed, policies, backends, admits, known, notes)

    def _past_the_service(self, service: Service, workload: Workload) -> tuple[WaypointRef | None, str, list[Policy]]:
        """A headless Service resolves to the addresses of pods: a waypoint for Services is not passed."""
        ref, missed, policies = self.to_pods(workload)
        waypoint = self.world.waypoints.get(ref) if ref else None
        if missed and waypoint and not waypoint.serves.workloads and USE_WAYPOINT not in workload.labels:
            missed = f"the Service is headless: it is called past the waypoint {ref}, which is for Services"
        return ref, missed, self.world.at_waypoint(ref, service) if ref and missed else policies

    def _open(self, workload: Workload, known: bool) -> str:
        if not known:
            return "the Service has no selector: what stands behind it is not known"
        if has_sidecar(self.world, workload):
            return f"{workload} has a sidecar, and what that enforces is not looked at"
        if self.world.captured(workload):
            return ""
        return f"{workload} is not in the mesh: ztunnel does not guard its pods"


def has_sidecar(world: World, workload: Workload) -> bool:
    """Whether pods get a sidecar; `istio.io/rev` on an enrolled namespace asks for none."""
    if asks_of_pod(workload.labels):
        return True
    asks = asks_of_namespace(world.namespaces.get(workload.namespace, {}))
    wanted = NAMESPACE_INJECTION in asks or (bool(asks) and not world.enrolled(workload.namespace))
    return wanted and workload.labels.get(POD_INJECTION) != "false" and not workload.host_network
