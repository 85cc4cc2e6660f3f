# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fake API server serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True)
class Kind:
    """One kind. `resource` is unique among them."""

    group: str
    version: str
    kind: str
    resource: str
    namespaced: bool = True


BUILT_IN = (
    Kind("", "v1", "Namespace", "namespaces", namespaced=False),
    Kind("", "v1", "ConfigMap", "configmaps"),
    Kind("", "v1", "Secret", "secrets"),
    Kind("", "v1", "Service", "services"),
    Kind("", "v1", "ServiceAccount", "serviceaccounts"),
    Kind("", "v1", "Pod", "pods"),
    Kind("", "v1", "Event", "events"),
    Kind("", "v1", "Node", "nodes", namespaced=False),
    Kind("", "v1", "ResourceQuota", "resourcequotas"),
    Kind("apps", "v1", "Deployment", "deployments"),
    Kind("apps", "v1", "ReplicaSet", "replicasets"),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    Kind("security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies"),
    Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
)


def of_crd(crd: dict[str, Any]) -> list[Kind]:
    """The kinds that a CRD brings."""
    spec = crd["spec"]
    names = spec["names"]
    return [
        Kind(spec["group"], version["name"], names["kind"], names["plural"], spec["scope"] == "Namespaced")
        for version in spec["versions"]
    ]


def discovery(kinds: Iterable[Kind], core: bool) -> dict[str, Any]:
    """The aggregated discovery document of /api (`core`) or /apis."""
    groups: dict[str, dict[str, list[Kind]]] = defaultdict(lambda: defaultdict(list))
    for kind in kinds:
        if core == (not kind.group):
            groups[kind.group][kind.version].append(kind)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group},
                "versions": [
                    {"version": version, "resources": [_resource(kind) for kind in found], "freshness": "Current"}
                    for version, found in versions.items()
                ],
            }
            for group, versions in groups.items()
        ],
    }


def _resource(kind: Kind) -> dict[str, Any]:
    return {
        "resource": kind.resource,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.kind.lower(),
        "verbs": _VERBS,
    }
