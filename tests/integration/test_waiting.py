# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for readiness on a real API server; the test plays the controllers."""

from __future__ import annotations

import base64
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube import wait as engine
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.wait import wait_ready
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from apiserver import ApiServer
from cases import Apply, config_map, live
from planted import ROLLED_OUT, container, deployment, event, pod, served_kind, status_of, webhook

OWN_APISERVER = True  # CRDs of the Gateway API that are none


def roll_out(client: Client, obj: Object) -> None:
    """What the Deployment controller writes when all pods are up."""
    status_of(client, obj, **ROLLED_OUT)


def wait(client: Client, *objects: Object, timeout: float = 2) -> dict[str, str]:
    """Wait for objects as the engine does."""
    return wait_ready(client, [Item(obj, 0) for obj in objects], timeout, lambda _line: None)


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
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}
    stuck = pod(client, namespace, "web-1", "web", {"phase": "Pending", "containerStatuses": [container(waiting)]})
    event(client, stuck, "Failed", "no such image")

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
    changed = deployment(namespace)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "y"
    assert "not yet seen by its controller" in apply([changed], wait_timeout=1)["msg"]


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


def late(message: str) -> dict[str, Any]:
    """The status of a Deployment whose roll-out has failed."""
    found = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": message}
    return {"conditions": [found]}


def test_a_failed_roll_out_ends_the_wait(client: Client, namespace: str) -> None:
    broken, slow = deployment(namespace, "broken"), deployment(namespace, "slow")
    for obj in (broken, slow):
        client.create(obj)
    thread = threading.Timer(1, lambda: status_of(client, broken, **late("ReplicaSet x has timed out progressing.")))
    thread.start()
    start = time.monotonic()
    missing = wait(client, broken, slow, timeout=60)
    thread.join()
    assert time.monotonic() - start < 5
    told = "0/1 ready: ReplicaSet x has timed out progressing.: there is no pod"
    assert missing[f"Deployment {namespace}/broken"] == told
    rest = f"not waited for any longer: Deployment {namespace}/broken failed"
    assert missing[f"Deployment {namespace}/slow"] == f"not yet seen by its controller; {rest}"


def test_what_had_failed_before_may_recover(client: Client, namespace: str) -> None:
    obj = deployment(namespace)
    client.create(obj)
    status_of(client, obj, **late("too slow"))
    assert wait(client, obj, timeout=1) == {
        f"Deployment {namespace}/web": "0/1 ready: too slow after 1 s: there is no pod"
    }
    thread = threading.Timer(1, roll_out, (client, obj))
    thread.start()
    assert wait(client, obj, timeout=20) == {}
    thread.join()


def test_a_failed_job_ends_the_wait(client: Client, namespace: str) -> None:
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}}}
    obj = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": namespace}, "spec": spec}
    client.create(obj)
    reason = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
    times = {"startTime": "2026-01-01T00:00:00Z"}
    conditions = [{"type": kind, "status": "True", **reason} for kind in ("FailureTarget", "Failed")]
    status_of(client, obj, conditions=conditions, **times)
    start = time.monotonic()
    assert wait(client, obj, timeout=30)[f"Job {namespace}/once"].startswith("failed: Job has reached the specified")
    assert time.monotonic() - start < 5


GATEWAY_API = "gateway.networking.k8s.io"


def test_a_route_is_waited_for_where_a_controller_reports(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SILENCE", 2.5)
    served_kind(client, GATEWAY_API, "GRPCRoute", "grpcroutes")
    parent = {"name": "gw"}
    obj = {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": "route", "namespace": namespace},
        "spec": {"parentRefs": [parent]},
    }
    name = f"GRPCRoute {namespace}/route"
    client.create(obj)
    start = time.monotonic()
    assert wait(client, obj, timeout=60) == {}
    assert 1 < time.monotonic() - start < 5  # nobody reports: some seconds, not the whole time
    again = time.monotonic()
    assert wait(client, obj, timeout=60) == {}
    assert time.monotonic() - again < 1  # it is no longer new

    refused = {"type": "Accepted", "status": "False", "observedGeneration": 1, "message": "no such listener"}
    report = {"parentRef": parent, "controllerName": "tests.example/gateway", "conditions": [refused]}
    status_of(client, obj, parents=[report])
    assert wait(client, obj, timeout=1) == {name: f"not Accepted by Gateway {namespace}/gw: no such listener after 1 s"}
    report["conditions"] = [{**refused, "status": "True"}]
    status_of(client, obj, parents=[report])
    assert wait(client, obj) == {}
    client.apply({**obj, "spec": {"parentRefs": [parent], "more": True}}, "tests", force=True)
    assert wait(client, obj, timeout=1) == {name: f"not yet Accepted by Gateway {namespace}/gw after 1 s"}


def test_claims(client: Client, namespace: str) -> None:
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "tests.example/none"}
    for mode in ("Immediate", "WaitForFirstConsumer"):
        metadata = {"name": f"{namespace}-{mode.lower()}"}
        client.create({**storage, "metadata": metadata, "volumeBindingMode": mode})

    def claim(storage_class: str) -> Object:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        metadata = {"name": storage_class, "namespace": namespace}
        spec["storageClassName"] = f"{namespace}-{storage_class}"
        obj = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
        client.create(obj)
        return obj

    immediate, lazy, wrong = claim("immediate"), claim("waitforfirstconsumer"), claim("none")
    event(client, immediate, "ProvisioningFailed", "no space left")
    kind = f"PersistentVolumeClaim {namespace}"
    assert wait(client, immediate, lazy, wrong, timeout=1) == {
        f"{kind}/immediate": "not bound to a volume after 1 s: ProvisioningFailed: no space left",
        f"{kind}/none": f"not bound to a volume after 1 s: storage class {namespace}-none does not exist",
    }
    status_of(client, immediate, phase="Bound")
    assert wait(client, immediate) == {}

    unscheduled = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
    }
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "none"}}
    pod(client, namespace, "web-1", "web", {"phase": "Pending", "conditions": [unscheduled]}, volumes=[volume])
    obj = deployment(namespace)
    client.create(obj)
    assert wait(client, obj, timeout=1)[f"Deployment {namespace}/web"].endswith(
        f"PersistentVolumeClaims.; claim none is not bound: storage class {namespace}-none does not exist"
    )


