# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declared bindings to the Services and workloads that get a label, and to the pods that stand behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .facts import Labels, NamespaceFacts, Workload, behind, matches
from .names import did_you_mean
from .reader import Reader
from .spec import AccountBinding, MeshSpec, NamespaceSpec, WaypointRef

_TEMPLATES = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True)
class Bound:
    """A Service or workload that is labelled. `ref` None: called without a waypoint. `selector`: of its pods."""

    api_version: str
    kind: str
    name: str
    ref: WaypointRef | None
    selector: Labels


@dataclass(frozen=True)
class Scope:
    """Pods of a namespace, all or those with the labels, and the waypoints through which they are called."""

    selector: Labels
    refs: frozenset[WaypointRef]


def bound_in(reader: Reader, namespace: NamespaceSpec, mesh: MeshSpec, seen: NamespaceFacts | None) -> list[Bound]:
    """What gets a label of its own in the namespace; what cannot be bound is noted with its path."""
    found: dict[tuple[str, str], Bound] = {}
    for each in (*_services(reader, namespace, mesh, seen), *_accounts(reader, namespace, mesh, seen)):
        other = found.setdefault((each.kind, each.name), each)
        if other.ref != each.ref:
            reader.error(
                namespace.path,
                f"{each.kind} {namespace.name}/{each.name} is bound twice, to {other.ref or 'none'} and to "
                f"{each.ref or 'none'}",
                "Keep one of the entries under services and service_accounts",
            )
    if seen is None:
        _refuse_unknown_rest(reader, namespace, mesh)
    elif not namespace.waypoint:
        _refuse_second_ways(reader, namespace, mesh, seen, found.values())
    return list(found.values())


def scopes_in(namespace: NamespaceSpec, bound: Iterable[Bound], seen: NamespaceFacts | None) -> list[Scope]:
    """The pods behind the waypoints of the namespace.

    A lock-down for the whole namespace has to admit each of them, for policies know no "all pods but". Selectors that
    one pod may fit are widened by each other's waypoints, so that no two policies refuse it together.
    """
    if namespace.waypoint and not any(each.ref is None for each in bound):
        return [Scope({}, namespace.waypoints())]
    with_ref = [(each.selector, each.ref) for each in bound if each.ref]
    if namespace.waypoint and seen is not None:
        named = {each.name for each in bound if each.kind == "Service"}
        free = [each.selector for each in bound if each.ref is None]
        with_ref += [
            (service.selector, namespace.waypoint)
            for service in seen.services
            if service.selector and service.name not in named and service.selector not in free
        ]
    return _widened(with_ref)


def _widened(found: Iterable[tuple[Labels, WaypointRef]]) -> list[Scope]:
    by_selector: dict[tuple[tuple[str, str], ...], set[WaypointRef]] = {}
    for selector, ref in found:
        by_selector.setdefault(tuple(sorted(selector.items())), set()).add(ref)
    scopes = []
    for key in sorted(by_selector):
        refs = {ref for other in by_selector if _compatible(key, other) for ref in by_selector[other]}
        scopes.append(Scope(dict(key), frozenset(refs)))
    return scopes


def _compatible(one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]]) -> bool:
    """Whether a pod may fit both selectors."""
    wanted = dict(one)
    return all(wanted.get(key, value) == value for key, value in other)


def _services(reader: Reader, namespace: NamespaceSpec, mesh: MeshSpec, seen: NamespaceFacts | None) -> Iterator[Bound]:
    live = {service.name: service for service in seen.services} if seen else {}
    for index, binding in enumerate(namespace.services):
        path = f"{namespace.path}.services[{index}]"
        if seen is not None and binding.name not in live:
            hint = did_you_mean(binding.name, live) if live else "Create it first, or take the entry out"
            reader.error(f"{path}.name", f"there is no Service {namespace.name}/{binding.name} with pods", hint)
            continue
        selector = binding.selector or (live[binding.name].selector if binding.name in live else {})
        if seen is not None and binding.selector and binding.selector != live[binding.name].selector:
            reader.error(
                f"{path}.selector",
                f"the Service has another selector: {_words(live[binding.name].selector)}",
                "Correct it, or take it out: it is read from the cluster",
            )
        if not selector and _locks(mesh, binding.waypoint) and not namespace.waypoint:
            hint = "Write the Service's selector here, or say lock_down: false in the entry of its waypoint"
            reader.error(f"{path}.selector", "which pods to lock down is not known without a cluster", hint)
        yield Bound("v1", "Service", binding.name, binding.waypoint, selector)


