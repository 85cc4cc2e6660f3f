# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a live mesh, what is declared of a namespace with a waypoint is found, and missed once it is broken."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.waypoints import waypoint_items
from ansible_collections.alauda.ambient.plugins.module_utils.verify import (
    facts,
    passive_policies,
    passive_waypoints,
)
from ansible_collections.alauda.ambient.plugins.module_utils.verify.declared import Declared
from ansible_collections.alauda.ambient.plugins.module_utils.verify.live import LiveCluster
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import run as judge

pytestmark = pytest.mark.usefixtures("mesh")

CHECKOUT = Path(__file__).resolve().parents[2]
KUBECONFIG = CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test") / "kubeconfig"
STOCK_ENVOY = CHECKOUT / "tests/environment/waypoint/waypoint.yaml"
SPACE = "verify-waypoints"
MESH = parse_mesh(
    {
        "waypoints": [{"name": "waypoint", "namespace": SPACE}],
        "namespaces": [{"name": SPACE, "state": "l7", "default_deny": True}],
    }
)
CHECKS = (*passive_policies.CHECKS, *passive_waypoints.CHECKS)
BY_ZTUNNEL = {"policies-in-ztunnel", "waypoint-in-path"}
MANAGER = "verify-waypoints"

Results = dict[str, dict[str, str]]
Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def live() -> LiveCluster:
    """The cluster as verify sees it."""
    return LiveCluster(connect({"kubeconfig": str(KUBECONFIG)}))


