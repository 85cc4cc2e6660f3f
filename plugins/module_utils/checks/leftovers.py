# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What meshes leave behind that is no CRD and no webhook."""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase

from ..manifests.identity import name_of, namespace_of
from . import ours
from .context import Context
from .findings import Outcome, Problem
from .found import CNI, ISTIOD
from .ours import is_ours
from .signals import MESHES
from .snapshot import CLUSTER_ROLES, CONFIG_MAP_METADATA, Snapshot

#: Names of ClusterRoles, as the installers of each mesh make them, by the mesh.
_ROLES = {
    "Istio": (
        "istiod-clusterrole-*",
        "istiod-gateway-controller-*",
        "istio-reader-clusterrole-*",
        "istio-cni",
        "istio-cni-repair-role",
        "istio-cni-ambient",
        "ztunnel",
    ),
    "Linkerd": ("linkerd-*-identity", "linkerd-*-destination", "linkerd-*-proxy-injector", "linkerd-policy"),
    "Consul": ("*-consul-connect-injector", "*-consul-server"),
    "Kuma": ("kuma-control-plane", "kuma-control-plane-workloads"),
}
_ROOT = "istio-ca-root-cert"
_CONFIG = "istio.io/config=true"
_SHOWN = 5


def nothing_is_left(context: Context) -> Outcome:
    """AMB0225: what nobody uses any more is told, so that a person can be sure that nobody does."""
    cluster = context.cluster
    if ours.state_of(cluster) in ("half", "complete") or ISTIOD.all(cluster) or CNI.all(cluster):
        return Outcome(note="an Istio is there")
    gone = {title for title in _ROLES if not _is_installed(title, cluster)}
    problems = []
    roles: dict[str, list[str]] = defaultdict(list)
    for role in cluster.all(CLUSTER_ROLES):
        for title, names in _ROLES.items():
            if title in gone and not is_ours(role) and any(fnmatchcase(name_of(role), name) for name in names):
                roles[title].append(name_of(role))
    for title, found in sorted(roles.items()):
        problems.append(
            Problem(
                f"ClusterRole {min(found)}",
                f"rights of {title} are left: {_some(found)}",
                f"If no {title} is to come back: kubectl delete clusterrole {' '.join(sorted(found)[:_SHOWN])}, and "
                "their bindings",
            )
        )
    maps = cluster.select(CONFIG_MAP_METADATA, _CONFIG)
    roots = sorted({namespace_of(each) for each in maps if name_of(each) == _ROOT})
    if roots:
        problems.append(
            Problem(
                f"ConfigMap {roots[0]}/{_ROOT}",
                f"root certificates of an Istio that went are left in {_count(roots)}: {_some(roots)}",
                f"kubectl delete configmap --all-namespaces --field-selector metadata.name={_ROOT}",
            )
        )
    return Outcome(problems)


def _is_installed(title: str, cluster: Snapshot) -> bool:
    """Whether a workload of that mesh is there: then its rights are in use."""
    workloads = [workload for mesh in MESHES if mesh.title.startswith(title) for workload in mesh.workloads]
    return any(workload.matches(obj) for workload in workloads for obj in cluster.all(workload.resource))


def _count(namespaces: list[str]) -> str:
    return "1 namespace" if len(namespaces) == 1 else f"{len(namespaces)} namespaces"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more
