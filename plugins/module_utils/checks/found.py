# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ambient mesh that is in the cluster, whoever installed it: found by Istio's own labels in any namespace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..manifests.identity import annotations_of, labels_of, name_of, namespace_of
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL
from . import versions
from .context import Context
from .findings import Severity
from .ours import COMPONENTS, VERSION_LABEL, Component, is_ours
from .snapshot import DEPLOYMENTS, NAMESPACES, Object, Resource, Snapshot

_WAYPOINT = ("gateway.istio.io/managed", "istio.io-mesh-controller")
#: From this many namespaces on, one LIST of all costs less than one for each namespace.
_MANY = 10


@dataclass(frozen=True)
class Part:
    """A part of an ambient mesh: the label of its pods, and the place where we put it ourselves."""

    label: tuple[str, str]
    place: Component

    def all(self, cluster: Snapshot) -> list[Object]:
        """Every such workload; the DaemonSet of ztunnel carries the label in its pod template only."""
        key, value = self.label
        return [
            obj
            for obj in cluster.all(self.place.resource)
            if value in (labels_of(obj).get(key), template_labels(obj).get(key)) or self._is_ours(obj)
        ]

    def _is_ours(self, obj: Object) -> bool:
        return is_ours(obj) and (namespace_of(obj), name_of(obj)) == (self.place.namespace, self.place.name)


ISTIOD = Part(("app", "istiod"), COMPONENTS[0])
CNI = Part(("k8s-app", "istio-cni-node"), COMPONENTS[1])
ZTUNNEL = Part(("app", "ztunnel"), COMPONENTS[2])


def of(part: Part, cluster: Snapshot) -> list[Object]:
    """The workloads of the part that belong to the ambient mesh.

    An istiod for sidecars only is left out where another one says that it does ambient.
    """
    every = part.all(cluster)
    if part is not ISTIOD:
        return every
    return [istiod for istiod in every if env_of(istiod).get("PILOT_ENABLE_AMBIENT") == "true"] or every


def waypoints(cluster: Snapshot) -> list[Object]:
    """The Deployments that istiod made for waypoints."""
    key, value = _WAYPOINT
    return [
        obj for obj in cluster.all(DEPLOYMENTS) if value in (labels_of(obj).get(key), template_labels(obj).get(key))
    ]


def installer(obj: Object) -> str:
    """Who installed the workload, as far as its metadata tell.

    Argo CD and the Sail operator render Helm charts, so that their own traces come before Helm's.
    """
    metadata = obj.get("metadata") or {}
    owners = [str(owner.get("apiVersion", "")) for owner in metadata.get("ownerReferences") or []]
    managers = {str(entry.get("manager", "")) for entry in metadata.get("managedFields") or []}
    labels, annotations = labels_of(obj), annotations_of(obj)
    tracked = "argocd.argoproj.io/tracking-id" in annotations or "argocd.argoproj.io/instance" in labels
    if any(owner.startswith("sailoperator.io/") for owner in owners):
        return "the Sail operator"
    if tracked or any(manager.startswith("argocd") for manager in managers):
        return "Argo CD, from alauda.ambient" if is_ours(obj) else "Argo CD"
    if is_ours(obj):
        return "alauda.ambient"
    if "meta.helm.sh/release-name" in annotations:
        return "Helm"
    if "operator.istio.io/managed" in labels or managers & {"istioctl", "istio-operator"}:
        return "istioctl"
    return "Helm" if "helm" in managers else "somebody unknown"


def version_of(obj: Object) -> tuple[int, int, int] | None:
    """The version of Istio that a workload runs: its image tag, else its label."""
    for container in containers_of(obj):
        image = str(container.get("image", "")).partition("@")[0]
        tag = image.rpartition("/")[2].partition(":")[2]
        version = versions.parse(tag)
        if version:
            return version
    return versions.parse(labels_of(obj).get(VERSION_LABEL, ""))


def template_labels(obj: Object) -> dict[str, str]:
    """The labels of a workload's pods."""
    template = (obj.get("spec") or {}).get("template") or {}
    return (template.get("metadata") or {}).get("labels") or {}


def pod_spec(obj: Object) -> dict[str, Any]:
    """What a workload's pods look like."""
    return ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}


def containers_of(obj: Object) -> list[dict[str, Any]]:
    """The containers of a workload."""
    return pod_spec(obj).get("containers") or []


def env_of(obj: Object) -> dict[str, str]:
    """The plain environment variables of a workload's containers."""
    return {
        str(entry.get("name")): str(entry.get("value") or "")
        for container in containers_of(obj)
        for entry in container.get("env") or []
    }


def joining(context: Context) -> dict[str, Object]:
    """The namespaces that are enrolled or shall be, unless they shall leave."""
    declared = {namespace.name: namespace.state.enrolled for namespace in context.wishes.mesh.namespaces}
    return {
        name_of(namespace): namespace
        for namespace in context.cluster.all(NAMESPACES)
        if declared.get(name_of(namespace), labels_of(namespace).get(MODE_LABEL) == MODE_AMBIENT)
    }


def severity_in(context: Context, namespace: str) -> Severity | None:
    """A warning for a namespace that others enrolled: it is no reason to refuse what `ambient_mesh` declares."""
    return None if context.wishes.mesh.declares(namespace) else Severity.WARNING


def inside(cluster: Snapshot, resource: Resource, names: set[str]) -> Iterator[Object]:
    """The objects of a kind in some namespaces, with as few requests as it takes."""
    if len(names) < _MANY:
        for name in sorted(names):
            yield from cluster.list_in(resource, name)
    else:
        yield from (obj for obj in cluster.all(resource) if namespace_of(obj) in names)
