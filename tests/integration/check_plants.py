# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the checks plant in a real API server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]

OURS = {"ambient.alauda.io/mesh": "default"}


def bind_published_role(client: Client, user: str) -> None:
    """Give a user the rights that docs/check-clusterrole.yaml grants."""
    rbac = "rbac.authorization.k8s.io"
    role = yaml.safe_load((ROOT / "docs" / "check-clusterrole.yaml").read_text())
    subject = {"kind": "User", "name": user, "apiGroup": rbac}
    reference = {"kind": "ClusterRole", "name": role["metadata"]["name"], "apiGroup": rbac}
    binding = {"kind": "ClusterRoleBinding", "metadata": {"name": user}, "roleRef": reference}
    client.apply(role, "tests")
    client.apply({"apiVersion": f"{rbac}/v1", **binding, "subjects": [subject]}, "tests")


def crd(plural: str, group: str, kind: str, version: str = "v1", **metadata: Any) -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", **metadata},
        "spec": {
            "group": group,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "scope": "Cluster",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


def workload(kind: str, name: str, **labels: str) -> Object:
    selector = {"app": name}
    pod = {"metadata": {"labels": selector}, "spec": {"containers": [{"name": "main", "image": "none.invalid/x"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"selector": {"matchLabels": selector}, "template": pod},
    }


def webhook(configuration: str, name: str, **labels: str) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": configuration, "labels": labels},
        "webhooks": [
            {
                "name": name,
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"namespace": "default", "name": "injector"}},
                "failurePolicy": "Ignore",
                "sideEffects": "None",
            }
        ],
    }


ENDPOINTS = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {
        "name": "injector-1",
        "namespace": "default",
        "labels": {"kubernetes.io/service-name": "injector"},
    },
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": True}}],
}


def plain(kind: str, name: str, api_version: str = "v1", namespace: str = "", **parts: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    metadata |= {key: parts.pop(key) for key in ("labels", "annotations") if key in parts}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts}


def dead_webhook() -> Object:
    obj = webhook("broken", "policy.example.com")
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    obj["webhooks"][0] |= {"failurePolicy": "Fail", "rules": [rule]}
    return obj


def vpc_cni() -> Object:
    obj = workload("DaemonSet", "aws-node")
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "ENABLE_POD_ENI", "value": "true"}]
    return obj


def in_namespace(obj: Object, namespace: str) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


