# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few fields that the mesh sets on namespaces, Services and workloads that belong to its users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..manifests import waves
from ..manifests.items import Item
from .bindings import Bound
from .selectors import Selector, discovery_labels
from .spec import MODE_AMBIENT, MODE_LABEL, NamespaceSpec, WaypointRef

DISCOVERY_MANAGER = "alauda.ambient/discovery"
ENROLMENT_MANAGER = "alauda.ambient/enrolment"
ROLE = "namespaces"
USE_WAYPOINT = "istio.io/use-waypoint"
USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint"
NO_WAYPOINT = "none"


def namespace_patches(
    namespace: NamespaceSpec, selectors: Sequence[Selector], serves_others: bool = False
) -> list[Item]:
    """The patches on the Namespace itself.

    A released namespace is not asked to be discovered any more, unless waypoints in it serve others: istiod would
    forget them. That label goes after the one that captures its pods.
    """
    if not namespace.state.enrolled:
        gone = (MODE_LABEL,)
        released = Item(_namespace(namespace.name, {}), waves.ENROLMENT, True, ENROLMENT_MANAGER, ROLE, gone=gone)
        return [released, *(_discovery(namespace, selectors) if serves_others else ())]
    labels = {MODE_LABEL: MODE_AMBIENT}
    if namespace.waypoint:
        labels |= waypoint_labels(namespace.waypoint, namespace.name)
    if namespace.ingress_use_waypoint:
        labels[INGRESS_USE_WAYPOINT] = "true"
    enrolled = Item(_namespace(namespace.name, labels), waves.ENROLMENT, True, ENROLMENT_MANAGER, ROLE)
    return [enrolled, *_discovery(namespace, selectors)]


def _discovery(namespace: NamespaceSpec, selectors: Sequence[Selector]) -> list[Item]:
    labels = namespace.discovery_labels or discovery_labels(selectors)
    patch = _namespace(namespace.name, labels)
    return [Item(patch, waves.NAMESPACES, True, DISCOVERY_MANAGER, ROLE)] if labels else []


def binding_patch(namespace: str, bound: Bound) -> Item:
    """The patch on a Service, or on the pod template of a workload, which rolls its pods."""
    labels = waypoint_labels(bound.ref, namespace)
    metadata: dict[str, Any] = {"name": bound.name, "namespace": namespace}
    obj: dict[str, Any] = {"apiVersion": bound.api_version, "kind": bound.kind, "metadata": metadata}
    if bound.kind == "Service":
        metadata["labels"] = labels
    else:
        obj["spec"] = {"template": {"metadata": {"labels": labels}}}
    return Item(obj, waves.USE_WAYPOINT, True, ENROLMENT_MANAGER, ROLE)


def waypoint_labels(ref: WaypointRef | None, namespace: str) -> dict[str, str]:
    """The labels that send traffic through a waypoint, or past the one of the namespace."""
    if ref is None:
        return {USE_WAYPOINT: NO_WAYPOINT}
    if ref.namespace == namespace:
        return {USE_WAYPOINT: ref.name}
    return {USE_WAYPOINT: ref.name, USE_WAYPOINT_NAMESPACE: ref.namespace}


def _namespace(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if labels:
        metadata["labels"] = dict(sorted(labels.items()))
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
