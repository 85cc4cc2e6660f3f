# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waypoints for a Service, a service account, workloads and another namespace, each change under traffic.

The requests are routed by the test client, which follows istiod's workload xDS: the ztunnel of the cluster may be the
stand-in, which does not route through waypoints. The tests build on each other, as the changes do. The client tries
again what is lost where a label moves, as callers do (docs/adoption.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from routing import ApiWatch, Loop, RoutingClient, Totals, application, order, stock_envoy
from routing.plays import Run, play

DIRECTORY = Path(__file__).resolve().parents[3] / os.environ.get("AMBIENT_DIR", "build/test")
RETRIES = 4  # as callers have them, within 1.5 s; how many it took is printed, and bounded
FEW = 20  # tries lost in one change
IMAGES = json.loads((DIRECTORY / "images.json").read_text())
APP, EDGE = "waypoints-app", "waypoints-edge"
CART, STOCK = (f"http://{name}.{APP}/" for name in ("cart", "stock"))
MAIN = {
    "name": "main",
    "namespace": APP,
    "autoscaling": {"min": 1, "max": 2, "cpu": 70},
    "disruption_budget": {"min_available": 1},
    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    "spread": ["kubernetes.io/hostname"],
}
PODS = {"name": "pods", "namespace": APP, "for": "workload", "lock_down": False}
SHARED = {"name": "shared", "namespace": EDGE, "allowed_namespaces": {"kubernetes.io/metadata.name": APP}}


@pytest.fixture(scope="module")
def client() -> Iterator[RoutingClient]:
    with RoutingClient(DIRECTORY) as started:
        yield started


@pytest.fixture(scope="module", autouse=True)
def seen(client: RoutingClient) -> Iterator[ApiWatch]:
    for namespace in (APP, EDGE):
        application.remove(client.kubectl, namespace)
    try:
        with ApiWatch(client.kubectl, [APP, EDGE]) as watch:
            application.deploy(client.kubectl, IMAGES["echo"]["ref"], APP)
            edge = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": EDGE}}
            client.kubectl.apply(edge, manager="developer")
            for waypoint in (MAIN, PODS, SHARED):
                stock_envoy.apply(client.kubectl, str(waypoint["name"]), str(waypoint["namespace"]))
            yield watch
    finally:
        for namespace in (APP, EDGE):
            application.remove(client.kubectl, namespace)


@pytest.fixture(scope="module")
def loop(client: RoutingClient) -> Loop:
    return client.loop("waypoints", CART, STOCK, rate=20, retries=RETRIES)


def site(waypoints: list[Any], namespace: Mapping[str, Any], *, fails: bool = False, **more: Any) -> Run:
    entries = [{"name": APP, **namespace}, {"name": EDGE, "state": "l4"}]
    mesh = {"waypoints": waypoints, "namespaces": entries}
    return play(DIRECTORY, "site.yml", {"ambient_mesh": mesh, **more}, fails=fails)


def ways(client: RoutingClient, cart: str, stock: str, **options: Any) -> None:
    """Wait until the requests to both Services go through these waypoints; "" is directly."""
    for target, waypoint in ((CART, cart), (STOCK, stock)):
        client.until(target, lambda answer, via=waypoint: answer.status == 200 and answer.via == via, **options)


def unharmed(loop: Loop, start: Totals, what: str) -> None:
    total = loop.totals().since(start)
    print(f"routing by the test client, {what}: {total}")
    assert total.failed == 0, total
    assert total.repeated.total() <= FEW, total


def get(client: RoutingClient, *what: str) -> Any:
    return json.loads(client.kubectl.run("get", *what, f"--namespace={APP}", "--output=json"))


def lock_downs(client: RoutingClient) -> list[tuple[Any, Any]]:
    """The selectors and the waypoints of the lock-downs in the namespace."""
    items = get(client, "authorizationpolicies")["items"]
    specs = [item["spec"] for item in items if item["metadata"]["name"].startswith(order.ONLY)]
    found = [(s.get("selector"), s["rules"][0]["from"][0]["source"]["notPrincipals"]) for s in specs]
    return sorted(found, key=str)


def users(client: RoutingClient) -> dict[str, Any]:
    """The generations and labels of what does not come from a waypoint, which its autoscaler may change."""
    items = get(client, "services,deployments,authorizationpolicies")["items"]
    metadata = [item["metadata"] for item in items]
    return {
        found["uid"]: (found.get("generation"), found.get("labels"))
        for found in metadata
        if "gateway.networking.k8s.io/gateway-name" not in (found.get("labels") or {})
    }


def principal(waypoint: Mapping[str, Any]) -> str:
    return f"cluster.local/ns/{waypoint['namespace']}/sa/{waypoint['name']}"


def test_one_service(client: RoutingClient, loop: Loop) -> None:
    start = loop.totals()
    run = site([MAIN], {"state": "l4", "services": [{"name": "cart", "waypoint": "main"}]})
    ways(client, f"{APP}/main", "")

    unharmed(loop, start, "a waypoint for a Service")
    assert f"Service {APP}/cart is called through waypoint {APP}/main" in run.output
    assert lock_downs(client) == [({"matchLabels": {"app": "cart"}}, [principal(MAIN)])]


def test_the_waypoint_has_its_sizes(client: RoutingClient) -> None:
    scaler = get(client, "horizontalpodautoscaler", "main")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 2)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    assert get(client, "poddisruptionbudget", "main")["spec"]["minAvailable"] == 1
    pod = get(client, "deployment", "main")["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "256Mi"
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "50m", "memory": "64Mi"}
    assert [each["topologyKey"] for each in pod["topologySpreadConstraints"]] == ["kubernetes.io/hostname"]


