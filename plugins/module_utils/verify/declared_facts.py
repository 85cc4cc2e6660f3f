# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the checks of waypoints and policies judge, and nothing where nothing of the kind is declared."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..manifests.identity import namespace_of
from ..mesh.spec import NamespaceSpec
from .cluster import Cluster, look
from .declared import GATEWAY_NAME, Declared
from .verdict import Seen

Objects = list[dict[str, Any]]

FEW = 20  # namespaces; more are read in one list of the cluster
SECURITY = "security.istio.io/v1"
GATEWAYS = "gateway.networking.k8s.io/v1"


def read(cluster: Cluster, declared: Declared) -> dict[str, Any]:
    """The objects as Seen, by the names of their fields in Facts."""
    policies = _seen(cluster, SECURITY, "AuthorizationPolicy", _names(declared.namespaces))
    homes = {waypoint.namespace for waypoint in declared.waypoints}
    targets = {namespace_of(policy) for policy in policies.value or [] if gateway_targets(policy)}
    pods = look(lambda: within(cluster, "v1", "Pod", homes, GATEWAY_NAME), "the pods of waypoints")
    return {
        "peers": _seen(cluster, SECURITY, "PeerAuthentication", _names(declared.strict())),
        "policies": policies,
        "services": _seen(cluster, "v1", "Service", _names(declared.bound())),
        "gateways": _seen(cluster, GATEWAYS, "Gateway", homes | targets),
        "waypoint_pods": pods,
    }


def within(
    cluster: Cluster, api_version: str, kind: str, namespaces: Collection[str], labels: str | None = None
) -> Objects:
    """The objects of a kind in some namespaces."""
    if len(namespaces) > FEW:
        found = cluster.list(api_version, kind, None, labels)
        return [item for item in found if namespace_of(item) in namespaces]
    return [item for name in sorted(namespaces) for item in cluster.list(api_version, kind, name, labels)]


def gateway_targets(policy: dict[str, Any]) -> list[str]:
    """The Gateways that a policy is for, by name."""
    spec = policy.get("spec") or {}
    refs = spec.get("targetRefs") or ([spec["targetRef"]] if spec.get("targetRef") else [])
    return [str(ref.get("name", "")) for ref in refs if ref.get("kind") == "Gateway"]


def _seen(cluster: Cluster, api_version: str, kind: str, namespaces: Collection[str]) -> Seen[Objects]:
    return look(lambda: within(cluster, api_version, kind, namespaces), f"{kind} objects")


def _names(spaces: Collection[NamespaceSpec]) -> set[str]:
    return {space.name for space in spaces}
