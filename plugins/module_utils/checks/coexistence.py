# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether another mesh lives in the cluster, and how much alive it is: running, idle or only traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from ..manifests.identity import name_of
from .context import Context, describe
from .findings import Outcome, Problem
from .ours import is_ours
from .signals import MESHES, Mesh, Workload
from .snapshot import (
    CRDS,
    DAEMONSETS,
    ENDPOINT_SLICES,
    MUTATING_WEBHOOKS,
    SUBSCRIPTIONS,
    VALIDATING_WEBHOOKS,
    Object,
    Resource,
    SkipError,
    Snapshot,
)

RUNNING = "is running"
IDLE = "is installed but idle"
TRACES = "left traces"

_SHOWN = 5


def no_other_mesh(mesh: Mesh) -> Callable[[Context], Outcome]:
    """The function of the check that looks for one row of the table."""

    def look(context: Context) -> Outcome:
        problems: list[Problem] = []
        hidden: SkipError | None = None
        for part in _parts(mesh, context.cluster):
            try:
                for problem in part:
                    problems.append(problem)
            except SkipError as reason:  # what can be seen counts all the same
                hidden = hidden or reason
        if hidden and not problems:
            raise hidden
        return Outcome(problems)

    return look


def needs_of(mesh: Mesh) -> tuple[Resource, ...]:
    """What the check of this row lists in every cluster."""
    kinds = {workload.resource for workload in mesh.workloads}
    if mesh.groups or mesh.crds:
        kinds.add(CRDS)
    if mesh.webhooks:
        kinds.add(MUTATING_WEBHOOKS)
    if mesh.validators:
        kinds.add(VALIDATING_WEBHOOKS)
    return tuple(sorted(kinds, key=str))


def _parts(mesh: Mesh, cluster: Snapshot) -> Iterator[Iterator[Problem]]:
    """What the row looks for, kind by kind: one that may not be seen hides no other."""
    for workload in mesh.workloads:
        yield _workloads(mesh, workload, cluster)
    yield _webhooks(mesh, MUTATING_WEBHOOKS, mesh.webhooks, cluster)
    yield _webhooks(mesh, VALIDATING_WEBHOOKS, mesh.validators, cluster)
    yield _definitions(mesh, cluster)
    yield _subscriptions(mesh, cluster)


def _workloads(mesh: Mesh, workload: Workload, cluster: Snapshot) -> Iterator[Problem]:
    for obj in cluster.all(workload.resource):
        if workload.matches(obj) and not is_ours(obj) and not (mesh.generic and _claimed(workload.resource, obj)):
            ready, wanted = _ready(workload, obj)
            grade = RUNNING if ready else IDLE
            message = f"{mesh.title} {grade} ({ready} of {wanted} ready)"
            yield Problem(describe(workload.resource.kind, obj), message, mesh.hint)


def _claimed(resource: Resource, obj: Object) -> bool:
    """Whether a row of its own knows this workload by a better name."""
    rows = (workload for mesh in MESHES if not mesh.generic for workload in mesh.workloads)
    return any(workload.resource is resource and workload.matches(obj) for workload in rows)


def _ready(workload: Workload, obj: Object) -> tuple[int, int]:
    status = obj.get("status") or {}
    if workload.resource is DAEMONSETS:
        return status.get("numberReady") or 0, status.get("desiredNumberScheduled") or 0
    return status.get("readyReplicas") or 0, (obj.get("spec") or {}).get("replicas", 1) or 0


def _webhooks(mesh: Mesh, resource: Resource, names: tuple[str, ...], cluster: Snapshot) -> Iterator[Problem]:
    for obj in cluster.all(resource) if names else ():
        hooks = [hook for hook in obj.get("webhooks") or [] if _is_named(hook, names)]
        if hooks and not is_ours(obj):
            grade, why = alive(hooks[0].get("clientConfig") or {}, cluster)
            message = f"{mesh.title} {grade}: webhook {hooks[0]['name']} {why}"
            yield Problem(describe(resource.kind, obj), message, mesh.hint)


def _is_named(hook: Any, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(str(hook.get("name", "")), pattern) for pattern in patterns)


def alive(target: Any, cluster: Snapshot) -> tuple[str, str]:
    """Whether whoever a webhook's `clientConfig` names can answer, as a grade, and why."""
    service = target.get("service")
    if not service:
        return RUNNING, f"calls {target.get('url', 'an unknown address')}"
    where = f"{service.get('namespace')}/{service.get('name')}"
    selector = f"kubernetes.io/service-name={service.get('name')}"
    try:
        slices = cluster.list_in(ENDPOINT_SLICES, str(service.get("namespace")), selector)
    except SkipError as reason:
        return RUNNING, f"calls service {where}, for all that is known ({reason})"
    endpoints = [endpoint for piece in slices for endpoint in piece.get("endpoints") or []]
    if any((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in endpoints):
        return RUNNING, f"calls service {where}"
    return IDLE, f"calls service {where}, which has no ready endpoint"


def _subscriptions(mesh: Mesh, cluster: Snapshot) -> Iterator[Problem]:
    for obj in cluster.all(SUBSCRIPTIONS) if mesh.packages else ():
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if spec.get("name") in mesh.packages:
            version = status.get("installedCSV") or "nothing installed yet"
            message = f"{mesh.title} {IDLE}: this subscription brings the operator {spec['name']} ({version})"
            yield Problem(describe(SUBSCRIPTIONS.kind, obj), message, mesh.hint)


def _definitions(mesh: Mesh, cluster: Snapshot) -> Iterator[Problem]:
    if not mesh.groups and not mesh.crds:
        return
    found = [crd for crd in cluster.all(CRDS) if mesh.owns(name_of(crd)) and not is_ours(crd)]
    if not found:
        return
    used = False
    groups = {name_of(crd).partition(".")[2] for crd in found}
    for resource in mesh.instances:
        if resource.api_version.partition("/")[0] in groups:
            for obj in cluster.all(resource):
                used = True
                yield Problem(
                    describe(resource.kind, obj), f"{mesh.title} is in use: this object asks for it", mesh.hint
                )
    if not used and mesh.traces:
        names = sorted(name_of(crd) for crd in found)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        message = f"{mesh.title} {TRACES}: CRDs {', '.join(names[:_SHOWN])}{more}"
        yield Problem(f"{CRDS.kind} {names[0]}", message, mesh.hint, mesh.traces)