CONTAINERS = [{"name": "main", "image": "none.invalid/x"}]
CALICO, FELIX = "crd.projectcalico.org", "FelixConfiguration"
TIGERA, OPENSHIFT = "operator.tigera.io", "operator.openshift.io"
#: What some plants need besides the options that all have.
OPTIONS: dict[str, Object] = {"AMB0107": {"platform": "generic"}, "AMB0223": {"platform": "acp", "skip": ["AMB0107"]}}
PLANTS: dict[str, tuple[list[Object], str]] = {
    "AMB0105": ([dead_webhook()], "must be asked about what an installation creates"),
    "AMB0107": ([plain("Node", "one", labels={"microk8s.io/cluster": "true"})], "looks like microk8s"),
    "AMB0111": ([plain("Secret", "cacerts", namespace="istio-system", data={"ca-cert.pem": "bm8="})],
                "lacks ca-key.pem"),
    "AMB0206": ([crd("servicemeshcontrolplanes", "maistra.io", "ServiceMeshControlPlane")], "left traces"),
    "AMB0208": ([workload("Deployment", "x", app="consul", component="connect-injector")], "is installed but idle"),
    "AMB0212": ([in_namespace(workload("Deployment", "istiod-asm-1-27"), "aks-istio-system")], "is installed but idle"),
    "AMB0214": ([crd("istios", TIGERA, "Istio"), plain("Istio", "default", f"{TIGERA}/v1")], "is in use"),
    "AMB0219": ([plain("Pod", "old", namespace="default", spec={"containers": CONTAINERS},
                       annotations={"kuma.io/sidecar-injected": "true"})], "1 pod has a proxy of Kuma"),
    "AMB0221": ([workload("DaemonSet", "cilium", **{"k8s-app": "cilium"}),
                 plain("ConfigMap", "cilium-config", namespace="default", data={"cni-exclusive": "true"})],
                "Cilium takes istio-cni off the nodes"),
    "AMB0222": ([crd("felixconfigurations", CALICO, FELIX),
                 plain(FELIX, "default", f"{CALICO}/v1", spec={"bpfEnabled": True})], "connect-time load balancing"),
    "AMB0223": ([], "there is no DaemonSet of Multus"),
    "AMB0224": ([vpc_cni()], "the probes of captured pods would fail"),
    "AMB0226": ([crd("networks", OPENSHIFT, "Network"), plain("Network", "cluster", f"{OPENSHIFT}/v1", spec={
        "defaultNetwork": {"type": "OVNKubernetes", "ovnKubernetesConfig": {}}})], "does not route through the host"),
    "AMB0225": ([plain("ClusterRole", "istiod-clusterrole-mesh", "rbac.authorization.k8s.io/v1", rules=[])],
                "rights of Istio are left"),
    "AMB0104": ([crd("gateways", "gateway.networking.k8s.io", "Gateway", annotations={
        "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/1",
        "gateway.networking.k8s.io/bundle-version": "v1.6.0",
    })], "belong to tests"),
    "AMB0201": ([crd("servicemeshes", "asm.alauda.io", "ServiceMesh")], "left traces"),
    "AMB0202": ([workload("Deployment", "servicemesh-operator2")], "is installed but idle"),
    "AMB0203": ([workload("Deployment", "istiod", app="istiod")], "is installed but idle"),
    "AMB0204": ([webhook("injector-x", "rev.namespace.sidecar-injector.istio.io"), ENDPOINTS], "is running"),
    "AMB0205": ([workload("DaemonSet", "ztunnel", app="ztunnel")], "is installed but idle"),
    "AMB0207": ([workload("Deployment", "linkerd-destination")], "is installed but idle"),
    "AMB0209": ([webhook("kuma-injector", "pods-kuma-injector.kuma.io")], "is installed but idle"),
    "AMB0211": ([crd("controlplanerevisions", "mesh.cloud.google.com", "ControlPlaneRevision")], "left traces"),
    "AMB0213": ([crd("servicemeshes", "istio.alibabacloud.com", "ServiceMesh")], "left traces"),
    "AMB0215": ([workload("Deployment", "osm-controller")], "is installed but idle"),
    "AMB0216": ([workload("Deployment", "nginx-mesh-controller")], "is installed but idle"),
    "AMB0217": ([crd("virtualnodes", "appmesh.k8s.aws", "VirtualNode")], "left traces"),
    "AMB0218": ([workload("DaemonSet", "traefik-mesh-proxy")], "is installed but idle"),
    "AMB0302": ([workload("DaemonSet", "blue", **{"ambient.alauda.io/mesh": "blue"})], "belongs to mesh blue"),
}  # fmt: skip


def wait_until(holds: Callable[[], bool]) -> None:
    """CRDs go in two steps: their objects first."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def is_settled(client: Client, obj: Object) -> bool:
    """Whether the API server itself is done with the object."""
    live = client.get(Identity.of(obj)) or {}
    conditions = {condition["type"] for condition in live.get("status", {}).get("conditions") or []}
    if obj["kind"] != "CustomResourceDefinition":
        return True
    client.discover().refresh()
    spec = obj["spec"]
    served = client.exists_kind(f"{spec['group']}/{spec['versions'][0]['name']}", spec["names"]["kind"])
    return {"NamesAccepted", "Established"} <= conditions and served


@contextmanager
def planted(client: Client, objects: list[Object]) -> Iterator[None]:
    try:
        for obj in objects:
            client.apply(obj, "tests")
            wait_until(lambda obj=obj: is_settled(client, obj))  # type: ignore[misc]
        yield
    finally:
        for obj in reversed(objects):
            client.delete(Identity.of(obj))
        wait_until(lambda: not any(client.get(Identity.of(obj)) for obj in objects))
