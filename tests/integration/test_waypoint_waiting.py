# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for waypoints, and for what labels bind to them; the test plays istiod."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.wait import wait_ready
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from apiserver import ApiServer
from cases import Apply, config_map, live
from planted import ROLLED_OUT, container, deployment, event, pod, ready_waypoint, served_kind, status_of
from requests_seen import Requests

pytestmark = pytest.mark.usefixtures("istiod")
OWN_APISERVER = True  # a CRD of the Gateway API that is none
GATEWAY_API = "gateway.networking.k8s.io"
ENROLMENT = "alauda.ambient/enrolment"
BOUND = "istio.io/WaypointBound"
USE = "istio.io/use-waypoint"
NOT_READY = {"reason": "WaypointIsNotReady", "message": "waypoint has no ready pod"}


@pytest.fixture(autouse=True)
def _served(client: Client) -> None:
    served_kind(client, GATEWAY_API, "Gateway", "gateways")


def gateway(client: Client, namespace: str, class_name: str = "istio-waypoint", name: str = "waypoint") -> Object:
    """A waypoint, or another Gateway."""
    obj = {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"gatewayClassName": class_name, "listeners": []},
    }
    client.create(obj)
    return obj


def programmed(client: Client, obj: Object) -> None:
    """What istiod writes on a Gateway."""
    generation = live(client, obj)["metadata"]["generation"]
    condition = {"type": "Programmed", "status": "True", "observedGeneration": generation}
    status_of(client, obj, conditions=[condition])


