# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world with indices, so that what is analysed costs as much as there is, and never pairs of everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..manifests.identity import Object, name_of, namespace_or_default
from ..mesh.facts import Labels
from ..mesh.patches import NO_WAYPOINT, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE
from ..mesh.spec import WaypointRef
from .parts import Policy, Service, Waypoint, Workload
from .world import World

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"


@dataclass(frozen=True)
class View:
    """What the analyses look at.

    Attributes:
        others: objects of kinds that are no part of the world, by kind.
    """

    world: World
    others: Mapping[str, Sequence[Object]] = field(default_factory=dict)

    @cached_property
    def everywhere(self) -> Selectable:
        """Every workload."""
        return Selectable([each for group in self.world.workloads_in.values() for each in group])

    @cached_property
    def _by_namespace(self) -> Mapping[str, Selectable]:
        return {name: Selectable(group) for name, group in self.world.workloads_in.items()}

    def selected(self, namespace: str, selector: Labels | None) -> Sequence[Workload]:
        """The workloads that a policy with this selector is about; one of the root namespace is about all."""
        if namespace == self.world.root:
            return self.everywhere.of(selector)
        here = self._by_namespace.get(namespace)
        return here.of(selector) if here else ()

    @cached_property
    def behind(self) -> Mapping[tuple[str, str], Sequence[Workload]]:
        """What each Service leads to, by its namespace and name."""
        found = {}
        for key, service in self.world.services.items():
            here = self._by_namespace.get(service.namespace)
            found[key] = here.of(service.selector) if here and service.selector else ()
        return found

    @cached_property
    def _services(self) -> Mapping[int, Sequence[Service]]:
        """By the id of the workload: it has mappings and cannot be hashed, and is the same object throughout."""
        found: dict[int, list[Service]] = defaultdict(list)
        for key, workloads in self.behind.items():
            for workload in workloads:
                found[id(workload)].append(self.world.services[key])
        return found

    def services_of(self, workload: Workload) -> Sequence[Service]:
        """The Services that lead to pods of a workload."""
        return self._services.get(id(workload), ())

    @cached_property
    def enrolled(self) -> frozenset[str]:
        """The namespaces with pods that ztunnel captures, or that would be."""
        labelled = {name for name in self.world.namespaces if self.world.enrolled(name)}
        return frozenset(labelled | {each.namespace for each in self.captured})

    @cached_property
    def captured(self) -> Sequence[Workload]:
        """Every workload whose pods ztunnel captures."""
        return [each for each in self.everywhere.workloads if self.world.captured(each)]

    def at_ztunnel(self, namespace: str, selector: Labels | None) -> bool:
        """Whether it is ztunnel that would enforce a policy with this selector; for a gateway's pods it is not."""
        if selector and GATEWAY_NAME in selector:
            return False
        if not selector:
            return bool(self.enrolled) if namespace == self.world.root else namespace in self.enrolled
        found = self.selected(namespace, selector)
        return any(map(self.world.captured, found)) if found else self.world.enrolled(namespace)

    def waypoint_of(self, service: Service) -> Waypoint | None:
        """The waypoint that calls to the Service pass: one that is there, may be used, and serves Services."""
        ref = self.world.waypoint_named(service)
        waypoint = self.world.waypoints.get(ref) if ref else None
        if waypoint is None or not waypoint.serves.services or waypoint.programmed is False:
            return None
        return waypoint if self.allows(waypoint, service.namespace) else None

    def allows(self, waypoint: Waypoint, namespace: str) -> bool:
        """Whether a waypoint may be used from a namespace."""
        return self.world.allows(waypoint, namespace)

    def paths_to(self, workload: Workload) -> Mapping[WaypointRef, frozenset[int]]:
        """The waypoints that lead to pods of a workload, and the ports of the pods that they call."""
        found: dict[WaypointRef, set[int]] = defaultdict(set)
        for service in self.services_of(workload):
            waypoint = self.waypoint_of(service)
            if waypoint:
                found[waypoint.ref] |= target_ports(service, workload)
        ref = own_waypoint(workload.labels, workload.namespace, self.world.namespaces.get(workload.namespace, {}))
        direct = self.world.waypoints.get(ref) if ref else None
        if direct and direct.serves.workloads and direct.programmed is not False:
            found[direct.ref] |= set(workload.ports.values())
        return {ref: frozenset(ports) for ref, ports in found.items()}

    @cached_property
    def routed(self) -> Sequence[tuple[Workload, Mapping[WaypointRef, frozenset[int]]]]:
        """The captured workloads that waypoints lead to."""
        paths = ((workload, self.paths_to(workload)) for workload in self.captured)
        return [(workload, path) for workload, path in paths if path]

    @cached_property
    def _at_ztunnel_in(self) -> Mapping[str, PolicyIndex]:
        return {name: PolicyIndex(each) for name, each in self.world.policies_in.items()}

    def at_pods(self, workload: Workload) -> list[Policy]:
        """As World.at_pods, without going through all policies of the namespace, and without those in dry run."""
        near = dict.fromkeys((self.world.root, workload.namespace))
        found = (self._at_ztunnel_in[name].of(workload) for name in near if name in self._at_ztunnel_in)
        return [policy for group in found for policy in group if not policy.dry_run]

    def at_waypoint(self, ref: WaypointRef, service: Service) -> list[Policy]:
        """The policies that a waypoint enforces for calls to a Service, without those in dry run."""
        return [policy for policy in self.world.at_waypoint(ref, service) if not policy.dry_run]

    @cached_property
    def gateways(self) -> Mapping[tuple[str, str], Object]:
        """Every Gateway by namespace and name, waypoints among them."""
        return {(namespace_or_default(obj), name_of(obj)): obj for obj in self.world.all("Gateway")}

    @cached_property
    def accounts(self) -> frozenset[tuple[str, str]]:
        """Every service account, those of waypoints and gateways among them."""
        gateways = {key for key, obj in self.gateways.items()}
        istio = {(namespace, f"{name}-istio") for namespace, name in gateways}
        return self.world.accounts | gateways | istio

    @cached_property
    def accounts_in(self) -> Mapping[str, Sequence[str]]:
        """Their names by namespace."""
        found: dict[str, list[str]] = defaultdict(list)
        for namespace, name in sorted(self.accounts):
            found[namespace].append(name)
        return found

    @cached_property
    def known_namespaces(self) -> frozenset[str]:
        """The namespaces that are there, or that something stands in."""
        held = (*self.world.workloads_in, *self.world.services_in, *(each for each, _name in self.world.accounts))
        return frozenset(held) | frozenset(self.world.namespaces)


