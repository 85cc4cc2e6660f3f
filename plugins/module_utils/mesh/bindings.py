# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declared bindings to the Services and workloads that get a label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .facts import Labels, NamespaceFacts, Workload, behind
from .names import did_you_mean
from .reader import Reader
from .spec import AccountBinding, MeshSpec, NamespaceSpec, ServiceBinding, WaypointRef

_TEMPLATES = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True)
class Bound:
    """A Service or workload that is labelled. `ref` None: called without a waypoint. `selector`: of its pods."""

    api_version: str
    kind: str
    name: str
    ref: WaypointRef | None
    selector: Labels


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
    bound = list(found.values())
    if seen is None:
        _refuse_unknown_rest(reader, namespace, mesh)
    return bound


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
        if not selector and _locks(mesh, binding.waypoint) and not namespace.as_a_whole:
            _refuse_unknown_pods(reader, path, binding, seen)
        yield Bound("v1", "Service", binding.name, binding.waypoint, selector)


def _refuse_unknown_pods(reader: Reader, path: str, binding: ServiceBinding, seen: NamespaceFacts | None) -> None:
    if seen is None:
        hint = "Write the Service's selector here, or say lock_down: false in the entry of its waypoint"
        reader.error(f"{path}.selector", "which pods to lock down is not known without a cluster", hint)
    else:
        hint = f"Say lock_down: false in the entry of {binding.waypoint}"
        reader.error(path, "the Service has no selector: which pods to lock down is not known", hint)


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
        if len(accounts) > 1 and service.name in {each.name for each in namespace.services}:
            continue  # it says itself where it goes
        if len(accounts) > 1:
            reader.error(
                path,
                f"Service {namespace.name}/{service.name} leads to pods of several service accounts: "
                f"{', '.join(accounts)}",
                "Bind that Service itself under services, or have it lead to pods of one account",
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
            label = f"istio.io/use-waypoint={binding.waypoint.name}"
            reader.error(
                path,
                f"{where} has no template by which its labels could be rolled out",
                f"Put {label} on it where it is made, and take the entry out",
            )
        else:
            selector = workload.selector or workload.labels  # it may know its pods by expressions
            yield Bound(workload.api_version, workload.kind, workload.name, binding.waypoint, selector)


def _refuse_unknown_rest(reader: Reader, namespace: NamespaceSpec, mesh: MeshSpec) -> None:
    """Policies know no "all pods but": where one Service opts out, the others have to be locked down one by one."""
    for index, binding in enumerate(namespace.services):
        if binding.waypoint is None and _locks(mesh, namespace.waypoint):
            reader.error(
                f"{namespace.path}.services[{index}].waypoint",
                "which other Services to lock down is not known without a cluster",
                f"Say lock_down: false in the entry of {namespace.waypoint}, or bind the others one by one",
            )


def _words(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"
