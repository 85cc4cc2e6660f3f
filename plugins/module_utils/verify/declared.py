# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the declaration asks of a cluster, as far as it can be looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..manifests.identity import labels_of, namespace_of
from ..mesh.spec import MeshSpec, NamespaceSpec, WaypointRef, WaypointSpec
from .pods import Object, service_account

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
GATEWAY_MANAGED = "gateway.istio.io/managed"


@dataclass(frozen=True)
class Declared:
    """The declaration, or the part of it that is to be verified.

    Attributes:
        enrolled: names of the namespaces that shall be in the mesh.
        off: names of those that shall not.
        namespaces: what is declared for those in the mesh.
        waypoints: all that are declared; where the verification is limited, those that the namespaces use.
        only: the namespaces to which the verification is limited; empty where it is not.
    """

    enrolled: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    namespaces: tuple[NamespaceSpec, ...] = ()
    waypoints: tuple[WaypointSpec, ...] = ()
    only: frozenset[str] = frozenset()

    @classmethod
    def of(cls, mesh: MeshSpec, only: Collection[str] = ()) -> Declared:
        """The declaration, limited to some namespaces where any are given."""
        inside = tuple(space for space in mesh.enrolled() if not only or space.name in only)
        used = {ref for space in inside for ref in space.waypoints()}
        return cls(
            enrolled=tuple(space.name for space in inside),
            off=tuple(space.name for space in mesh.released() if not only or space.name in only),
            namespaces=inside,
            # One that stands in them and that they do not use may be why they left it: it must not take them back.
            waypoints=tuple(w for w in mesh.waypoints if not only or w.ref in used),
            only=frozenset(only),
        )

    def strict(self) -> tuple[NamespaceSpec, ...]:
        """The namespaces whose pods shall refuse plain text."""
        return tuple(space for space in self.namespaces if space.strict)

    def denying(self) -> tuple[NamespaceSpec, ...]:
        """The namespaces that shall let nobody in who is not allowed."""
        return tuple(space for space in self.namespaces if space.default_deny)

    def bound(self) -> tuple[NamespaceSpec, ...]:
        """The namespaces in which something shall go through a waypoint."""
        return tuple(space for space in self.namespaces if space.waypoints())

    def locked(self) -> tuple[NamespaceSpec, ...]:
        """The namespaces in which pods shall take calls from their waypoints alone.

        Where one of several waypoints is not locked down, which pods still are depends on their selectors.
        """
        return tuple(space for space in self.bound() if all(self.waypoint(r).lock_down for r in space.waypoints()))

    def waypoint(self, ref: WaypointRef) -> WaypointSpec:
        """A waypoint by its name in full."""
        return next(found for found in self.waypoints if found.ref == ref)

    def of_service(self, space: NamespaceSpec, service: Object, pods: Iterable[Object]) -> WaypointRef | None:
        """Through which waypoint calls to a Service shall go: its own, else its pods', else the namespace's."""
        name = str(service["metadata"]["name"])
        for binding in space.services:
            if binding.name == name:
                return binding.waypoint
        accounts = {service_account(pod) for pod in behind(service, pods)}
        refs = [account.waypoint for account in space.service_accounts if account.name in accounts]
        for ref in [*refs, *([space.waypoint] if space.waypoint else [])]:
            if self.waypoint(ref).serves.services:
                return ref
        return None

    def of_pod(self, space: NamespaceSpec, pod: Object) -> WaypointRef | None:
        """Through which waypoint calls to a pod by its own address shall go."""
        refs = [account.waypoint for account in space.service_accounts if account.name == service_account(pod)]
        for ref in [*refs, *([space.waypoint] if space.waypoint else [])]:
            if self.waypoint(ref).serves.workloads:
                return ref
        return None


def is_bindable(service: Object) -> bool:
    """Whether a Service can have a waypoint: no alias of a name outside, and not a Gateway's own."""
    labels = labels_of(service)
    external = (service.get("spec") or {}).get("type") == "ExternalName"
    return not external and GATEWAY_NAME not in labels and GATEWAY_MANAGED not in labels


def behind(service: Object, pods: Iterable[Object]) -> Iterator[Object]:
    """The pods that a Service selects."""
    selector: dict[str, Any] = (service.get("spec") or {}).get("selector") or {}
    for pod in pods:
        if selector and namespace_of(pod) == namespace_of(service) and selects(selector, labels_of(pod)):
            yield pod


def selects(selector: Object, labels: Object) -> bool:
    """Whether labels have everything that a selector asks for; an empty one takes all."""
    return all(labels.get(key) == value for key, value in selector.items())
