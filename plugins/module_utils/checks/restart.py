# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How pods are made anew: by a rollout, by their Job, or by nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..manifests.identity import labels_of, name_of, namespace_of
from . import found
from .snapshot import PODS, Object, Snapshot

_ROLLED_OUT = {"DaemonSet": "daemonset", "Deployment": "deployment", "StatefulSet": "statefulset"}
_HASH = "pod-template-hash"
_ENDED = ("Succeeded", "Failed")
_SHOWN = 5

_ROLLOUT, _JOB, _CONTROLLER, _ALONE = range(4)


def unfinished(cluster: Snapshot, pods: Iterable[Object]) -> list[Object]:
    """Those of the pods that have not ended: what a Job or an eviction leaves behind has no traffic any more.

    Metadata does not tell the phase, so that their namespaces are read again, whole; without pods nothing is.
    """
    wanted = {(namespace_of(pod), name_of(pod)) for pod in pods}
    return [
        pod
        for pod in found.inside(cluster, PODS, {namespace for namespace, _name in wanted})
        if (namespace_of(pod), name_of(pod)) in wanted and (pod.get("status") or {}).get("phase") not in _ENDED
    ]


def by_way(pods: Iterable[Object]) -> Iterator[tuple[str, list[Object], str]]:
    """Pods by namespace and by how they are made anew: namespace, pods, and the words that say what to do."""
    groups: dict[tuple[str, int], list[Object]] = defaultdict(list)
    for pod in pods:
        groups[namespace_of(pod), _way(pod)].append(pod)
    for (namespace, way), members in sorted(groups.items(), key=lambda group: group[0]):
        yield namespace, members, _words(way, namespace, members)


def some(pods: Iterable[Object]) -> str:
    """The names of the first few pods, and how many more there are."""
    return _some(sorted(map(name_of, pods)))


def _way(pod: Object) -> int:
    kind, _name = _owner(pod)
    if not kind:
        return _ALONE
    if kind == "Job":
        return _JOB
    return _ROLLOUT if kind in _ROLLED_OUT else _CONTROLLER


def _owner(pod: Object) -> tuple[str, str]:
    """Kind and name of what makes the pod anew; a ReplicaSet with a hash is its Deployment's."""
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return _deployment(owner, labels_of(pod).get(_HASH)) or (str(owner.get("kind")), str(owner.get("name")))
    return "", ""


def _deployment(owner: Mapping[str, Any], suffix: str | None) -> tuple[str, str] | None:
    name = str(owner.get("name"))
    if owner.get("kind") != "ReplicaSet" or not suffix or not name.endswith(f"-{suffix}"):
        return None
    return "Deployment", name.removesuffix(f"-{suffix}")


def _words(way: int, namespace: str, pods: list[Object]) -> str:
    owners = sorted({_owner(pod) for pod in pods})
    if way == _ROLLOUT:
        names = " ".join(f"{_ROLLED_OUT[kind]}/{name}" for kind, name in owners[:_SHOWN])
        more = f", and {len(owners) - _SHOWN} more" if len(owners) > _SHOWN else ""
        return f"kubectl -n {namespace} rollout restart {names}{more}"
    if way == _JOB:
        jobs = _some([name for _kind, name in owners])
        return f"A Job is never restarted: let it end, or delete it and start it anew ({jobs})"
    if way == _CONTROLLER:
        makers = _some([f"{kind} {name}" for kind, name in owners])
        return f"Delete these pods, {makers} makes them anew"
    return "No controller makes such a pod anew: delete it and create it again"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