def test_what_cannot_be_bound_is_refused_and_nothing_changes(client: RoutingClient) -> None:
    """A workload of a Helm release, a Service that leads to pods of two accounts, one past the waypoint."""
    client.kubectl.run(
        *("annotate", "deployment", "cart", f"--namespace={APP}", "meta.helm.sh/release-name=basket", "--overwrite")
    )
    before = users(client)
    accounts = [{"name": "cart", "waypoint": "pods"}, {"name": "stok", "waypoint": "main"}]
    run = site([MAIN, PODS], {"state": "l4", "service_accounts": accounts}, fails=True)
    one = site([MAIN], {"state": "l4", "services": [{"name": "stock", "waypoint": "main"}]}, fails=True)
    after = users(client)
    client.kubectl.run("annotate", "deployment", "cart", f"--namespace={APP}", "meta.helm.sh/release-name-")

    assert "2 errors in ambient_mesh" in run.error
    assert "service_accounts[0]: Deployment waypoints-app/cart belongs to Helm release basket" in run.output
    assert "service_accounts[1].name: nothing in waypoints-app runs as service account stok" in run.output
    assert "Service waypoints-app/stock-pods leads to pods behind waypoint waypoints-app/main, too" in one.output
    assert after == before


def test_a_service_account(client: RoutingClient, loop: Loop) -> None:
    start = loop.totals()
    run = site([MAIN], {"state": "l4", "service_accounts": [{"name": "stock", "waypoint": "main"}]})
    ways(client, "", f"{APP}/main")

    unharmed(loop, start, "from a Service to a service account")
    assert f"Service {APP}/cart is called directly again" in run.output
    assert f"Service {APP}/stock-pods is called through waypoint {APP}/main" in run.output
    assert lock_downs(client) == [({"matchLabels": {"app": "stock"}}, [principal(MAIN)])]


def test_workloads_of_a_service_account(client: RoutingClient, loop: Loop) -> None:
    start = loop.totals()
    run = site([MAIN, PODS], {"state": "l4", "service_accounts": [{"name": "cart", "waypoint": "pods"}]})
    client.until(CART, lambda answer: answer.via == f"{APP}/pods", mode="pod-ip")
    ways(client, "", "")

    unharmed(loop, start, "from Services to pods, one roll-out")
    assert f"Deployment {APP}/cart is called through waypoint {APP}/pods; its pods are replaced" in run.output
    assert f"NOT LOCKED DOWN: pods behind waypoint {APP}/pods" in run.output
    assert lock_downs(client) == []


def test_a_waypoint_of_another_namespace(client: RoutingClient, loop: Loop) -> None:
    start = loop.totals()
    site([MAIN, SHARED], {"state": "l7", "waypoint": f"{EDGE}/shared"})
    ways(client, f"{EDGE}/shared", f"{EDGE}/shared")

    unharmed(loop, start, "to a waypoint of another namespace")
    assert lock_downs(client) == [(None, [principal(SHARED)])]


def test_removal(client: RoutingClient, loop: Loop) -> None:
    """All waypoints leave the declaration at once, with prune: traffic goes first."""
    start = loop.totals()
    site([], {"state": "l4"}, ambient_prune=True)
    ways(client, "", "")

    unharmed(loop, start, "all waypoints go")
    assert loop.stop().failed == 0
    for namespace in (APP, EDGE):
        left = client.kubectl.run("get", "gateways,deployments", f"--namespace={namespace}", "--output=name").split()
        assert [name for name in left if not name.endswith(("/cart", "/stock"))] == []
    assert get(client, "authorizationpolicies")["items"] == []


def test_the_order_was_seen(seen: ApiWatch) -> None:
    events = seen.events()

    assert order.named_before_ready(events) == []
    assert order.deleted_while_named(events) == []
    assert order.locked_without_traffic(events) == []
    assert {event.name for event in order.changes(events, "Gateway", "", "DELETED")} == {"main", "pods", "shared"}