def service(client: Client, namespace: str, name: str, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A Service of a user."""
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    obj = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": [{"port": 80}], **spec},
    }
    client.create(obj)
    return obj


def bind(client: Client, obj: Object, waypoint: str = "", **refused: str) -> None:
    """What istiod writes on a Service: to which waypoint it is bound, or why it is not."""
    accepted = {"reason": "WaypointAccepted", "message": f"Successfully attached to waypoint {waypoint}"}
    found = {
        "type": BOUND,
        "status": "False" if refused else "True",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        **(refused or accepted),
    }
    status_of(client, obj, conditions=[found])


def labelled(kind: str, name: str, namespace: str = "", **more: str) -> dict[str, Any]:
    """A patch that leads to the waypoint of a namespace."""
    metadata = {"name": name, "labels": {USE: "waypoint", **more}} | ({"namespace": namespace} if namespace else {})
    obj = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    return {"object": obj, "wave": 50 if kind == "Namespace" else 45, "patch": True, "manager": ENROLMENT}


def wait(client: Client, *entries: dict[str, Any], timeout: float = 1) -> dict[str, str]:
    """Wait as the engine does."""
    return wait_ready(client, [Item(**entry) for entry in entries], timeout, lambda _line: None)


def test_a_waypoint_needs_its_word_and_a_pod(client: Client, namespace: str) -> None:
    obj = gateway(client, namespace)
    entry, name = {"object": obj, "wave": 30}, f"Gateway {namespace}/waypoint"
    assert wait(client, entry) == {name: "not yet Programmed, and has no Deployment yet after 1 s"}
    programmed(client, obj)
    assert wait(client, entry) == {name: "has no Deployment yet after 1 s"}

    proxies = deployment(namespace, "waypoint", **{f"{GATEWAY_API}/gateway-name": "waypoint"})
    client.create(proxies)
    other = deployment(namespace, "other", **{f"{GATEWAY_API}/gateway-name": "another"})
    client.create(other)
    status_of(client, other, **ROLLED_OUT)
    status_of(client, proxies, replicas=1)
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    pod(client, namespace, "w-1", "waypoint", {"phase": "Pending", "containerStatuses": [container(waiting)]})
    missing = "no pod of its Deployment waypoint is available (0/1 ready) after 1 s"
    cause = "its Deployment waypoint: pod w-1: container main: ErrImagePull: not found"
    assert wait(client, entry) == {name: f"{missing}: {cause}"}

    status_of(client, obj, conditions=[])
    status_of(client, proxies, **ROLLED_OUT)
    (told,) = wait(client, entry).values()
    assert told.startswith("not yet Programmed after 1 s")
    programmed(client, obj)
    assert wait(client, entry) == {}


def test_a_pod_of_before_does_not_make_a_waypoint_ready(client: Client, namespace: str) -> None:
    obj = gateway(client, namespace)
    programmed(client, obj)
    proxies = deployment(namespace, "waypoint", **{f"{GATEWAY_API}/gateway-name": "waypoint"})
    client.create(proxies)
    entry, name = {"object": obj, "wave": 30}, f"Gateway {namespace}/waypoint"
    old = {"replicas": 2, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
    status_of(client, proxies, **old)
    assert wait(client, entry)[name].startswith("no pod of its Deployment waypoint is available (1 old pods to go)")
    status_of(client, proxies, **{**old, "availableReplicas": 2, "readyReplicas": 2})
    assert wait(client, entry) == {}, "with two of two the new one is among them"
    status_of(client, proxies, **ROLLED_OUT, observedGeneration=0)
    assert "not yet seen by its controller" in wait(client, entry)[name]


def test_a_quota_that_allows_no_waypoint_is_named(client: Client, namespace: str) -> None:
    obj = gateway(client, namespace)
    programmed(client, obj)
    proxies = deployment(namespace, "waypoint", **{f"{GATEWAY_API}/gateway-name": "waypoint"})
    client.create(proxies)
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
    status_of(client, proxies, conditions=[failure])
    event(client, obj, "Sync", "as planned")
    (told,) = wait(client, {"object": obj, "wave": 30}).values()
    assert "its Deployment waypoint: no pod can be made: exceeded quota: small" in told


def test_other_gateways_need_no_pod(client: Client, namespace: str) -> None:
    other = gateway(client, namespace, "istio", "ingress")
    programmed(client, other)
    assert wait(client, {"object": other, "wave": 40}) == {}


def test_many_waypoints_cost_one_list(client: Client, namespace: str, apiserver: ApiServer) -> None:
    entries = []
    for number in range(3):
        name = f"{namespace}-{number}"
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        obj = gateway(client, name)
        programmed(client, obj)
        proxies = deployment(name, "waypoint", **{f"{GATEWAY_API}/gateway-name": "waypoint"})
        client.create(proxies)
        status_of(client, proxies, **ROLLED_OUT)
        entries.append({"object": obj, "wave": 30})
    seen = Requests(apiserver)
    assert wait(client, *entries, timeout=20) == {}
    assert [each.resource for each in seen.new() if each.verb in ("list", "get")].count("deployments") == 1


def test_a_namespace_is_ready_when_its_services_are_bound(client: Client, namespace: str) -> None:
    name, entry = f"Namespace {namespace}", labelled("Namespace", namespace)
    assert wait(client, entry) == {}, "there is no Service"
    service(client, namespace, "outside", type="ExternalName", externalName="example.com", ports=[])
    service(client, namespace, "waypoint", {f"{GATEWAY_API}/gateway-name": "waypoint"})
    service(client, namespace, "ingress", {"gateway.istio.io/managed": "istio.io-gateway-controller"})
    service(client, namespace, "own", {USE: "other"})
    service(client, namespace, "none", {USE: "none"})
    for_workloads = service(client, namespace, "workloads")
    bind(client, for_workloads, reason="UnsupportedTrafficType", message="waypoint does not support services")
    assert wait(client, entry) == {}, "none of these follows the label"

    cart, web = (service(client, namespace, each) for each in ("cart", "web"))
    bind(client, cart, **NOT_READY)
    text = f"of 2 Services not bound to waypoint {namespace}/waypoint: "
    cart_lacks = "cart (WaypointIsNotReady: waypoint has no ready pod)"
    assert wait(client, entry) == {name: f"2 {text}{cart_lacks}, web (istiod has not reported on it) after 1 s"}
    bind(client, web, f"{namespace}/old")
    assert wait(client, entry) == {name: f"2 {text}{cart_lacks}, web (still bound to {namespace}/old) after 1 s"}
    bind(client, web, f"{namespace}/waypoint. Ingress traffic will traverse the waypoint")
    assert wait(client, entry) == {name: f"1 {text}{cart_lacks} after 1 s"}
    later = threading.Timer(1, bind, (client, cart, f"{namespace}/waypoint"))
    later.start()
    assert wait(client, entry, timeout=20) == {}
    later.join()


def test_a_label_on_a_service_waits_for_this_service(client: Client, namespace: str) -> None:
    cart = service(client, namespace, "cart")
    service(client, namespace, "web")
    entry = labelled("Service", "cart", namespace, **{"istio.io/use-waypoint-namespace": "infra"})
    name = f"Service {namespace}/cart"
    denied = {"reason": "AttachmentDenied", "message": "the listener allows the same namespace only"}
    bind(client, cart, **denied)
    text = (
        "not bound to waypoint infra/waypoint: AttachmentDenied: the listener allows the same namespace only after 1 s"
    )
    assert wait(client, entry) == {name: text}
    bind(client, cart, "infra/waypoint")
    assert wait(client, entry) == {}
    without = labelled("Service", "web", namespace)
    without["object"]["metadata"]["labels"] = {USE: "none"}
    assert wait(client, without) == {}
    both = (
        labelled("Namespace", namespace),
        labelled("Service", "cart", namespace),
        labelled("Service", "x", namespace),
    )
    missing = wait(client, *both)
    assert missing[f"Service {namespace}/x"].startswith("it does not exist")
    assert missing[name].startswith(f"not bound to waypoint {namespace}/waypoint: still bound to infra/waypoint")
    assert missing[f"Namespace {namespace}"].startswith("2 of 2 Services not bound")


def test_what_is_not_bound_stops_the_lock_down(apply: Apply, client: Client, namespace: str) -> None:
    ready_waypoint(client, namespace)
    cart = service(client, namespace, "cart")
    bind(client, cart, **NOT_READY)
    discovery = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"seen": "yes"}}}
    entries: list[dict[str, Any]] = [
        {"object": discovery, "wave": -30, "patch": True, "manager": "alauda.ambient/discovery"},
        labelled("Namespace", namespace),
        {"object": config_map(namespace, "narrow"), "wave": 70},
    ]
    stuck = apply(entries, wait_timeout=1)
    told = f"v1 Namespace {namespace}: 1 of 1 Services not bound to waypoint {namespace}/waypoint: cart (Waypoint"
    assert stuck["msg"].startswith(told) and "(and " not in stuck["msg"], "the other patch has not failed"
    assert (stuck["counts"]["changed"], stuck["counts"]["failed"], stuck["counts"]["pending"]) == (1, 1, 1)
    again = apply(entries, wait_timeout=1)
    assert again["failed_objects"][0]["reason"].startswith(f"waits for Namespace {namespace}: 1 of 1 Services")
    bind(client, cart, f"{namespace}/waypoint")
    assert apply(entries)["counts"]["created"] == 1


def test_a_service_that_follows_its_namespace_again_is_waited_for(apply: Apply, client: Client, namespace: str) -> None:
    cart = service(client, namespace, "cart")
    for name in ("waypoint", "other"):
        ready_waypoint(client, namespace, name)
    own = labelled("Service", "cart", namespace, **{USE: "other"})
    bind(client, cart, f"{namespace}/other")
    apply([own])
    apply([labelled("Namespace", namespace), own])
    narrow = {"object": config_map(namespace, "narrow"), "wave": 70}
    entries = [labelled("Namespace", namespace), narrow]
    result = apply(entries, prune=True, wait_timeout=1)
    assert f"cart (still bound to {namespace}/other)" in result["msg"]
    assert [entry["action"] for entry in result["prune"]] == ["released"]
    assert result["created"] == []
    bind(client, cart, f"{namespace}/waypoint")
    assert apply(entries, prune=True)["counts"]["created"] == 1


def test_a_patch_on_a_template_waits_for_the_roll_out(apply: Apply, client: Client, namespace: str) -> None:
    ready_waypoint(client, namespace)
    obj = deployment(namespace)
    client.create(obj)
    metadata = {"name": "web", "namespace": namespace}
    bare = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {**metadata, "labels": {"a": "b"}}}
    harmless = {"object": bare, "wave": 45, "patch": True, "manager": "alauda.ambient/discovery"}
    assert apply([harmless])["counts"]["changed"] == 1, "no pod is started anew"
    template = {"metadata": {"labels": {USE: "waypoint"}}}
    patch = {
        "object": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}},
        "wave": 45,
        "patch": True,
        "manager": ENROLMENT,
    }
    stuck = apply([harmless, patch], wait_timeout=1)
    assert "not yet seen by its controller after 1 s: there is no pod" in stuck["msg"]
    assert [entry["action"] for entry in stuck["failed_objects"]] == ["failed"]
    status_of(client, obj, **ROLLED_OUT)
    assert apply([harmless, patch])["changed"] is False


def test_an_unchanged_run_reads_each_kind_once_and_writes_nothing(
    apply: Apply, client: Client, namespace: str, apiserver: ApiServer
) -> None:
    names = [f"{namespace}-{number}" for number in range(3)]
    entries = []
    for name in names:
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        ready_waypoint(client, name)
        for each in ("cart", "web", "api"):
            bind(client, service(client, name, each), f"{name}/waypoint")
        entries += [labelled("Namespace", name), labelled("Service", "cart", name)]
    apply(entries)
    seen = Requests(apiserver)
    assert apply(entries)["changed"] is False
    requests = [each for each in seen.new() if each.verb != "watch"]
    assert [each for each in requests if each.verb not in ("get", "list")] == [], "no write, no lock"
    full = [each for each in requests if each.resource == "services" and each.verb == "list"]
    assert [each.uri.split("?")[0] for each in full] == ["/api/v1/services"]
    assert len([each for each in requests if each.resource == "services" and each.verb == "get"]) == 3, (
        "the metadata of those that are patched, as before"
    )
    without = [{**each, "object": {**each["object"], "metadata": dict(each["object"]["metadata"])}} for each in entries]
    for each in without:
        each["object"]["metadata"]["labels"] = {"istio.io/dataplane-mode": "ambient"}
    apply(without)
    seen.new()
    assert apply(without)["changed"] is False
    assert [each for each in seen.new() if each.verb == "list" and each.resource == "services"] == []


def test_a_wait_that_nothing_ends_says_what_it_waits_for(
    apply: Apply, client: Client, namespace: str, tmp_path: Any
) -> None:
    ready_waypoint(client, namespace)
    bind(client, service(client, namespace, "cart"), **NOT_READY)
    progress = tmp_path / "progress"
    start = time.monotonic()
    apply([labelled("Namespace", namespace)], wait_timeout=3, progress_file=str(progress))
    assert 3 <= time.monotonic() - start < 10
    assert f"wait for Namespace {namespace}: 1 of 1 Services not bound to waypoint" in progress.read_text()
