# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to plant in a cluster so that the guard refuses it, and with which words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Object = dict[str, Any]
NAMESPACE = "guard"
OURS = "ambient.alauda.io/mesh"
MODE = "istio.io/dataplane-mode"
#: Checks without a case: they need another Kubernetes or Istio than the cluster's, never refuse, look at what it cannot
#: show without harm, or belong to the uninstall (see the scenario install). The unit tests show them; one of them holds
#: this list, and the cases, to the table.
ELSEWHERE = {
    *("AMB0102", "AMB0210", "AMB0301", "AMB0404", "AMB0405", "AMB0601", "AMB0602", "AMB0603", "AMB0604"),
    *("AMB0105", "AMB0106", *(f"AMB01{number:02}" for number in range(7, 13))),
    *(f"AMB02{number}" for number in range(19, 27)),
    *(f"AMB04{number:02}" for number in range(7, 15)),
}
PLANTED_POLICIES = "AMB0701"  # one stands for all of its category: the API server's tests show each


@dataclass(frozen=True)
class Case:
    """Objects to plant, variables to set, and what the guard says then: words of a finding for each code.

    Attributes:
        ready: what has to be ready before the guard looks: namespace/name of a Deployment, or namespace/kind/name.
    """

    name: str
    finds: Mapping[str, str]
    objects: tuple[Object, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    ready: tuple[str, ...] = ()


def crd(plural: str, group: str, kind: str, version: str = "v1") -> Object:
    """A CRD that takes anything."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/1"},
        },
        "spec": {
            "group": group,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "scope": "Cluster",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


def workload(kind: str, name: str, image: str = "", namespace: str = NAMESPACE, **labels: str) -> Object:
    """A Deployment or DaemonSet: without an image, one that runs nowhere."""
    pod: Object = {"containers": [{"name": "main", "image": image or "none.invalid/none", "args": ["--port=8080"]}]}
    if not image:
        pod["nodeSelector"] = {"none.invalid/no-such-node": "true"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"planted": name}},
            "template": {"metadata": {"labels": {"planted": name}}, "spec": pod},
        },
    }


def service(name: str) -> Object:
    """The Service of a planted workload."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"planted": name}, "ports": [{"port": 443, "targetPort": 8080}]},
    }


def webhook(name: str, hook: str, target: str) -> Object:
    """A mutating webhook that never gets to see anything."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": hook,
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"namespace": NAMESPACE, "name": target}},
                "failurePolicy": "Ignore",
                "namespaceSelector": {"matchLabels": {"none.invalid/no-such-namespace": "true"}},
                "sideEffects": "None",
            }
        ],
    }


def namespace(name: str, **labels: str) -> Object:
    """A Namespace with labels."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def cases(image: str) -> list[Case]:
    """All cases; the image is one that runs on the cluster and becomes ready."""
    return [
        Case(
            "nobody answers",
            {"AMB0101": "127.0.0.1"},
            variables={"ambient_host": "https://127.0.0.1:1"},
        ),
        Case(
            "no rights", {"AMB0103": "missing: list"}, variables={"ambient_impersonate_user": "somebody-without-rights"}
        ),
        Case("no CRDs", {"AMB0104": "Gateway API CRDs are missing"}, variables={"ambient_gateway_api": "require"}),
        Case(
            "a policy that would shut all out",
            {"AMB0701": "rules that speak of methods (1) never match, and allow nobody"},
            (namespace("guard-policies"),),
            {
                "ambient_manifests": [str(Path(__file__).parent / "manifests")],
                "ambient_mesh": {"name": "default", "namespaces": [{"name": "guard-policies", "state": "l4"}]},
            },
        ),
        everything(image),
        *each_mesh(image),
    ]


