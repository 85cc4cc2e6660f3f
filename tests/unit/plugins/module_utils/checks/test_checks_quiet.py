# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordinary clusters without a mesh, and a healthy mesh of ours: nothing to tell."""

from __future__ import annotations

from typing import Any

import pytest

MODE = "istio.io/dataplane-mode"
MESH = {"namespaces": [{"name": "shop", "state": "l4"}]}
PHASES = ("cluster", "other-meshes", "own-installation", "namespaces")
SILENT = {"AMB0109", "AMB0112"}  # never seen, and nothing computed


def webhook(make: Any, kind: str, name: str, service: str, namespace: str) -> list[Any]:
    """A webhook of an add-on about pods and Deployments, whose service has an endpoint."""
    rule = {"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "operations": ["CREATE"]}
    target = {"service": {"namespace": namespace, "name": service}}
    hook = {"name": name, "clientConfig": target, "failurePolicy": "Fail", "rules": [rule]}
    label = {"kubernetes.io/service-name": service}
    slices = make("EndpointSlice", service, namespace, labels=label, endpoints=[{"conditions": {"ready": True}}])
    return [make(kind, name, webhooks=[hook]), slices]


def add_ons(make: Any) -> list[Any]:
    ready = {"status": {"readyReplicas": 1}}
    names = {
        "cert-manager": ("cert-manager", "cert-manager-webhook", "cert-manager-cainjector"),
        "argocd": ("argocd-server", "argocd-repo-server"),
        "monitoring": ("prometheus-operator", "grafana"),
        "ingress-nginx": ("ingress-nginx-controller",),
        "traefik": ("traefik",),
        "kube-system": ("coredns", "metrics-server", "calico-kube-controllers", "cilium-operator"),
    }
    crds = (
        "certificates.cert-manager.io",
        "applications.argoproj.io",
        "servicemonitors.monitoring.coreos.com",
        "ingressroutes.traefik.io",
        "ciliumnetworkpolicies.cilium.io",
        "felixconfigurations.crd.projectcalico.org",
        "istios.operator.tigera.io",
        "backends.gateway.envoyproxy.io",
    )
    quota = {"spec": {"hard": {"pods": "0"}}}
    policy = {"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]}
    return [
        *(make("Deployment", name, where, **ready) for where, every in names.items() for name in every),
        *(make("CustomResourceDefinition", name) for name in crds),
        *(make("Namespace", name) for name in (*names, "shop", "kube-public")),
        make("ResourceQuota", "full", "monitoring", **quota),
        make("NetworkPolicy", "narrow", "monitoring", spec=policy),
        make("Pod", "node-exporter", "monitoring", spec={"hostNetwork": True}),
        make("ConfigMap", "kube-root-ca.crt", "shop"),
        *webhook(make, "MutatingWebhookConfiguration", "webhook.cert-manager.io", "webhook", "cert-manager"),
        *webhook(make, "ValidatingWebhookConfiguration", "validate.nginx.ingress", "admission", "ingress-nginx"),
    ]


def cni_of(make: Any, name: str) -> list[Any]:
    """A network plugin that is set as ambient mode needs it."""
    agent = make("DaemonSet", name, "kube-system", labels={"k8s-app": name}, status={"numberReady": 2})
    if name == "cilium":
        data = {"cni-exclusive": "false", "kube-proxy-replacement": "true", "bpf-lb-sock-hostns-only": "true"}
        return [agent, make("ConfigMap", "cilium-config", "kube-system", data=data)]
    spec = {"bpfEnabled": True, "bpfConnectTimeLoadBalancing": "Disabled"}
    felix = make("FelixConfiguration", "default", api_version="crd.projectcalico.org/v1", spec=spec)
    return [agent, felix] if name == "calico-node" else [agent]


def node(make: Any, version: str) -> Any:
    facts = {"operatingSystem": "linux", "architecture": "arm64", "kubeletVersion": version}
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    return make("Node", "one", status={"nodeInfo": facts}, spec={"taints": [taint]})


@pytest.mark.parametrize("cni", ["cilium", "calico-node", "kindnet", "kube-flannel"])
@pytest.mark.parametrize("version", ["v1.34.4", "v1.34.4-eks-113cf36", "v1.34.4+rke2r1"])
def test_an_ordinary_cluster(world: Any, examine: Any, make: Any, cni: str, version: str) -> None:
    tolerations = [{"operator": "Exists"}]
    agent = make("DaemonSet", "ztunnel", "ztunnel", spec={"template": {"spec": {"tolerations": tolerations}}})
    cluster = world(node(make, version), *add_ons(make), *cni_of(make, cni))

    report = examine(cluster, *PHASES, mesh=MESH, platform="generic", planned=[agent])

    assert [str(finding) for finding in report.findings] == []
    assert {result.check.code for result in report.results if result.status == "skipped"} == SILENT


def test_a_mesh_of_ours_that_is_well(world: Any, examine: Any, make: Any, installation: Any) -> None:
    held = {MODE: ["alauda.ambient/enrolment"]}
    shop = make("Namespace", "shop", labels={MODE: "ambient"}, managers=held)
    others = [obj for obj in add_ons(make) if obj["metadata"]["name"] != "shop"]
    root = make("ConfigMap", "istio-ca-root-cert", "shop", labels={"istio.io/config": "true"})
    cluster = world(node(make, "v1.34.4"), *others, *installation(), shop, root)

    report = examine(cluster, *PHASES, mesh=MESH, platform="generic")

    assert [str(finding) for finding in report.findings] == []
