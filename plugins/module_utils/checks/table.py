# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks, in the order in which people read them. A code is never reused."""

from __future__ import annotations

from . import (
    admitted,
    authority,
    capture,
    coexistence,
    discovery,
    enrolled,
    fitness,
    found,
    hbone,
    health,
    images,
    leftovers,
    namespaces,
    nodes,
    ours,
    platform,
    policies,
    rights,
    room,
    surroundings,
    uninstall,
)
from .findings import Check, Phase, Severity
from .policy_table import POLICY_CHECKS
from .signals import MESHES
from .snapshot import (
    CLUSTER_ROLES,
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    GATEWAYS,
    LIMIT_RANGES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    POD_METADATA,
    RESOURCE_QUOTAS,
    VALIDATING_WEBHOOKS,
)

CLUSTER = "cluster"
OTHER_MESHES = "other-meshes"
OWN = "own-installation"
NAMESPACE = "namespaces"
HEALTH = "health"
UNINSTALL = "uninstall"

_PRE = (Phase.PRE,)
_MESH = (Phase.MESH,)
_NAMESPACES = (Phase.NAMESPACES,)
_UNINSTALL = (Phase.UNINSTALL,)

CHECKS: tuple[Check, ...] = (
    Check("AMB0101", CLUSTER, "API server answers", tuple(Phase), fitness.api_reachable, fatal=True),
    Check("AMB0102", CLUSTER, "Kubernetes fits Istio", _PRE, fitness.kubernetes_version),
    Check("AMB0103", CLUSTER, "Rights suffice", _PRE, rights.rights_suffice),
    Check("AMB0104", CLUSTER, "Gateway API CRDs fit", _PRE, fitness.gateway_api, needs=(CRDS,)),
    Check(
        "AMB0105",
        CLUSTER,
        "No dead webhook refuses our objects",
        _PRE,
        surroundings.no_dead_webhook,
        needs=(MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS),
    ),
    Check("AMB0106", CLUSTER, "Istio's version has no known fault", _PRE, fitness.no_known_faults, Severity.WARNING),
    Check("AMB0107", CLUSTER, "ambient_platform fits", _PRE, platform.platform_is_known, needs=(NODES, CRDS)),
    Check("AMB0108", CLUSTER, "Every node gets its agents", _PRE, nodes.nodes_fit, needs=(NODES,)),
    Check("AMB0109", CLUSTER, "CNI files of the nodes can be chained", _PRE, nodes.cni_files, blind=True),
    Check(
        "AMB0110",
        CLUSTER,
        "Quotas and Pod Security have room",
        _PRE,
        room.there_is_room,
        needs=(NODES, NAMESPACES, RESOURCE_QUOTAS, LIMIT_RANGES),
    ),
    Check("AMB0111", CLUSTER, "cacerts can sign", _PRE, authority.authority_is_fit),
    Check("AMB0112", CLUSTER, "Images are there", _PRE, images.images_are_there, needs=(NODES,)),
    *(
        Check(
            mesh.code,
            OTHER_MESHES,
            mesh.check,
            _PRE,
            coexistence.no_other_mesh(mesh),
            needs=coexistence.needs_of(mesh),
        )
        for mesh in MESHES
    ),
    Check(
        "AMB0219",
        OTHER_MESHES,
        "No pods with a proxy of another mesh",
        _PRE,
        enrolled.no_enrolled_workloads,
        needs=(POD_METADATA, DEPLOYMENTS),
    ),
    Check(
        "AMB0220",
        OTHER_MESHES,
        "No namespace asks for such a proxy",
        _PRE,
        enrolled.no_requests,
        Severity.WARNING,
        (NAMESPACES, DEPLOYMENTS),
    ),
    Check(
        "AMB0221",
        OTHER_MESHES,
        "Cilium's settings let ambient work",
        _PRE,
        surroundings.cilium_fits,
        needs=(DAEMONSETS,),
    ),
    Check("AMB0222", OTHER_MESHES, "Calico's settings let ambient work", _PRE, surroundings.calico_fits),
    Check("AMB0223", OTHER_MESHES, "Multus calls istio-cni", _PRE, surroundings.multus_is_there, needs=(DAEMONSETS,)),
    Check("AMB0224", OTHER_MESHES, "VPC CNI lets probes through", _PRE, surroundings.vpc_cni_fits, needs=(DAEMONSETS,)),
    Check(
        "AMB0225",
        OTHER_MESHES,
        "Nothing is left of a mesh that went",
        _PRE,
        leftovers.nothing_is_left,
        Severity.WARNING,
        (CLUSTER_ROLES, DEPLOYMENTS, DAEMONSETS),
    ),
    Check("AMB0226", OTHER_MESHES, "OVN routes through the host", _PRE, surroundings.openshift_routes_through_the_host),
    Check("AMB0301", OWN, "Own installation recognised", _PRE, ours.recognised, Severity.INFO, ours.WHERE_WE_SHOW),
    Check("AMB0302", OWN, "No other mesh of this collection", _PRE, ours.other_mesh, needs=ours.WHERE_WE_SHOW),
    Check("AMB0303", OWN, "Live version is ambient_version", _PRE, ours.other_version, needs=(DEPLOYMENTS, DAEMONSETS)),
    Check("AMB0401", NAMESPACE, "Declared namespaces exist", _NAMESPACES, namespaces.exist, needs=(NAMESPACES,)),
    Check("AMB0402", NAMESPACE, "istiod discovers them", _NAMESPACES, namespaces.discovered, needs=(NAMESPACES,)),
    Check("AMB0403", NAMESPACE, "No sidecars in them", _NAMESPACES, namespaces.no_injection, needs=(NAMESPACES,)),
    Check("AMB0404", NAMESPACE, "No hostNetwork pods in them", _NAMESPACES, namespaces.no_host_network),
    Check("AMB0405", NAMESPACE, "Enrolled means declared", _NAMESPACES, namespaces.undeclared, Severity.WARNING),
    Check("AMB0406", NAMESPACE, "Labels are free to change", _NAMESPACES, namespaces.labels_can_change),
    Check(
        "AMB0407",
        NAMESPACE,
        "NetworkPolicies admit HBONE",
        _NAMESPACES,
        hbone.admit_hbone,
        needs=(NAMESPACES, NETWORK_POLICIES),
    ),
    Check(
        "AMB0408",
        NAMESPACE,
        "No policies of Cilium or Calico to look through",
        _NAMESPACES,
        policies.of_other_kinds,
        Severity.WARNING,
        (NAMESPACES,),
    ),
    Check(
        "AMB0409",
        NAMESPACE,
        "Enrolled pods are captured",
        (Phase.NAMESPACES, Phase.MESH),
        capture.nobody_bypasses,
        Severity.WARNING,
        (NAMESPACES, DAEMONSETS),
    ),
    Check(
        "AMB0410",
        NAMESPACE,
        "The istiod of others discovers them",
        _NAMESPACES,
        discovery.seen_by_live_istiod,
        needs=(NAMESPACES, DEPLOYMENTS),
    ),
    Check("AMB0411", NAMESPACE, "No sidecars of other meshes", _NAMESPACES, capture.no_foreign_sidecars),
    Check("AMB0412", NAMESPACE, "No protected namespace is enrolled", _NAMESPACES, capture.nothing_protected),
    Check(
        admitted.CODE,
        NAMESPACE,
        "Nothing is there that admission would refuse",
        _NAMESPACES,
        admitted.nothing_violates,
        Severity.INFO,
        (NAMESPACES, POD_METADATA),
    ),
    Check(
        "AMB0414",
        NAMESPACE,
        "Policies admit the kubelet's probes",
        _NAMESPACES,
        policies.admit_probes,
        Severity.WARNING,
        (NAMESPACES, DAEMONSETS),
    ),
    Check("AMB0501", HEALTH, "istiod is ready", _MESH, health.component_ready(found.ISTIOD), needs=(DEPLOYMENTS,)),
    Check("AMB0502", HEALTH, "istio-cni is ready", _MESH, health.component_ready(found.CNI), needs=(DAEMONSETS,)),
    Check("AMB0503", HEALTH, "ztunnel is ready", _MESH, health.component_ready(found.ZTUNNEL), needs=(DAEMONSETS,)),
    Check("AMB0504", HEALTH, "Versions fit each other", _MESH, health.no_skew, needs=(DEPLOYMENTS, DAEMONSETS)),
    Check("AMB0505", HEALTH, "One istio-cni, one ztunnel", _MESH, health.only_one, needs=(DAEMONSETS,)),
    Check("AMB0506", HEALTH, "No known faults", _MESH, health.no_known_faults, Severity.WARNING, (DAEMONSETS,)),
    Check(
        "AMB0507", HEALTH, "istiod trusts ztunnel", _MESH, health.ztunnel_is_trusted, needs=(DEPLOYMENTS, DAEMONSETS)
    ),
    Check("AMB0601", UNINSTALL, "No enrolled pods", _UNINSTALL, uninstall.no_enrolled_pods, needs=(POD_METADATA,)),
    Check(
        "AMB0602",
        UNINSTALL,
        "No enrolled namespaces",
        _UNINSTALL,
        uninstall.no_enrolled_namespaces,
        needs=(NAMESPACES,),
    ),
    Check("AMB0603", UNINSTALL, "No waypoints of users", _UNINSTALL, uninstall.no_waypoints, needs=(GATEWAYS,)),
    Check("AMB0604", UNINSTALL, "Finalizers have their controller", _UNINSTALL, uninstall.no_orphaned_finalizers),
    *POLICY_CHECKS,
)