class Selectable:
    """Workloads, found by the labels of their pods."""

    def __init__(self, workloads: Sequence[Workload]) -> None:
        self.workloads = workloads
        self._by_label: dict[tuple[str, str], list[Workload]] = defaultdict(list)
        for workload in workloads:
            for pair in workload.labels.items():
                self._by_label[pair].append(workload)

    def of(self, selector: Labels | None) -> Sequence[Workload]:
        """Those that a selector picks, all without one."""
        if not selector:
            return self.workloads
        fewest = min((self._by_label.get(pair, []) for pair in selector.items()), key=len)
        return [each for each in fewest if selector.items() <= each.labels.items()]


class PolicyIndex:
    """The policies of a namespace that ztunnel enforces, found by the labels of pods."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._general: list[Policy] = []
        self._by_label: dict[tuple[str, str], list[Policy]] = defaultdict(list)
        for policy in policies:
            if not policy.targets and policy.selector:
                self._by_label[min(policy.selector.items())].append(policy)
            elif not policy.targets:
                self._general.append(policy)

    def of(self, workload: Workload) -> list[Policy]:
        """Those that are about pods of the workload."""
        found = list(self._general)
        for pair in workload.labels.items():
            near = self._by_label.get(pair, ())
            found += [each for each in near if each.selector and each.selector.items() <= workload.labels.items()]
        return found


def own_waypoint(labels: Labels, namespace: str, outer: Labels) -> WaypointRef | None:
    """The waypoint that labels name, else those of the namespace."""
    for each in (labels, outer):
        name = each.get(USE_WAYPOINT)
        if name:
            return None if name == NO_WAYPOINT else WaypointRef(each.get(USE_WAYPOINT_NAMESPACE, namespace), name)
    return None


def target_ports(service: Service, workload: Workload) -> set[int]:
    """The ports of the pods that the Service leads to."""
    return set(map(workload.listens_on, service.ports)) - {0}
