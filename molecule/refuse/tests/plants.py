# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to plant in a cluster so that the guard refuses it, and with which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
NAMESPACE = "refuse"
OURS = "ambient.alauda.io/mesh"
MODE = "istio.io/dataplane-mode"


@dataclass(frozen=True)
class Case:
    """Objects to plant, variables to set, and what the guard says then: words of a finding for each code.

    Attributes:
        ready: Deployments among the objects that have to be ready before the guard looks.
    """

    name: str
    finds: Mapping[str, str]
    objects: tuple[Object, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    ready: tuple[str, ...] = ()


def crd(plural: str, group: str, kind: str) -> Object:
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
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
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
        everything(image),
    ]


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
            "AMB0204": "is running: webhook rev.namespace.sidecar-injector.istio.io calls service refuse/injector",
            "AMB0205": "is installed but idle",
            "AMB0206": "service refuse/nobody, which has no ready endpoint",
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
            webhook("refuse-istio", "rev.namespace.sidecar-injector.istio.io", "injector"),
            workload("DaemonSet", "istio-cni-node"),
            webhook("refuse-maistra", "smcp.mutation.maistra.io", "nobody"),
            workload("Deployment", "linkerd-identity"),
            workload("Deployment", "x-connect-injector", **consul),
            workload("Deployment", "kuma-control-plane"),
            namespace("refuse-blue", **{OURS: "blue"}),
            namespace("ztunnel"),
            workload("DaemonSet", "ztunnel", namespace="ztunnel", **old),
            namespace("refuse-green", mesh="green"),
            namespace("refuse-sidecar", **{"istio-injection": "enabled"}),
            namespace("refuse-held", **{MODE: "ambient"}),
        ),
        {
            "ambient_discovery_selectors": [{"matchLabels": {"mesh": "blue"}}],
            "ambient_mesh": {
                "name": "default",
                "namespaces": [
                    {"name": "refuse-nowhere", "state": "l4"},
                    {"name": "refuse-green", "state": "l4"},
                    {"name": "refuse-sidecar", "state": "l4"},
                    {"name": "refuse-held", "state": "off"},
                ],
            },
        },
        ("istiod", "injector"),
    )