def each_mesh(image: str) -> Iterator[Case]:
    """Every mesh alone, running where it has something that runs. The signals are planted: no mesh is installed."""
    running = {
        "AMB0201": ("Alauda Service Mesh v1", "asm-core", "istio-system", {}),
        "AMB0202": ("Alauda Service Mesh v2", "servicemesh-operator2", NAMESPACE, {}),
        "AMB0203": ("Another istiod", "istiod-1-28", NAMESPACE, {"app": "istiod"}),
        "AMB0206": ("OpenShift Service Mesh 2", "istio-operator", "openshift-operators", {}),
        "AMB0207": ("Linkerd", "linkerd-proxy-injector", NAMESPACE, {}),
        "AMB0208": ("Consul", "a-connect-injector", NAMESPACE, {"app": "consul", "component": "connect-injector"}),
        "AMB0209": ("Kuma or Kong Mesh", "kong-mesh", NAMESPACE, {"app": "kuma-control-plane"}),
        "AMB0212": ("The Istio add-on of AKS", "istiod-asm-1-27", "aks-istio-system", {}),
        "AMB0215": ("Open Service Mesh", "osm-controller", NAMESPACE, {}),
        "AMB0216": ("NGINX Service Mesh", "nginx-mesh-controller", NAMESPACE, {}),
        "AMB0217": ("AWS App Mesh", "appmesh-controller", NAMESPACE, {}),
        "AMB0218": ("Traefik Mesh", "traefik-mesh-controller", NAMESPACE, {}),
    }
    for code, (title, name, where, labels) in running.items():
        plants = (workload("Deployment", name, image, where, **labels),)
        plants += () if where == NAMESPACE else (namespace(where),)
        yield Case(title, {code: "is running (1 of 1 ready)"}, plants, ready=(f"{where}/{name}",))
    yield Case(
        "another istio-cni",
        {"AMB0205": "Another istio-cni or ztunnel is running"},
        (workload("DaemonSet", "istio-cni-node", image),),
        ready=(f"{NAMESPACE}/daemonset/istio-cni-node",),
    )
    hook = webhook("guard-injector", "rev.namespace.sidecar-injector.istio.io", "injector")
    injector = (workload("Deployment", "injector", image), service("injector"), hook)
    yield Case("another injector", {"AMB0204": "is running: webhook"}, injector, ready=(f"{NAMESPACE}/injector",))
    asked_for = {
        "AMB0211": ("Google's service mesh", "controlplanerevisions", "mesh.cloud.google.com/v1beta1"),
        "AMB0213": ("Alibaba Cloud Service Mesh", "servicemeshes", "istio.alibabacloud.com/v1beta1"),
        "AMB0214": ("the Istio of Calico", "istios", "operator.tigera.io/v1"),
    }
    kinds = {"AMB0211": "ControlPlaneRevision", "AMB0213": "ServiceMesh", "AMB0214": "Istio"}
    for code, (title, plural, api_version) in asked_for.items():
        group, _slash, version = api_version.partition("/")
        plant = {"apiVersion": api_version, "kind": kinds[code], "metadata": {"name": "default"}}
        yield Case(title, {code: "is in use"}, (crd(plural, group, kinds[code], version), plant))


def everything(image: str) -> Case:
    """Every sign at once: the guard finds each of them, not just the first."""
    old = {OURS: "default", "app.kubernetes.io/version": "1.30.0"}
    consul = {"app": "consul", "component": "connect-injector"}
    return Case(
        "everything",
        {
            "AMB0104": "belong to",
            "AMB0201": "left traces",
            "AMB0202": "is installed but idle (0 of 1 ready)",
            "AMB0203": "is running (1 of 1 ready)",
            "AMB0204": "is running: webhook rev.namespace.sidecar-injector.istio.io calls service guard/injector",
            "AMB0205": "is installed but idle",
            "AMB0206": "service guard/nobody, which has no ready endpoint",
            "AMB0207": "Linkerd is installed but idle",
            "AMB0208": "Consul service mesh is installed but idle",
            "AMB0209": "Kuma or Kong Mesh is installed but idle",
            "AMB0302": "belongs to mesh blue, not to default",
            "AMB0303": "runs version 1.30.0",
            "AMB0401": "does not exist",
            "AMB0402": "label mesh is 'green'",
            "AMB0403": "they win over ambient",
            "AMB0406": "is held by kubectl",
        },
        (
            crd("gateways", "gateway.networking.k8s.io", "Gateway"),
            crd("servicemeshes", "asm.alauda.io", "ServiceMesh"),
            workload("Deployment", "servicemesh-operator2"),
            workload("Deployment", "istiod", image, app="istiod"),
            workload("Deployment", "injector", image),
            service("injector"),
            webhook("guard-istio", "rev.namespace.sidecar-injector.istio.io", "injector"),
            workload("DaemonSet", "istio-cni-node"),
            webhook("guard-maistra", "smcp.mutation.maistra.io", "nobody"),
            workload("Deployment", "linkerd-identity"),
            workload("Deployment", "x-connect-injector", **consul),
            workload("Deployment", "kuma-control-plane"),
            namespace("guard-blue", **{OURS: "blue"}),
            namespace("ztunnel"),
            workload("DaemonSet", "ztunnel", namespace="ztunnel", **old),
            namespace("guard-green", mesh="green"),
            namespace("guard-sidecar", **{"istio-injection": "enabled"}),
            namespace("guard-held", **{MODE: "ambient"}),
        ),
        {
            "ambient_discovery_selectors": [{"matchLabels": {"mesh": "blue"}}],
            "ambient_mesh": {
                "name": "default",
                "namespaces": [
                    {"name": "guard-nowhere", "state": "l4"},
                    {"name": "guard-green", "state": "l4"},
                    {"name": "guard-sidecar", "state": "l4"},
                    {"name": "guard-held", "state": "off"},
                ],
            },
        },
        (f"{NAMESPACE}/istiod", f"{NAMESPACE}/injector"),
    )
