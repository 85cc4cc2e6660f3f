# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routing by the test client, on a real istiod and a real Envoy waypoint: each step changes the way of the requests.

The labels are set by hand here; the scenarios of molecule show the same of the collection. The tests build on each
other, as the steps do.

What a change costs is printed. It is not always nothing: istiod sends a changed binding to the ztunnels and to the
waypoint in one push and in no order, and takes the Service's clusters from the waypoint at once, so that what is in a
waypoint at that moment is cut or answered with 503; and istio-cni puts a pod's rules in place before its ztunnel
listens. Both last milliseconds, longer on a machine that has too much to do. So a few requests at the moment of the
change are let pass, of these reasons and no other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from routing import ApiWatch, RoutingClient, Totals, application, order, stock_envoy

DIRECTORY = Path(__file__).resolve().parents[2] / os.environ.get("AMBIENT_DIR", "build/test")
NAMESPACE = "routing-app"
CART, STOCK, PODS = (f"http://{name}.{NAMESPACE}" for name in ("cart", "stock", "stock-pods"))
AT_THE_CHANGE = 5  # requests, of some hundred
WAYPOINT = f"{NAMESPACE}/waypoint"
READ_ONLY = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "cart-is-read-only", "namespace": NAMESPACE},
    "spec": {
        "targetRefs": [{"kind": "Service", "group": "", "name": "cart"}],
        "action": "ALLOW",
        "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}],
    },
}


@pytest.fixture(scope="module")
def client(mesh: None, environment: dict[str, Any]) -> Iterator[RoutingClient]:
    """The test client."""
    if not environment["source"].startswith("kind"):
        pytest.skip(f"the cluster's source is {environment['source']}: the test client is loaded onto kind nodes only")
    with RoutingClient(DIRECTORY) as started:
        yield started


@pytest.fixture(scope="module", autouse=True)
def seen(client: RoutingClient, images: dict[str, Any]) -> Iterator[ApiWatch]:
    """The application, not enrolled, and what is seen of its namespace until the end."""
    application.remove(client.kubectl, NAMESPACE)
    try:
        with ApiWatch(client.kubectl, [NAMESPACE]) as watch:
            application.deploy(client.kubectl, images["echo"]["ref"], NAMESPACE)
            yield watch
    finally:
        application.remove(client.kubectl, NAMESPACE)


def label(client: RoutingClient, *labels: str) -> None:
    client.kubectl.run("label", "namespace", NAMESPACE, "--overwrite", *labels)


def in_namespace(client: RoutingClient, *words: str) -> str:
    return client.kubectl.run(*words, f"--namespace={NAMESPACE}", timeout=130)


def look_at(what: str, total: Totals, *reasons: str) -> None:
    """Print what a change has cost; fail if it was more than what is cut at the moment of the change."""
    print(f"routing by the test client, {what}: {total}")
    assert set(total.reasons) <= set(reasons), total
    assert total.failed <= AT_THE_CHANGE and len(total.failed_by_second) <= 2, total


def test_before_enrolment_all_is_plain(client: RoutingClient) -> None:
    for target in (f"{CART}/", f"{CART}:9090/", f"{STOCK}/"):
        answer = client.once(target)
        assert (answer.status, answer.route, answer.error) == (200, "plain", "")
    assert client.once(f"{PODS}:8080/").hostname.startswith("stock-")


def test_enrolment_under_a_loop(client: RoutingClient) -> None:
    loop = client.loop("enrol", f"{CART}/", f"{CART}:9090/", f"{STOCK}/")
    label(client, "istio.io/dataplane-mode=ambient")
    client.until(f"{CART}/", lambda answer: answer.route == "direct hbone")
    client.until(f"{PODS}:8080/", lambda answer: answer.route == "direct hbone", mode="headless")
    client.until(f"{STOCK}/", lambda answer: answer.route == "direct hbone", mode="pod-ip")
    total = loop.stop()
    look_at("enrolment", total, "timeout", "connection refused", "connection cut")
    assert set(total.routes) == {"plain", "direct hbone"}


