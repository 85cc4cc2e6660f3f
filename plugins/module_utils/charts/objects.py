# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From rendered charts to objects of ours: what is dropped, what is added, in which wave each one goes."""

from __future__ import annotations

import typing as t

from ..errors import AmbientError
from ..manifests import waves
from ..mesh.selectors import check_selectors, discovery_labels
from .values import CNI_NAMESPACE, ISTIO_NAMESPACE, ZTUNNEL_NAMESPACE

Object = dict[str, t.Any]

_WORKLOAD_WAVE = {"base": waves.ISTIOD, "istiod": waves.ISTIOD, "cni": waves.CNI, "ztunnel": waves.ZTUNNEL}
_WITH_THE_WORKLOAD = ("Deployment", "DaemonSet", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget")
# Only istiod is an ordinary pod; the other two reach into the node.
_POD_SECURITY = {ISTIO_NAMESPACE: "restricted", CNI_NAMESPACE: "privileged", ZTUNNEL_NAMESPACE: "privileged"}


def chart_objects(documents: t.Sequence[Object], component: str) -> list[tuple[int, Object]]:
    """Return (wave, object) for what one chart rendered, without hooks, tests and empty fields.

    Raises:
        AmbientError: a document that is no Kubernetes object.
    """
    result = []
    for document in documents:
        if not isinstance(document.get("metadata"), dict) or not document.get("kind"):
            raise AmbientError("the chart rendered something that is no Kubernetes object", path=f"chart {component}")
        if "helm.sh/hook" in (document["metadata"].get("annotations") or {}):
            continue
        obj = tidy(document)
        result.append((wave(obj, component), obj))
    return result


def wave(obj: Object, component: str) -> int:
    """Return the wave of a chart's object: its workload with the component, everything else by kind."""
    if obj["kind"] in _WITH_THE_WORKLOAD:
        return _WORKLOAD_WAVE[component]
    by_kind = waves.wave_of(obj)
    return by_kind if by_kind <= waves.CONFIGURATION or by_kind == waves.WEBHOOKS else waves.CONFIGURATION


def tidy(obj: Object) -> Object:
    """Return a copy without status and without metadata fields that say nothing."""
    result = {key: value for key, value in obj.items() if key != "status"}
    metadata = {key: value for key, value in obj["metadata"].items() if value not in (None, {}, [])}
    result["metadata"] = metadata
    return result


def component_namespace(name: str, discovery_selectors: t.Sequence[Object]) -> Object:
    """Return a component's Namespace: its Pod Security level, and the labels that make istiod see it.

    Raises:
        AmbientError: no selector says which labels these are.
    """
    labels = {"pod-security.kubernetes.io/enforce": _POD_SECURITY[name]}
    if discovery_selectors:
        discovery = discovery_labels(check_selectors(list(discovery_selectors)))
        if not discovery:
            raise AmbientError(
                "no selector says which labels a namespace needs",
                path="ambient_discovery_selectors",
                hint="Let one consist of matchLabels: the components' own namespaces get these labels",
            )
        labels.update(discovery)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
