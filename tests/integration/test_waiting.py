# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for readiness on a real API server; the test plays the controllers."""

from __future__ import annotations

import base64
import threading
import time
from pathlib import Path
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from apiserver import ApiServer
from cases import Apply, config_map, live


def deployment(namespace: str, name: str = "web", image: str = "x") -> Object:
    """A Deployment with one replica."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}},
        },
    }


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


def roll_out(client: Client, obj: Object) -> None:
    """What the Deployment controller writes when all pods are up."""
    current = live(client, obj)
    generation = current["metadata"]["generation"]
    current["status"] = {
        "observedGeneration": generation,
        **dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), 1),
    }
    path = f"/apis/apps/v1/namespaces/{obj['metadata']['namespace']}/deployments/{obj['metadata']['name']}/status"
    client.request("PUT", path, body=current)


def test_the_wait_ends_when_the_watch_shows_it(apply: Apply, client: Client, namespace: str) -> None:
    obj = deployment(namespace)
    objects: list[Any] = [obj, {"object": config_map(namespace, "after"), "wave": 10}]

    def controller() -> None:
        time.sleep(1)
        roll_out(client, obj)

    thread = threading.Thread(target=controller)
    thread.start()
    start = time.monotonic()
    result = apply(objects, wait_timeout=30)
    thread.join()
    assert result["counts"]["created"] == 2
    assert time.monotonic() - start < 5


def test_a_time_out_stops_what_comes_later_and_says_why(apply: Apply, client: Client, namespace: str) -> None:
    obj = deployment(namespace)
    later = {"object": config_map(namespace, "after"), "wave": 10}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": namespace, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    }
    created = client.create(pod)
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}
    state = {
        "name": "main",
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": waiting},
    }
    created["status"] = {"phase": "Pending", "containerStatuses": [state]}
    client.request("PUT", f"/api/v1/namespaces/{namespace}/pods/web-1/status", body=created)
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web-1.1", "namespace": namespace},
        "involvedObject": {"kind": "Pod", "name": "web-1", "namespace": namespace},
        "type": "Warning",
        "reason": "Failed",
        "message": "no such image",
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }
    client.create(event)

    result = apply([obj, later], wait_timeout=1)
    assert result["counts"]["pending"] == 1
    assert result["msg"] == (
        f"apps/v1 Deployment {namespace}/web: not yet seen by its controller after 1 s: pod web-1: "
        'container main: ImagePullBackOff: Back-off pulling image "x"; Failed: no such image'
    )

    again = apply([obj, later], waves=[10], wait_timeout=1)
    assert again["msg"].startswith(f"v1 ConfigMap {namespace}/after: waits for Deployment {namespace}/web: ")
    roll_out(client, obj)
    assert apply([obj, later])["counts"]["created"] == 1


def test_an_old_generation_is_not_ready(apply: Apply, client: Client, namespace: str) -> None:
    obj = deployment(namespace)
    apply([obj], wait=False)
    roll_out(client, obj)
    assert apply([obj])["changed"] is False
    assert "not yet seen by its controller" in apply([deployment(namespace, image="y")], wait_timeout=1)["msg"]


def test_webhooks_need_their_authority_and_an_endpoint(
    apply: Apply, client: Client, namespace: str, apiserver: ApiServer
) -> None:
    bare = webhook(namespace)
    assert "webhook hook.tests.example has no caBundle yet" in apply([bare], wait_timeout=1)["msg"]
    current = live(client, bare)
    current["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(Path(apiserver.ca_cert).read_bytes()).decode()
    client.replace(current, manager="pilot-discovery")
    assert f"service {namespace}/hook has no ready endpoint" in apply([bare], wait_timeout=1)["msg"]
    client.create(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "hook-1",
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": "hook"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
            "ports": [],
        }
    )
    assert apply([bare])["changed"] is False
