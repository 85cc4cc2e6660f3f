# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From off to l7 and back, one site.yml for each step, while requests run.

The requests are routed by the test client, which follows istiod's workload xDS: the ztunnel of the cluster may be the
stand-in, which does not route through waypoints and refuses nobody. The steps build on each other.

A single try may be lost where a label moves: istio-cni sets a pod's rules before its ztunnel listens, and istiod tells
clients and waypoint of a change at once, in no order (docs/adoption.md). So the client tries again, as callers do.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.checks.run import Request, examine
from ansible_collections.alauda.ambient.plugins.modules import check
from routing import ApiWatch, Loop, RoutingClient, application, order, stock_envoy
from routing.plays import play

CHECKOUT = Path(__file__).resolve().parents[3]
DIRECTORY = CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test")
RETRIES = 4  # as callers have them, within 1.5 s; how many it took is printed, and bounded
FEW, MANY = 20, 150  # tries lost in one step; on the way out callers speak HBONE until istiod tells them not to
IMAGES = json.loads((DIRECTORY / "images.json").read_text())
APP = "adoption-app"
CART, STOCK = (f"http://{name}.{APP}/" for name in ("cart", "stock"))
WAYPOINT = f"{APP}/waypoint"
SKEWED = f"Deployment {APP}/waypoint"
DECLARED = {"name": "waypoint", "namespace": APP}
READ_ONLY = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "cart-is-read-only", "namespace": APP},
    "spec": {
        "targetRefs": [{"kind": "Service", "group": "", "name": "cart"}],
        "action": "ALLOW",
        "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}],
    },
}
#: state, what is declared beside it, the words that the plan has for people, and the way of the requests afterwards
STEPS = [
    ("l4", [], ["namespace adoption-app joins the mesh"], "direct hbone"),
    ("l4-strict", [], ["refuses plain text", "plain-text callers of"], "direct hbone"),
    ("l7", [DECLARED], [f"called through waypoint {WAYPOINT}", "take calls from"], f"via waypoint {WAYPOINT}"),
    ("l4-strict", [DECLARED], ["called directly again", "no longer locked down to"], "direct hbone"),
    ("l4", [], ["accepts plain text again"], "direct hbone"),
    ("off", [], ["namespace adoption-app leaves the mesh"], "plain"),
]


def declared(tmp_path: Path, state: str, waypoints: list[Any], **more: Any) -> dict[str, Any]:
    manifests = tmp_path / "policy.yaml"
    manifests.write_text(yaml.safe_dump(READ_ONLY))
    return {
        "ambient_mesh": {"waypoints": waypoints, "namespaces": [{"name": APP, "state": state}]},
        "ambient_manifests": [str(manifests)] if state == "l7" else [],
        **more,
    }


@pytest.fixture(scope="module")
def client() -> Iterator[RoutingClient]:
    with RoutingClient(DIRECTORY) as started:
        yield started


@pytest.fixture(scope="module", autouse=True)
def seen(client: RoutingClient) -> Iterator[ApiWatch]:
    application.remove(client.kubectl, APP)
    try:
        with ApiWatch(client.kubectl, [APP]) as watch:
            application.deploy(client.kubectl, IMAGES["echo"]["ref"], APP)
            stock_envoy.apply(client.kubectl, "waypoint", APP)
            yield watch
    finally:
        application.remove(client.kubectl, APP)


@pytest.fixture(scope="module")
def before(client: RoutingClient, seen: ApiWatch) -> dict[str, str]:
    return uids(client)


@pytest.fixture(scope="module")
def loop(client: RoutingClient, before: dict[str, str]) -> Loop:
    return client.loop("adoption", CART, STOCK, rate=20, retries=RETRIES)


def uids(client: RoutingClient) -> dict[str, str]:
    """The UIDs of what the user has made, and of the pods: none is restarted."""
    text = client.kubectl.run("get", "pods,services,deployments", f"--namespace={APP}", "--output=json")
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["uid"]
        for item in json.loads(text)["items"]
        if "gateway.networking.k8s.io/gateway-name" not in (item["metadata"].get("labels") or {})
    }


def labels_of(client: RoutingClient, *what: str) -> dict[str, str]:
    found = json.loads(client.kubectl.run("get", *what, "--output=json"))
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    return labels


def mesh_errors() -> list[str]:
    """What the checks of a mesh hold against it, without what is true of the waypoint of these tests alone."""
    options = {option: spec.get("default") for option, spec in check.SPEC.items()} | {"phase": ["mesh"]}
    report = examine(Request.of(options), {"kubeconfig": str(DIRECTORY / "kubeconfig")}).result
    found = [finding for finding in report["findings"] if finding["severity"] == "error"]
    known = [finding for finding in found if (finding["code"], finding["object"]) == ("AMB0504", SKEWED)]
    for finding in known:
        print(f"left out, because the agent of the tests' waypoint says that it is 1.29: AMB0504 {finding['message']}")
    return [f"{finding['code']} {finding['object']}" for finding in found if finding not in known]


def test_a_check_says_what_would_come_and_does_nothing(client: RoutingClient, before: Any, tmp_path: Path) -> None:
    run = play(DIRECTORY, "site.yml", declared(tmp_path, "l4-strict", []), "--check")

    assert f"namespace {APP} joins the mesh" in run.output
    assert f"namespace {APP} refuses plain text" in run.output
    assert re.search(rf"plain-text callers of (namespace )?{APP} will be refused", run.output)
    assert "istio.io/dataplane-mode" not in labels_of(client, "namespace", APP)


