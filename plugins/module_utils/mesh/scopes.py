# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods that stand behind waypoints, and the Services that lead to them without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .bindings import Bound
from .facts import Labels, NamespaceFacts, Service, share_pods
from .reader import Reader
from .spec import MeshSpec, NamespaceSpec, WaypointRef


@dataclass(frozen=True)
class Scope:
    """Pods of a namespace, all or those with the labels.

    Attributes:
        behind: the waypoints through which they are called.
        refs: these, and those of pods that may be the same ones: they have to be let in, too.
    """

    selector: Labels
    behind: frozenset[WaypointRef]
    refs: frozenset[WaypointRef]


def scopes_in(namespace: NamespaceSpec, bound: Iterable[Bound], seen: NamespaceFacts | None) -> list[Scope]:
    """The pods behind the waypoints of the namespace.

    A lock-down for the whole namespace has to admit each of them, for policies know no "all pods but". Selectors that
    one pod may fit are widened by each other's waypoints, so that no two policies refuse it together.
    """
    if namespace.as_a_whole:
        return [Scope({}, namespace.waypoints(), namespace.waypoints())]
    return _widened(_with_waypoint(namespace, bound, seen or NamespaceFacts()))


def _with_waypoint(
    namespace: NamespaceSpec, bound: Iterable[Bound], seen: NamespaceFacts
) -> list[tuple[Labels, WaypointRef]]:
    """The pods that are called through a waypoint, by their labels."""
    found = [(each.selector, each.ref) for each in bound if each.ref and each.selector]
    if namespace.waypoint:
        named = {each.name for each in bound if each.kind == "Service"}
        rest = (service.selector for service in seen.services if service.name not in named)
        found += [(selector, namespace.waypoint) for selector in rest if selector]
    return found


def _widened(found: Iterable[tuple[Labels, WaypointRef]]) -> list[Scope]:
    by_selector: dict[tuple[tuple[str, str], ...], set[WaypointRef]] = {}
    for selector, ref in found:
        by_selector.setdefault(tuple(sorted(selector.items())), set()).add(ref)
    scopes = []
    for key in sorted(by_selector):
        refs = {ref for other in by_selector if _compatible(key, other) for ref in by_selector[other]}
        scopes.append(Scope(dict(key), frozenset(by_selector[key]), frozenset(refs)))
    return scopes


def _compatible(one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]]) -> bool:
    """Whether a pod may fit both selectors."""
    wanted = dict(one)
    return all(wanted.get(key, value) == value for key, value in other)


def refuse_second_ways(
    reader: Reader, namespace: NamespaceSpec, mesh: MeshSpec, seen: NamespaceFacts, bound: list[Bound]
) -> None:
    """Services that lead to locked pods, and that are called without a waypoint: their callers would be refused."""
    if namespace.as_a_whole:
        return
    locked = [
        (selector, ref) for selector, ref in _with_waypoint(namespace, bound, seen) if mesh.waypoint(ref).lock_down
    ]
    for path, service in _called_directly(namespace, seen, bound):
        for selector, ref in locked:
            if share_pods(service.selector, selector, seen.workloads):
                reader.error(
                    path,
                    f"Service {namespace.name}/{service.name} leads to pods behind waypoint {ref}, too, without it: "
                    "its callers would be refused",
                    f"Bind it to the waypoint under services, or say lock_down: false in the entry of {ref}",
                )
                break


def _called_directly(
    namespace: NamespaceSpec, seen: NamespaceFacts, bound: Iterable[Bound]
) -> Iterator[tuple[str, Service]]:
    """The Services that no waypoint stands before, each with the path of what says so."""
    places = {service.name: f"{namespace.path}.services[{index}]" for index, service in enumerate(namespace.services)}
    services = {each.name: each for each in bound if each.kind == "Service"}
    for name, each in services.items():
        if each.ref is None:
            yield places[name], Service(name, each.selector)
    if not namespace.waypoint:
        yield from ((namespace.path, service) for service in seen.services if service.name not in services)
