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
    """Objects to plant, variables to set, and the code and words of the refusal.

    Attributes:
        ready: a Deployment among the objects that has to be ready before the guard looks.
    """

    code: str
    words: str
    objects: tuple[Object, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    ready: str = ""


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


def declared(name: str, state: str) -> dict[str, Any]:
    """Variables that declare one namespace."""
    return {"ambient_mesh": {"name": "default", "namespaces": [{"name": name, "state": state}]}}


def cases(image: str) -> list[Case]:
    """All cases; the image is one that runs on the cluster and becomes ready."""
    live = workload("Deployment", "injector", image)
    return [
        Case("AMB0101", "127.0.0.1:1", variables={"ambient_host": "https://127.0.0.1:1", "ambient_kubeconfig": ""}),
        Case("AMB0103", "missing: list", variables={"ambient_impersonate_user": "somebody-without-rights"}),
        Case("AMB0104", "CRDs are missing", variables={"ambient_gateway_api": "require"}),
        Case("AMB0104", "belong to", (crd("gateways", "gateway.networking.k8s.io", "Gateway"),)),
        Case("AMB0201", "left traces", (crd("servicemeshes", "asm.alauda.io", "ServiceMesh"),)),
        Case("AMB0202", "idle (0 of 1 ready)", (workload("Deployment", "servicemesh-operator2"),)),
        Case(
            "AMB0203",
            "running (1 of 1 ready)",
            (workload("Deployment", "istiod", image, app="istiod"),),
            ready="istiod",
        ),
        Case(
            "AMB0204",
            "calls service refuse/injector",
            (live, service("injector"), webhook("planted", "rev.namespace.sidecar-injector.istio.io", "injector")),
            ready="injector",
        ),
        Case("AMB0205", "idle (0 of 0 ready)", (workload("DaemonSet", "istio-cni-node"),)),
        Case(
            "AMB0206",
            "service refuse/nobody, which has no ready endpoint",
            (webhook("planted", "smcp.mutation.maistra.io", "nobody"),),
        ),
        Case("AMB0207", "Linkerd is installed", (workload("Deployment", "linkerd-identity"),)),
        Case(
            "AMB0208",
            "Consul service mesh is installed",
            (workload("Deployment", "x-connect-injector", app="consul", component="connect-injector"),),
        ),
        Case("AMB0209", "Kuma or Kong Mesh is installed", (workload("Deployment", "kuma-control-plane"),)),
        Case("AMB0302", "belongs to mesh blue, not to default", (namespace("refuse-blue", **{OURS: "blue"}),)),
        Case(
            "AMB0303",
            "runs version 1.30.0",
            (
                namespace("ztunnel"),
                workload(
                    "DaemonSet",
                    "ztunnel",
                    namespace="ztunnel",
                    **{OURS: "default", "app.kubernetes.io/version": "1.30.0"},
                ),
            ),
        ),
        Case("AMB0401", "does not exist", variables=declared("refuse-nowhere", "l4")),
        Case(
            "AMB0402",
            "label mesh is 'green'",
            (namespace("refuse-green", mesh="green"),),
            {**declared("refuse-green", "l4"), "ambient_discovery_selectors": [{"matchLabels": {"mesh": "blue"}}]},
        ),
        Case(
            "AMB0403",
            "they win over ambient",
            (namespace("refuse-sidecar", **{"istio-injection": "enabled"}),),
            declared("refuse-sidecar", "l4"),
        ),
        Case(
            "AMB0406",
            "is held by kubectl",
            (namespace("refuse-held", **{MODE: "ambient"}),),
            declared("refuse-held", "off"),
        ),
    ]
