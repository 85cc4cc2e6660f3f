# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What istio-cni and ztunnel see in a pod: is it eligible, is it redirected, who is it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..manifests.identity import annotations_of, labels_of, name_of, namespace_of

MODE_LABEL = "istio.io/dataplane-mode"
REDIRECTION = "ambient.istio.io/redirection"
SIDECAR_STATUS = "sidecar.istio.io/status"

Object = Mapping[str, Any]


def full_name(obj: Object) -> str:
    """namespace/name, or name for objects without a namespace."""
    namespace = namespace_of(obj)
    return f"{namespace}/{name_of(obj)}" if namespace else name_of(obj)


def in_namespaces(objects: Iterable[Object]) -> dict[str, list[Object]]:
    """Objects by their namespace."""
    found: dict[str, list[Object]] = {}
    for obj in objects:
        found.setdefault(namespace_of(obj), []).append(obj)
    return found


def node_of(pod: Object) -> str:
    """The node a pod runs on, or ''."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def service_account(pod: Object) -> str:
    """The service account of a pod."""
    return str((pod.get("spec") or {}).get("serviceAccountName") or "default")


def condition(obj: Object, kind: str) -> Mapping[str, Any]:
    """One status condition by type, or an empty mapping."""
    for item in (obj.get("status") or {}).get("conditions") or []:
        if item.get("type") == kind:
            return dict(item)
    return {}


def is_true(obj: Object, kind: str) -> bool:
    """Is a status condition "True"?"""
    return condition(obj, kind).get("status") == "True"


def is_ready(pod: Object) -> bool:
    """Ready and not on its way out."""
    return is_true(pod, "Ready") and not (pod.get("metadata") or {}).get("deletionTimestamp")


def is_running(pod: Object) -> bool:
    """Running and not on its way out."""
    phase = (pod.get("status") or {}).get("phase")
    return phase == "Running" and not (pod.get("metadata") or {}).get("deletionTimestamp")


def restarts(pod: Object) -> int:
    """Container restarts of a pod."""
    return sum(int(s.get("restartCount") or 0) for s in (pod.get("status") or {}).get("containerStatuses") or [])


def is_schedulable_linux(node: Object) -> bool:
    """Does this node take new Linux pods?"""
    linux = labels_of(node).get("kubernetes.io/os", "linux") == "linux"
    return linux and not (node.get("spec") or {}).get("unschedulable")


def is_eligible(pod: Object, enrolled_namespaces: Iterable[str]) -> bool:
    """Must istio-cni have enrolled this pod?

    Running, own network, no sidecar, and chosen by its own label or else by its namespace's.
    """
    spec = pod.get("spec") or {}
    if spec.get("hostNetwork") or not is_running(pod) or SIDECAR_STATUS in annotations_of(pod):
        return False
    mode = labels_of(pod).get(MODE_LABEL)
    if mode is not None:
        return mode == "ambient"
    return namespace_of(pod) in set(enrolled_namespaces)


def redirection(pod: Object) -> str:
    """enabled, pending or '' (not enrolled)."""
    return annotations_of(pod).get(REDIRECTION, "")


def is_redirected(pod: Object) -> bool:
    """Enrolled: rules are set and ztunnel knows."""
    return redirection(pod) == "enabled"


def identity(pod: Object, trust_domain: str) -> str:
    """The SPIFFE identity of a pod."""
    return f"spiffe://{trust_domain or 'cluster.local'}/ns/{namespace_of(pod)}/sa/{service_account(pod)}"


def why_not_ready(pod: Object) -> str:
    """What the kubelet or the scheduler says about a pod that is not ready."""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        for state in (status.get("state") or {}).values():
            if state.get("reason"):
                return " ".join(f"{state['reason']}: {state.get('message', '')}".strip(": ").split())
    for kind in ("PodScheduled", "Ready"):
        found = condition(pod, kind)
        if found.get("status") == "False":
            return " ".join(f"{found.get('reason', kind)}: {found.get('message', '')}".strip(": ").split())
    return str((pod.get("status") or {}).get("phase", "unknown"))
