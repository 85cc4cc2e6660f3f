# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By what other meshes are recognised: one table, matched by full names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ..manifests.identity import labels_of, name_of, namespace_of
from .findings import Severity
from .snapshot import DAEMONSETS, DEPLOYMENTS, Object, Resource


@dataclass(frozen=True)
class Workload:
    """A workload of a control plane or of a node agent: one of the names (with `*`), or all of the labels.

    `namespaces` narrows a name that others use too.
    """

    resource: Resource
    names: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()

    def matches(self, obj: Object) -> bool:
        """Whether this is that workload."""
        if self.namespaces and namespace_of(obj) not in self.namespaces:
            return False
        if any(fnmatchcase(name_of(obj), name) for name in self.names):
            return True
        return bool(self.labels) and self.labels.items() <= labels_of(obj).items()


@dataclass(frozen=True)
class Mesh:
    """One kind of foreign installation.

    Attributes:
        code: of the check that looks for it.
        title: as in "Linkerd is running".
        check: the title of the check, what holds when nothing is found.
        hint: what to do about it.
        groups: API groups whose CRDs are its own.
        instances: its custom resources whose mere existence means that it is in use.
        crds: full names of CRDs of its own in a group that others use too.
        webhooks: names of the webhooks inside mutating webhook configurations.
        validators: names of the webhooks inside validating webhook configurations.
        packages: of the operator in the Operator Lifecycle Manager; a subscription brings it, now or after an approval.
        traces: how much CRDs alone matter; None where they come with something that is no mesh.
        generic: whether it leaves to the other rows what they claim.
    """

    code: str
    title: str
    check: str
    hint: str
    groups: tuple[str, ...] = ()
    crds: tuple[str, ...] = ()
    instances: tuple[Resource, ...] = ()
    workloads: tuple[Workload, ...] = ()
    webhooks: tuple[str, ...] = ()
    validators: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    traces: Severity | None = Severity.WARNING
    generic: bool = False

    def owns(self, crd: str) -> bool:
        """Whether the CRD of this name is its own."""
        return crd.partition(".")[2] in self.groups or crd in self.crds


_OTHER_CLUSTER = "Use a cluster without it, or remove it with its own tool"

