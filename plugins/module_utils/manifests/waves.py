# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a safe installation: waves, and kinds within a wave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dry_run import in_dry_run
from .gateways import is_waypoint
from .identity import Identity

NAMESPACES, CRDS, ADMISSION, CONFIGURATION = -30, -20, -15, -10
ISTIOD, WEBHOOKS, CNI, ZTUNNEL, EXTENSIONS = 0, 5, 10, 20, 25
WAYPOINTS, ADMITS, POLICIES, LOCK_DOWN = 30, 39, 40, 70
# What goes its own way says so before its namespace names a waypoint for all, and as long as that does: on the way out
# the namespace is first. A label of a Service that is not in the mesh yet does no harm.
USE_WAYPOINT, ENROLMENT = 45, 50
# Only on the way out: what admits a waypoint beside a default deny goes after that, and before traffic is led away.
BESIDE_DENY = 65

TITLES = {
    NAMESPACES: "namespaces",
    CRDS: "crds",
    ADMISSION: "admission",
    CONFIGURATION: "configuration",
    ISTIOD: "istiod",
    WEBHOOKS: "webhooks",
    CNI: "istio-cni",
    ZTUNNEL: "ztunnel",
    EXTENSIONS: "extensions",
    WAYPOINTS: "waypoints",
    ADMITS: "admitted-waypoints",
    POLICIES: "policies",
    USE_WAYPOINT: "use-waypoint",
    ENROLMENT: "enrolment",
    LOCK_DOWN: "lock-down",
}

_KIND_ORDER = (
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "ClusterRole",
    "Role",
    "ClusterRoleBinding",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
    "DaemonSet",
    "Deployment",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
_RANK = {kind: rank for rank, kind in enumerate(_KIND_ORDER)}

_WAVE_OF_KIND = {
    "Namespace": NAMESPACES,
    "CustomResourceDefinition": CRDS,
    "ValidatingAdmissionPolicy": ADMISSION,
    "ValidatingAdmissionPolicyBinding": ADMISSION,
    "MutatingAdmissionPolicy": ADMISSION,
    "MutatingAdmissionPolicyBinding": ADMISSION,
    "ServiceAccount": CONFIGURATION,
    "ClusterRole": CONFIGURATION,
    "ClusterRoleBinding": CONFIGURATION,
    "Role": CONFIGURATION,
    "RoleBinding": CONFIGURATION,
    "ConfigMap": CONFIGURATION,
    "Secret": CONFIGURATION,
    "PriorityClass": CONFIGURATION,
    "ResourceQuota": CONFIGURATION,
    "LimitRange": CONFIGURATION,
    "NetworkPolicy": CONFIGURATION,
    "SecurityContextConstraints": CONFIGURATION,
    "NetworkAttachmentDefinition": CONFIGURATION,
    "ValidatingWebhookConfiguration": WEBHOOKS,
    "MutatingWebhookConfiguration": WEBHOOKS,
    "EnvoyFilter": EXTENSIONS,
    "Telemetry": EXTENSIONS,
    "GatewayClass": WAYPOINTS,
}


def wave_of(obj: Mapping[str, Any], patch: bool = False) -> int:
    """The wave of an object for which nobody named one."""
    kind = str(obj.get("kind"))
    if patch:
        return ENROLMENT if kind == "Namespace" else USE_WAYPOINT
    if kind == "DaemonSet":
        name = str(_mapping(obj.get("metadata")).get("name"))
        return CNI if name.startswith("istio-cni") else ZTUNNEL
    if kind == "Gateway":
        return WAYPOINTS if is_waypoint(obj) else POLICIES
    if _narrows(obj):
        return LOCK_DOWN
    if kind in _WAVE_OF_KIND:
        return _WAVE_OF_KIND[kind]
    group = str(obj.get("apiVersion")).rpartition("/")[0]
    built_in = "." not in group or (group.endswith(".k8s.io") and group != "gateway.networking.k8s.io")
    return ISTIOD if built_in else POLICIES


def sort_key(identity: Identity) -> tuple[int, str, str, str, str]:
    """The order within a wave: what others refer to comes first."""
    rank = _RANK.get(identity.kind, len(_KIND_ORDER))
    return (rank, identity.kind, identity.namespace, identity.name, identity.api_version)


def title(wave: int) -> str:
    """The word for a wave in file names and messages."""
    return TITLES.get(wave, "wave")


def _mapping(value: Any) -> Mapping[str, Any]:
    """Nothing where a manifest has another shape: the API server says so, this module does not."""
    return value if isinstance(value, Mapping) else {}


def _narrows(obj: Mapping[str, Any]) -> bool:
    kind = obj.get("kind")
    spec = _mapping(obj.get("spec"))
    if kind == "PeerAuthentication":
        return bool(_mapping(spec.get("mtls")).get("mode") == "STRICT")
    if kind == "AuthorizationPolicy":
        return not in_dry_run(obj) and bool(spec.get("action", "ALLOW") == "DENY" or not spec.get("rules"))
    return False