@pytest.fixture(scope="module")
def kubectl(environment: dict[str, Any]) -> Kubectl:
    """kubectl in the namespace; an error fails the test."""

    def call(*arguments: str) -> str:
        command = [environment["kubectl"], "--kubeconfig", str(KUBECONFIG), "-n", SPACE, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
        return done.stdout

    return call


@pytest.fixture(scope="module")
def shop(live: LiveCluster, kubectl: Kubectl, images: dict[str, Any]) -> Iterator[None]:
    """A namespace as it is declared, with a server behind a waypoint; gone afterwards."""
    live.delete("v1", "Namespace", SPACE)
    until(lambda: live.get("v1", "Namespace", SPACE) is None, "the namespace of an earlier run is gone")
    try:
        for obj in [*server(images["echo"]["ref"]), *stock_envoy(images)]:
            live.apply(obj, "somebody")
        for item in [*waypoint_items(MESH), *namespace_items(MESH, [])]:
            live.apply(item.object, MANAGER)
        until(lambda: not broken(live), "what is declared stands")
        yield
    finally:
        live.delete("gateway.networking.k8s.io/v1", "Gateway", "waypoint", SPACE)
        kubectl("delete", "pods", "--all", "--grace-period=0", "--force", "--ignore-not-found")
        kubectl("delete", "namespace", SPACE, "--wait", "--ignore-not-found")


def server(image: str) -> Iterator[dict[str, Any]]:
    meta = {"name": "server", "namespace": SPACE}
    container = {"name": "echo", "image": image, "command": ["/usr/local/bin/server"], "args": ["--port", "8080"]}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**meta, "labels": {"app": "server"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    spec = {"selector": {"app": "server"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def stock_envoy(images: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the Envoy of an image that was built here needs."""
    if images["proxyv2"]["source"] == "built":
        for obj in yaml.safe_load(STOCK_ENVOY.read_text())["items"]:
            if obj["kind"] != "Gateway":
                yield {**obj, "metadata": {**obj["metadata"], "namespace": SPACE}}


def read(live: LiveCluster) -> Results:
    """The verifications of what is declared, looked at once."""
    found = facts.gather(live, Declared.of(MESH))
    return {item.id: item.as_dict() for item in judge(CHECKS, found)}


def broken(live: LiveCluster) -> set[str]:
    """What does not pass, but for what only a real ztunnel can show."""
    stand_in = bool(facts.stand_in(live, facts.daemon(live, *facts.ZTUNNEL).pods).value)
    left_out = BY_ZTUNNEL if stand_in else set()
    return {name for name, item in read(live).items() if item["result"] != "pass" and name not in left_out}


def until(so: Callable[[], bool], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, f"after {seconds} s still not so: {what}"
        time.sleep(0.5)


def missed(live: LiveCluster, name: str, evidence: str) -> None:
    """The verification of this name fails, and says why."""

    def is_missed() -> bool:
        found = read(live)[name]
        return found["result"] == "fail" and evidence in found["evidence"]

    until(is_missed, f"{name} fails with {evidence}: {read(live)[name]}", 30)


def policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": name, "namespace": SPACE}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}


def test_what_is_declared_is_found(live: LiveCluster, shop: None) -> None:
    assert broken(live) == set()
    assert read(live)["services-bound"]["evidence"] == "1 Service bound"


def test_with_the_stand_in_ztunnels_part_is_not_proven(live: LiveCluster, shop: None) -> None:
    if not facts.stand_in(live, facts.daemon(live, *facts.ZTUNNEL).pods).value:
        pytest.skip("a real ztunnel carries the traffic here: it is proven above")
    results = read(live)
    assert {results[name]["result"] for name in BY_ZTUNNEL} == {"not-proven"}
    assert all("stand-in carries the traffic" in results[name]["evidence"] for name in BY_ZTUNNEL)


def test_strict_and_policies_taken_away(live: LiveCluster, shop: None) -> None:
    api = "security.istio.io/v1"
    ours = [
        item.object
        for item in namespace_items(MESH, [])
        if item.object["kind"] in ("PeerAuthentication", "AuthorizationPolicy")
    ]
    for obj in ours:
        live.delete(api, obj["kind"], obj["metadata"]["name"], SPACE)
    results = read(live)
    for obj in ours:
        live.apply(obj, MANAGER)
    assert results["mtls-strict"]["evidence"] == f"{SPACE}: there is no PeerAuthentication ambient-strict"
    assert "no AuthorizationPolicy ambient-default-deny, there is no" in results["default-deny"]["evidence"]
    assert results["lock-down"]["evidence"] == f"{SPACE}: pod server has no AuthorizationPolicy ambient-only-waypoint-*"
    until(lambda: not broken(live), "what is declared stands again")


def test_policies_that_istiod_does_not_take(live: LiveCluster, shop: None) -> None:
    target = {"targetRefs": [{"group": "", "kind": "Service", "name": "nowhere"}]}
    methods = {"selector": {"matchLabels": {"app": "server"}}, "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}
    for name, spec in (("lost", target), ("too-high", methods)):
        live.apply(policy(name, spec), MANAGER)
    missed(live, "policies-accepted", "AuthorizationPolicy lost: WaypointAccepted is False, TargetNotFound")
    missed(live, "policies-accepted", "AuthorizationPolicy too-high: ZtunnelAccepted with reserve, UnsupportedValue")
    for name in ("lost", "too-high"):
        live.delete("security.istio.io/v1", "AuthorizationPolicy", name, SPACE)
    until(lambda: not broken(live), "what is declared stands again")


def test_a_service_with_a_label_of_its_own(live: LiveCluster, kubectl: Kubectl, shop: None) -> None:
    kubectl("label", "service", "server", "istio.io/use-waypoint=none")
    missed(
        live, "services-bound", "Service server is bound to no waypoint (its own label says istio.io/use-waypoint: none"
    )
    kubectl("label", "service", "server", "istio.io/use-waypoint=another", "--overwrite")
    missed(live, "services-bound", f"Service server is not bound to {SPACE}/waypoint, ")
    kubectl("label", "service", "server", "istio.io/use-waypoint-")
    until(lambda: not broken(live), "what is declared stands again")


def test_a_waypoint_without_pods(live: LiveCluster, kubectl: Kubectl, shop: None) -> None:
    kubectl("scale", "deployment", "waypoint", "--replicas=0")
    missed(live, "waypoints-ready", f"{SPACE}: waypoint waypoint has no ready pod of ")
    kubectl("scale", "deployment", "waypoint", "--replicas=1")
    until(lambda: not broken(live), "what is declared stands again")