def _locks(mesh: MeshSpec, ref: WaypointRef | None) -> bool:
    return ref is not None and mesh.waypoint(ref).lock_down


def _accounts(reader: Reader, namespace: NamespaceSpec, mesh: MeshSpec, seen: NamespaceFacts | None) -> Iterator[Bound]:
    for index, binding in enumerate(namespace.service_accounts):
        path = f"{namespace.path}.service_accounts[{index}]"
        if seen is None:
            reader.error(
                path, "what runs as a service account only a cluster knows", "Bind its Services under services instead"
            )
            continue
        mine = [workload for workload in seen.workloads if workload.account == binding.name]
        if not mine:
            accounts = sorted({workload.account for workload in seen.workloads})
            hint = did_you_mean(binding.name, accounts) if accounts else "Deploy it first, or take the entry out"
            reader.error(f"{path}.name", f"nothing in {namespace.name} runs as service account {binding.name}", hint)
            continue
        serves = mesh.waypoint(binding.waypoint).serves
        if serves.services:
            yield from _services_of(reader, path, namespace, binding, seen)
        if serves.workloads:
            yield from _templates_of(reader, path, namespace, binding, mine)


def _services_of(
    reader: Reader, path: str, namespace: NamespaceSpec, binding: AccountBinding, seen: NamespaceFacts
) -> Iterator[Bound]:
    found = False
    for service in seen.services:
        pods = behind(service, seen.workloads)
        accounts = sorted({workload.account for workload in pods})
        if binding.name not in accounts:
            continue
        found = True
        if len(accounts) > 1:
            reader.error(
                path,
                f"Service {namespace.name}/{service.name} leads to pods of several service accounts: "
                f"{', '.join(accounts)}",
                "Bind that Service under services, or give it pods of one account",
            )
        yield Bound("v1", "Service", service.name, binding.waypoint, service.selector)
    if not found:
        reader.error(
            path, f"no Service leads to pods of service account {binding.name}", "Use a waypoint with for: workload"
        )


def _templates_of(
    reader: Reader, path: str, namespace: NamespaceSpec, binding: AccountBinding, workloads: Iterable[Workload]
) -> Iterator[Bound]:
    for workload in workloads:
        where = f"{workload.kind} {namespace.name}/{workload.name}"
        if workload.owner:
            label = f"istio.io/use-waypoint={binding.waypoint.name}"
            reader.error(
                path,
                f"{where} belongs to {workload.owner}, which would take a label of ours off its pods again",
                f"Put {label} on its pods there, and take the entry out",
            )
        elif workload.kind not in _TEMPLATES:
            reader.error(path, f"{where} has no template: its labels cannot be rolled out", "Label it yourself")
        else:
            yield Bound(workload.api_version, workload.kind, workload.name, binding.waypoint, workload.selector)


def _refuse_unknown_rest(reader: Reader, namespace: NamespaceSpec, mesh: MeshSpec) -> None:
    """Policies know no "all pods but": where one Service opts out, the others have to be locked down one by one."""
    for index, binding in enumerate(namespace.services):
        if binding.waypoint is None and _locks(mesh, namespace.waypoint):
            reader.error(
                f"{namespace.path}.services[{index}].waypoint",
                "which other Services to lock down is not known without a cluster",
                f"Say lock_down: false in the entry of {namespace.waypoint}, or bind the others one by one",
            )


def _refuse_second_ways(
    reader: Reader, namespace: NamespaceSpec, mesh: MeshSpec, seen: NamespaceFacts, found: Iterable[Bound]
) -> None:
    """Services that lead to locked pods, and that have no waypoint: their callers would be refused."""
    locked = [each for each in found if _locks(mesh, each.ref)]
    named = {each.name for each in found if each.kind == "Service"}
    for service in seen.services:
        if service.name in named:
            continue
        pods = behind(service, seen.workloads)
        for each in locked:
            if any(matches(each.selector, workload.labels) for workload in pods):
                reader.error(
                    namespace.path,
                    f"Service {namespace.name}/{service.name} leads to pods behind waypoint {each.ref}, too, without "
                    "it: its callers would be refused",
                    f"Bind it under services, or say lock_down: false in the entry of {each.ref}",
                )
                break


def _words(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"
