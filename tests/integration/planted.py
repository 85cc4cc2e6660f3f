# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What controllers, schedulers and kubelets would write, written by tests: no controller runs beside them."""

from __future__ import annotations

import itertools
import time
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity, Object

_numbers = itertools.count(1)
ROLLED_OUT = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), 1)


def deployment(namespace: str, name: str = "web", **labels: str) -> Object:
    """A Deployment with one replica."""
    match = {"app": name}
    container = {"name": "main", "image": "x"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": match},
            "template": {"metadata": {"labels": match}, "spec": {"containers": [container]}},
        },
    }


def status_of(client: Client, obj: Object, **status: Any) -> None:
    """Write the status of an object, for its newest generation."""
    identity = Identity.of(obj)
    current = client.get(identity)
    assert current is not None
    current["status"] = {**status}
    if identity.group == "apps":
        current["status"].setdefault("observedGeneration", current["metadata"]["generation"])
    resource = client.resource(identity)
    client.request("PUT", resource.path(identity.namespace, identity.name, "status"), body=current)


def pod(client: Client, namespace: str, name: str, app: str, status: dict[str, Any], **spec: Any) -> Object:
    """A pod in some state."""
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": "x"}], **spec},
    }
    client.create(obj)
    status_of(client, obj, **status)
    return obj


def webhook(namespace: str) -> Object:
    """A webhook configuration that concerns nothing."""
    hook = {
        "name": "hook.tests.example",
        "clientConfig": {"service": {"namespace": namespace, "name": "hook"}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "rules": [{"apiGroups": ["tests.example"], "apiVersions": ["v9"], "operations": ["*"], "resources": ["none"]}],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"hook-{namespace}"},
        "webhooks": [hook],
    }


def container(waiting: dict[str, Any], **status: Any) -> dict[str, Any]:
    """The status of a container that waits."""
    known = {"name": "main", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    return {**known, "state": {"waiting": waiting}, **status}


def event(client: Client, about: Object, reason: str, message: str, last: str = "2026-01-01T00:00:00Z") -> None:
    """A warning about an object."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace", "default")
    client.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"event-{next(_numbers)}", "namespace": namespace},
            "involvedObject": {"kind": about["kind"], "name": metadata["name"], "namespace": namespace},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "lastTimestamp": last,
        }
    )


def served_kind(client: Client, group: str, kind: str, plural: str, version: str = "v1") -> None:
    """A CRD with a status, whose objects may hold anything; returns when it is served."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    client.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": f"{plural}.{group}",
                "annotations": {"api-approved.kubernetes.io": "unapproved, for tests only"},
            },
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [
                    {
                        "name": version,
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                        "subresources": {"status": {}},
                    }
                ],
            },
        },
        "tests",
    )
    deadline = time.monotonic() + 10
    while not client.exists_kind(f"{group}/{version}", kind):
        assert time.monotonic() < deadline, f"{kind} is not served"
        time.sleep(0.1)
        client.discovery.refresh()


def endpoint_slice(client: Client, namespace: str, name: str, ready: bool = True, **labels: str) -> Object:
    """An EndpointSlice with one endpoint, as the controller of Services writes it; again: with another readiness."""
    obj = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": ready}}],
        "ports": [],
    }
    return client.apply(obj, "tests", force=True)


def answering_istiod(client: Client, ready: bool = True) -> None:
    """An istiod that answers, as far as its EndpointSlice tells; or one that does not."""
    endpoint_slice(client, "default", "istiod-tests", ready, app="istiod")


def ready_waypoint(client: Client, namespace: str, name: str = "waypoint") -> Object:
    """A waypoint that takes calls: the Gateway, its Deployment and its endpoint. Needs the kind Gateway."""
    group = "gateway.networking.k8s.io"
    made_for = {f"{group}/gateway-name": name}
    metadata = {"name": name, "namespace": namespace}
    spec = {"gatewayClassName": "istio-waypoint", "listeners": []}
    gateway = {"apiVersion": f"{group}/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}
    client.apply(gateway, "tests")
    status_of(client, gateway, conditions=[{"type": "Programmed", "status": "True"}])
    proxies = deployment(namespace, name, **made_for)
    client.apply(proxies, "tests")
    status_of(client, proxies, **ROLLED_OUT)
    endpoint_slice(client, namespace, name, **made_for)
    return gateway