def take_step(client: RoutingClient, loop: Loop, tmp_path: Path, step: tuple[str, list[Any], list[str], str]) -> None:
    state, waypoints, words, way = step
    start = loop.totals()
    # A waypoint that is no longer declared goes only on request; here in the step after it lost its traffic.
    run = play(DIRECTORY, "site.yml", declared(tmp_path, state, waypoints, ambient_prune=state == "l4"))
    for target in (CART, STOCK):
        client.until(target, lambda answer: answer.route == way and answer.status == 200)

    total = loop.totals().since(start)
    print(f"routing by the test client, to {state}: {total}")
    assert total.failed == 0, total
    assert total.repeated.total() <= (MANY if state == "off" else FEW), total
    for text in words:
        assert text in run.output
    if state == "l7":
        client.until(CART, lambda answer: answer.status == 403, method="POST")
        for method, target, status in (("GET", CART, 200), ("POST", CART, 403), ("POST", STOCK, 200)):
            answer = client.once(target, method=method)
            assert (answer.status, answer.via) == (status, WAYPOINT), (method, target, answer)
        assert mesh_errors() == []
        again = play(DIRECTORY, "site.yml", declared(tmp_path, state, waypoints))
        assert again.changed == 0, again.output


@pytest.mark.parametrize("step", STEPS[:2], ids=lambda step: step[0])
def test_step_without_waypoint(client: RoutingClient, loop: Loop, tmp_path: Path, step: Any) -> None:
    take_step(client, loop, tmp_path, step)


def test_no_request_is_moved_to_a_waypoint_that_does_not_answer(
    client: RoutingClient, loop: Loop, tmp_path: Path
) -> None:
    """A run has made the waypoint, its pods are gone since: to the next run its Gateway is unchanged.

    Then the waypoint is mended, and the next step runs while its pod still starts.
    """
    play(DIRECTORY, "site.yml", declared(tmp_path, "l4-strict", [DECLARED]))
    client.kubectl.run("scale", "deployment", "waypoint", f"--namespace={APP}", "--replicas=0")
    start = loop.totals()
    run = play(DIRECTORY, "site.yml", declared(tmp_path, "l7", [DECLARED]), fails=True)

    assert f"waypoint {WAYPOINT} is not ready: Deployment {WAYPOINT} is scaled to 0" in run.error
    assert "They are as they were before" in run.error
    alone = [{"hosts": "all", "gather_facts": False, "roles": ["alauda.ambient.namespaces"]}]
    (tmp_path / "role.yml").write_text(yaml.safe_dump(alone))
    role = os.path.relpath(tmp_path / "role.yml", CHECKOUT / "playbooks")
    assert (
        f"Deployment {WAYPOINT} is scaled to 0"
        in play(DIRECTORY, role, declared(tmp_path, "l7", [DECLARED]), fails=True).error
    )
    assert labels_of(client, "namespace", APP).get("istio.io/use-waypoint") is None
    total = loop.totals().since(start)
    print(f"routing by the test client, to a waypoint that does not answer: {total}")
    assert total.failed == 0, total
    assert total.repeated.total() <= FEW, total
    client.kubectl.run("scale", "deployment", "waypoint", f"--namespace={APP}", "--replicas=1")


@pytest.mark.parametrize("step", STEPS[2:], ids=lambda step: step[0])
def test_step_to_the_waypoint_and_back(client: RoutingClient, loop: Loop, tmp_path: Path, step: Any) -> None:
    take_step(client, loop, tmp_path, step)


def test_nothing_of_it_is_left(client: RoutingClient, loop: Loop, before: dict[str, str]) -> None:
    total = loop.stop()

    print(f"routing by the test client, all steps: {total}")
    assert total.failed == 0, total
    assert uids(client) == before
    assert labels_of(client, "namespace", APP) == {"kubernetes.io/metadata.name": APP}
    kinds = "gateways,authorizationpolicies,peerauthentications"
    left = client.kubectl.run("get", kinds, f"--namespace={APP}", "--output=name").split()
    assert [name for name in left if not name.endswith("/cart-is-read-only")] == []


def test_the_order_was_seen(seen: ApiWatch) -> None:
    events = seen.events()

    assert order.named_before_ready(events) == []
    assert order.deleted_while_named(events) == []
    assert order.locked_without_traffic(events) == []
    assert order.changes(events, "AuthorizationPolicy", order.ONLY, "ADDED", "DELETED"), "a lock-down came and went"


@pytest.fixture
def three(client: RoutingClient) -> Iterator[list[str]]:
    """Three namespaces, where the second has a policy of its user's that weakens what will be declared."""
    names = [f"adoption-{word}" for word in ("first", "second", "third")]
    weaker = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "older", "namespace": names[1]},
        "spec": {"mtls": {"mode": "PERMISSIVE"}},
    }
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    try:
        client.kubectl.apply({"apiVersion": "v1", "kind": "List", "items": spaces}, manager="developer")
        client.kubectl.apply(weaker, manager="developer")
        yield names
    finally:
        client.kubectl.run("delete", "namespace", *names, "--ignore-not-found", "--wait", timeout=120)


def test_a_batch_that_does_not_stand_is_taken_back_and_ends_the_run(client: RoutingClient, three: list[str]) -> None:
    variables = {
        "ambient_mesh": {"namespaces": [{"name": name, "state": "l4-strict"} for name in three]},
        "ambient_adoption_batch": 1,
        "verify_settle": 2,
    }
    run = play(DIRECTORY, "site.yml", variables, fails=True)

    assert f"{three[1]}: " in run.error
    assert "They are as they were before" in run.error
    modes = [labels_of(client, "namespace", name).get("istio.io/dataplane-mode") for name in three]
    assert modes == ["ambient", None, None]
    policies = client.kubectl.run("get", "peerauthentications", "--all-namespaces", "--output=name").split()
    assert sum(name.endswith("/ambient-strict") for name in policies) == 1