MESHES = (
    Mesh(
        code="AMB0201",
        title="Alauda Service Mesh v1",
        check="No Alauda Service Mesh v1",
        hint="Ambient mode needs a cluster that never carried it: use another one, or migrate off it first",
        groups=("asm.alauda.io",),
        crds=("asms.operator.alauda.io",),
        instances=(Resource("asm.alauda.io/v1alpha1", "ServiceMesh", metadata_only=True),),
        workloads=(
            Workload(
                DEPLOYMENTS,
                ("asm-controller", "asm-core", "asm-operator", "global-asm-controller", "istio-operator-122"),
                namespaces=("cpaas-system", "istio-system"),
            ),
        ),
        webhooks=("asm.ms-pod-inject.cpaas.io",),
        packages=("asm", "asm-operator"),
        traces=Severity.ERROR,
    ),
    Mesh(
        code="AMB0202",
        title="Alauda Service Mesh v2 or another Sail operator",
        check="No Alauda Service Mesh v2, no Sail operator",
        hint="Leave the mesh to the operator, or delete its Istio, IstioCNI and ZTunnel first and then the operator",
        groups=("sailoperator.io",),
        instances=(
            Resource("sailoperator.io/v1", "Istio", metadata_only=True),
            Resource("sailoperator.io/v1", "IstioCNI", metadata_only=True),
            Resource("sailoperator.io/v1", "ZTunnel", metadata_only=True),
        ),
        workloads=(
            Workload(
                DEPLOYMENTS,
                ("sail-operator", "servicemesh-operator2", "servicemesh-operator2.*", "servicemesh-operator3"),
            ),
        ),
        packages=("servicemesh-operator2", "sailoperator", "servicemeshoperator3"),
    ),
    Mesh(
        code="AMB0203",
        title="Another istiod",
        check="No other istiod",
        hint="Remove it (istioctl uninstall, helm uninstall), or leave this cluster to it",
        workloads=(Workload(DEPLOYMENTS, ("istiod",), {"app": "istiod"}),),
        validators=("*.validation.istio.io", "validation.istio.io"),
        generic=True,
    ),
    Mesh(
        code="AMB0204",
        title="Another sidecar injector",
        check="No other sidecar injector",
        hint="Remove the mesh that it belongs to; if that is gone, delete the webhook configuration",
        webhooks=("*.sidecar-injector.istio.io",),
        generic=True,
    ),
    Mesh(
        code="AMB0205",
        title="Another istio-cni or ztunnel",
        check="No other istio-cni or ztunnel",
        hint="A node carries one of each: remove the other mesh with its own tool",
        workloads=(
            Workload(DAEMONSETS, ("istio-cni-node",), {"k8s-app": "istio-cni-node"}),
            Workload(DAEMONSETS, ("ztunnel",), {"app": "ztunnel"}),
        ),
    ),
    Mesh(
        code="AMB0206",
        title="OpenShift Service Mesh 2 (Maistra)",
        check="No OpenShift Service Mesh 2",
        hint="Delete its ServiceMeshControlPlanes and then its operator, or use another cluster",
        groups=("maistra.io",),
        instances=(Resource("maistra.io/v2", "ServiceMeshControlPlane", metadata_only=True),),
        workloads=(Workload(DEPLOYMENTS, ("istio-operator",), namespaces=("openshift-operators",)),),
        webhooks=("smcp.mutation.maistra.io", "smmr.mutation.maistra.io"),
        validators=("smcp.validation.maistra.io", "smmr.validation.maistra.io"),
        packages=("servicemeshoperator",),
    ),
    Mesh(
        code="AMB0207",
        title="Linkerd",
        check="No Linkerd",
        hint=_OTHER_CLUSTER,
        groups=("linkerd.io", "policy.linkerd.io", "workload.linkerd.io"),
        workloads=(
            Workload(DEPLOYMENTS, ("linkerd-destination", "linkerd-identity", "linkerd-proxy-injector")),
            Workload(DAEMONSETS, ("linkerd-cni",)),
        ),
        webhooks=("linkerd-proxy-injector.linkerd.io",),
        validators=("linkerd-policy-validator.linkerd.io", "linkerd-sp-validator.linkerd.io"),
    ),
    Mesh(
        code="AMB0208",
        title="Consul service mesh",
        check="No Consul service mesh",
        hint=_OTHER_CLUSTER,
        groups=("consul.hashicorp.com",),
        workloads=(
            Workload(DEPLOYMENTS, (), {"app": "consul", "component": "connect-injector"}),
            Workload(DAEMONSETS, (), {"app": "consul", "component": "cni"}),
        ),
        webhooks=("*.connect-injector.consul.hashicorp.com",),
    ),
    Mesh(
        code="AMB0209",
        title="Kuma or Kong Mesh",
        check="No Kuma or Kong Mesh",
        hint=_OTHER_CLUSTER,
        groups=("kuma.io",),
        workloads=(
            Workload(DEPLOYMENTS, ("kuma-control-plane",), {"app": "kuma-control-plane"}),
            Workload(DAEMONSETS, ("kuma-cni-node",)),
        ),
        webhooks=("*.kuma-admission.kuma.io", "namespace-kuma-injector.kuma.io", "pods-kuma-injector.kuma.io"),
        validators=("*.validator.kuma-admission.kuma.io", "validator.kuma-admission.kuma.io"),
    ),
    Mesh(
        code="AMB0210",
        title="Another installer of Istio",
        check="No Istio CRDs of another installer",
        hint="If nobody needs them any more, delete them; site.yml would update them where nobody objects",
        groups=("networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io"),
    ),
    Mesh(
        code="AMB0211",
        title="Google's managed service mesh",
        check="No managed service mesh of Google",
        hint="Take the cluster out of the fleet's service mesh first; its controller brings back what is only deleted",
        groups=("mesh.cloud.google.com",),
        instances=(Resource("mesh.cloud.google.com/v1beta1", "ControlPlaneRevision", metadata_only=True),),
    ),
    Mesh(
        code="AMB0212",
        title="The Istio add-on of AKS",
        check="No Istio add-on of AKS",
        hint="Switch it off first: az aks mesh disable",
        workloads=(Workload(DEPLOYMENTS, ("istiod-asm-*",), namespaces=("aks-istio-system",)),),
    ),
    Mesh(
        code="AMB0213",
        title="Alibaba Cloud Service Mesh",
        check="No Alibaba Cloud Service Mesh",
        hint="Remove the cluster from it first",
        groups=("istio.alibabacloud.com",),
        instances=(Resource("istio.alibabacloud.com/v1beta1", "ServiceMesh", metadata_only=True),),
    ),
    Mesh(
        code="AMB0214",
        title="The Istio of Calico's operator",
        check="No Istio of Calico's operator",
        hint="Delete that object, and let the operator take its ambient mesh away",
        crds=("istios.operator.tigera.io",),
        instances=(Resource("operator.tigera.io/v1", "Istio", metadata_only=True),),
        traces=None,  # the operator brings the CRD wherever Calico is
    ),
    Mesh(
        code="AMB0215",
        title="Open Service Mesh",
        check="No Open Service Mesh",
        hint=_OTHER_CLUSTER,
        groups=("config.openservicemesh.io", "policy.openservicemesh.io"),
        workloads=(Workload(DEPLOYMENTS, ("osm-bootstrap", "osm-controller", "osm-injector")),),
    ),
    Mesh(
        code="AMB0216",
        title="NGINX Service Mesh",
        check="No NGINX Service Mesh",
        hint=_OTHER_CLUSTER,
        groups=("specs.smi.nginx.com", "nsm.nginx.com"),
        workloads=(Workload(DEPLOYMENTS, ("nginx-mesh-api", "nginx-mesh-controller", "nginx-mesh-metrics")),),
        webhooks=("nginx-mesh-api.sidecar.injector",),
        validators=("nginx-mesh-api.policy.validator",),
    ),
    Mesh(
        code="AMB0217",
        title="AWS App Mesh",
        check="No AWS App Mesh",
        hint=_OTHER_CLUSTER,
        groups=("appmesh.k8s.aws",),
        workloads=(Workload(DEPLOYMENTS, ("appmesh-controller",)),),
    ),
    Mesh(
        code="AMB0218",
        title="Traefik Mesh",
        check="No Traefik Mesh",
        hint=_OTHER_CLUSTER,
        workloads=(
            Workload(DEPLOYMENTS, ("traefik-mesh-controller",)),
            Workload(DAEMONSETS, ("traefik-mesh-proxy",)),
        ),
    ),
)
