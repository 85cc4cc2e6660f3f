# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that none of the `MAKERS` makes: of a Rollout, of a ReplicaSet without a Deployment, of a Job, lone ones."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..manifests.identity import Object, labels_of, name_of, namespace_or_default
from .parts import MAKERS, Workload, is_of_a_gateway, workload_of

_HASH = "pod-template-hash"
_ENDED = ("Succeeded", "Failed")
Owner = tuple[str, str, str]


def apart(pods: Iterable[Object], deployments: Collection[tuple[str, str]]) -> list[Workload]:
    """The pods as workloads, one for each owner; `deployments`: those that are there, by namespace and name.

    Where the pods of an owner are not alike, each of them is a workload: policies may tell them apart.
    """
    groups: dict[Owner, dict[Hashable, Object]] = {}
    for pod in pods:
        owner = _owner(pod)
        if is_of_a_gateway(pod) or _is_made(pod, owner, deployments) or not _runs(pod, owner):
            continue
        kind, name = str(owner.get("kind", "Pod")), str(owner.get("name", name_of(pod)))
        groups.setdefault((namespace_or_default(pod), kind, name), {}).setdefault(_likeness(pod), pod)
    return [each for (_space, kind, name), alike in groups.items() for each in _workloads(kind, name, alike.values())]


def _workloads(kind: str, name: str, pods: Collection[Object]) -> list[Workload]:
    found = [workload_of("Pod", pod) for pod in pods]
    return [replace(found[0], kind=kind, name=name)] if len(found) == 1 else found


def _owner(pod: Object) -> Mapping[str, Any]:
    """The controller of a pod, else its first owner; empty without any."""
    owners = (pod.get("metadata") or {}).get("ownerReferences") or []
    return next((each for each in owners if each.get("controller")), owners[0] if owners else {})


def _is_made(pod: Object, owner: Mapping[str, Any], deployments: Collection[tuple[str, str]]) -> bool:
    """Whether one of the `MAKERS` makes it; others have kinds of these names, too (apps.kruise.io)."""
    if not str(owner.get("apiVersion", "apps/v1")).startswith("apps/"):
        return False
    if owner.get("kind") != "ReplicaSet":
        return owner.get("kind") in MAKERS
    deployment, dash, suffix = str(owner.get("name")).rpartition("-")
    return bool(dash) and suffix == labels_of(pod).get(_HASH) and (namespace_or_default(pod), deployment) in deployments


def _runs(pod: Object, owner: Mapping[str, Any]) -> bool:
    """Whether it has not ended. Most pods of Jobs have: where nothing but metadata is known, they do not count."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in _ENDED and not (owner.get("kind") == "Job" and phase is None)


def _likeness(pod: Object) -> Hashable:
    spec = pod.get("spec") or {}
    return frozenset(labels_of(pod).items()), spec.get("serviceAccountName"), bool(spec.get("hostNetwork"))