def test_a_quota_that_allows_no_pod_is_named(client: Client, namespace: str) -> None:
    message = 'pods "web-6d4f" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3'
    obj = deployment(namespace)
    client.create(obj)
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    status_of(client, obj, conditions=[failure])
    told = wait(client, obj, timeout=1)[f"Deployment {namespace}/web"]
    assert told == f"0/1 ready after 1 s: no pod can be made: {message}"


def test_pods_that_are_refused_by_a_webhook_are_explained(client: Client, namespace: str) -> None:
    obj = deployment(namespace, "refused")
    obj["kind"], obj["spec"]["updateStrategy"] = "DaemonSet", {"type": "RollingUpdate"}
    client.create(obj)
    status_of(client, obj, desiredNumberScheduled=2, currentNumberScheduled=0, numberMisscheduled=0, numberReady=0)
    event(client, obj, "FailedCreate", 'admission webhook "w.example" denied the request: no')
    assert wait(client, obj, timeout=1)[f"DaemonSet {namespace}/refused"] == (
        '0/2 ready after 1 s: there is no pod; FailedCreate: admission webhook "w.example" denied the request: no'
    )


def test_pods_that_fail_alike_are_told_once_with_their_node(client: Client, namespace: str) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": namespace}}
    client.create(node)
    status_of(client, node, conditions=[{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting"}])
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s"}
    ended = {"terminated": {"reason": "Error", "exitCode": 3, "message": "port is taken"}}
    crashing = {"phase": "Running", "containerStatuses": [container(waiting, lastState=ended)]}
    for number in range(3):
        pod(client, namespace, f"web-{number}", "web", crashing, nodeName=namespace)
    obj = deployment(namespace)
    client.create(obj)
    told = wait(client, obj, timeout=1)[f"Deployment {namespace}/web"]
    assert "(and 2 more): container main: CrashLoopBackOff: back-off 10s: ended with Error, exit status 3" in told
    assert told.endswith(f"(port is taken); node {namespace} is not ready: Kubelet stopped posting")


def test_what_lies_behind_a_gateway_and_a_webhook_is_told(client: Client, namespace: str) -> None:
    served_kind(client, GATEWAY_API, "Gateway", "gateways")
    metadata = {"name": "waypoint", "namespace": namespace}
    gateway = {"apiVersion": f"{GATEWAY_API}/v1", "kind": "Gateway", "metadata": metadata, "spec": {"listeners": []}}
    client.create(gateway)
    client.create(deployment(namespace, "proxy", **{f"{GATEWAY_API}/gateway-name": "waypoint"}))
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    pod(client, namespace, "proxy-1", "proxy", {"phase": "Pending", "containerStatuses": [container(waiting)]})
    told = "its Deployment proxy: pod proxy-1: container main: ErrImagePull: not found"
    assert wait(client, gateway, timeout=1) == {
        f"Gateway {namespace}/waypoint": f"not yet Programmed after 1 s: {told}"
    }

    hook = webhook(namespace)
    client.create(hook)
    service = {"selector": {"app": "proxy"}, "ports": [{"port": 443}]}
    assert "service" in wait(client, hook, timeout=1)[f"ValidatingWebhookConfiguration hook-{namespace}"]
    metadata = {"name": "hook", "namespace": namespace}
    client.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service})
    told = wait(client, hook, timeout=1)[f"ValidatingWebhookConfiguration hook-{namespace}"]
    assert told.endswith("pod proxy-1: container main: ErrImagePull: not found")