def test_callers_outside_the_mesh_are_plain(client: RoutingClient) -> None:
    answer = client.once(f"{CART}/", plaintext=True)
    assert (answer.status, answer.route) == (200, "plain")


def test_waypoint_under_a_loop(client: RoutingClient) -> None:
    stock_envoy.apply(client.kubectl, "waypoint", NAMESPACE)
    client.kubectl.apply(stock_envoy.gateway("waypoint", NAMESPACE), manager="developer")
    in_namespace(client, "wait", "--for=condition=Programmed", "gateway/waypoint", "--timeout=120s")
    in_namespace(client, "rollout", "status", "deployment/waypoint", "--timeout=120s")
    loop = client.loop("waypoint", f"{CART}/", f"{STOCK}/")
    label(client, "istio.io/use-waypoint=waypoint")
    for target in (CART, STOCK):
        client.until(f"{target}/", lambda answer: answer.via == WAYPOINT and answer.status == 200)
    total = loop.stop()
    look_at("a waypoint comes", total, "tunnel cut", "status 503")
    assert set(total.routes) == {"direct hbone", f"via waypoint {WAYPOINT}"}


def test_layer_7(client: RoutingClient) -> None:
    client.kubectl.apply(READ_ONLY, manager="developer")
    client.until(f"{CART}/", lambda answer: answer.status == 403, method="POST")
    for method, target, status in (("GET", CART, 200), ("POST", CART, 403), ("POST", STOCK, 200)):
        answer = client.once(f"{target}/", method=method)
        assert (answer.status, answer.via) == (status, WAYPOINT), (method, target, answer)


@pytest.mark.parametrize(
    ("target", "options"),
    [(f"{CART}/", {"mode": "pod-ip"}), (f"{PODS}:8080/", {"mode": "headless"}), (f"{CART}/", {"plaintext": True})],
)
def test_what_goes_past_the_waypoint_is_seen(client: RoutingClient, target: str, options: dict[str, Any]) -> None:
    """Nothing is locked down here: the ways past the waypoint are open, which the client tells."""
    answer = client.once(target, method="POST", **options)
    assert (answer.status, answer.via) == (200, "")


def test_a_waypoint_without_pods_is_not_passed_over(client: RoutingClient) -> None:
    in_namespace(client, "scale", "deployment/waypoint", "--replicas=0")
    answer = client.until(f"{STOCK}/", lambda answer: "no healthy upstream" in answer.error)
    assert answer.status == 0
    in_namespace(client, "scale", "deployment/waypoint", "--replicas=1")
    in_namespace(client, "rollout", "status", "deployment/waypoint", "--timeout=120s")
    client.until(f"{STOCK}/", lambda answer: answer.via == WAYPOINT and answer.status == 200)


def test_removal_under_a_loop(client: RoutingClient) -> None:
    loop = client.loop("removal", f"{CART}/", f"{STOCK}/")
    label(client, "istio.io/use-waypoint-")
    for target in (CART, STOCK):
        client.until(f"{target}/", lambda answer: answer.route == "direct hbone")
    in_namespace(client, "delete", "gateway", "waypoint", "--wait")
    time.sleep(2)  # so that the last second that the loop tells of is after that
    total = loop.stop()
    look_at("a waypoint goes", total, "tunnel cut", "status 503")
    assert set(total.routes) == {"direct hbone", f"via waypoint {WAYPOINT}"}
    assert loop.seconds()[-1]["now"]["routes"].keys() == {"direct hbone"}


def test_the_order_was_seen(seen: ApiWatch) -> None:
    events = seen.events()
    assert order.named_before_ready(events) == []
    assert order.deleted_while_named(events) == []
    ready = order.when(events, lambda state: state.programmed(WAYPOINT) and state.ready_endpoints(WAYPOINT) > 0)
    named = order.when(events, lambda state: any(waypoint == WAYPOINT for _key, waypoint in state.bindings()))
    (gone,) = order.changes(events, "Gateway", "waypoint", "DELETED")
    assert ready and named and ready < named < gone
