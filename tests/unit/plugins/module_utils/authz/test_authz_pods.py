# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that no Deployment, StatefulSet or DaemonSet makes are workloads; and what is read of a pod and of a Gateway."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.explaining import explain
from ansible_collections.alauda.ambient.plugins.module_utils.authz.parts import workload_of
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.gateways import is_waypoint
from unit.plugins.module_utils.authz.small_world import (
    ask,
    deployment,
    may,
    namespace,
    pod,
    policy,
    service,
    shop,
    waypoint,
)

BARE = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "roll-6f7", "controller": True}
HASH = {"pod-template-hash": "5d8"}


def owner(kind: str, name: str, version: str = "apps/v1") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "name": name, "controller": True}


def workloads(*pods: Any) -> list[str]:
    """Those of a namespace in which the Deployment `cart` is."""
    objects = [deployment("cart", labels={"app": "cart"}, account="cart"), *pods]
    return sorted(str(each) for each in World.of(objects, True).workloads_in["shop"])


@pytest.mark.parametrize(
    "made",
    [
        pod("cart-5d8-1", owner("ReplicaSet", "cart-5d8"), **HASH),
        pod("db-0", owner("StatefulSet", "db")),
        pod("agent-1", owner("DaemonSet", "agent")),
        pod("done-1", owner("Job", "done", "batch/v1"), "Succeeded"),
        pod("done-1", owner("Job", "done", "batch/v1"), "Failed"),
        pod("perhaps-done-1", owner("Job", "perhaps-done", "batch/v1"), ""),
        pod("lone", None, "Succeeded"),
        pod("waypoint-1", owner("ReplicaSet", "waypoint-1"), **{"gateway.networking.k8s.io/gateway-name": "waypoint"}),
    ],
    ids=lambda made: made["metadata"]["name"],
)
def test_pods_that_are_known_by_what_makes_them_do_not_count_twice_nor_those_that_have_ended(made: Any) -> None:
    assert workloads(made) == ["Deployment shop/cart"]


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (pod("roll-6f7-1", BARE), "ReplicaSet shop/roll-6f7"),
        (pod("cart-1", owner("ReplicaSet", "cart")), "ReplicaSet shop/cart"),
        (pod("cart-1", owner("ReplicaSet", "cart"), **HASH), "ReplicaSet shop/cart"),
        (pod("gone-5d8-1", owner("ReplicaSet", "gone-5d8"), **HASH), "ReplicaSet shop/gone-5d8"),
        (pod("cart-5d8-1", owner("ReplicaSet", "cart-5d8")), "ReplicaSet shop/cart-5d8"),
        (pod("x-1", owner("Rollout", "x", "argoproj.io/v1alpha1")), "Rollout shop/x"),
        (pod("x-0", owner("StatefulSet", "x", "apps.kruise.io/v1beta1")), "StatefulSet shop/x"),
        (pod("x-1", owner("Job", "x", "batch/v1")), "Job shop/x"),
        (pod("x"), "Pod shop/x"),
        (pod("x", phase=""), "Pod shop/x"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_pods_that_nothing_known_makes_are_a_workload_of_their_owner(made: Any, name: str) -> None:
    assert workloads(made) == sorted(["Deployment shop/cart", name])


def test_the_controller_is_the_owner_that_counts() -> None:
    made = pod("x-1", BARE)
    made["metadata"]["ownerReferences"].insert(0, {"apiVersion": "v1", "kind": "Node", "name": "n"})
    assert workloads(made)[1] == "ReplicaSet shop/roll-6f7"


def test_pods_that_are_alike_are_one_workload_and_others_are_told_apart() -> None:
    alike = [pod(f"roll-6f7-{at}", BARE, app="roll") for at in range(3)]
    assert workloads(*alike)[1:] == ["ReplicaSet shop/roll-6f7"]
    kafka = owner("StrimziPodSet", "kafka", "core.strimzi.io/v1")
    brokers = [pod(f"kafka-{at}", kafka, app="kafka", broker=str(at)) for at in range(2)]
    assert workloads(*brokers)[1:] == ["Pod shop/kafka-0", "Pod shop/kafka-1"]


def test_policies_at_the_pods_of_a_rollout_decide_and_its_account_is_known() -> None:
    roll = [service("roll", selector={"app": "roll"}, ports=[{"port": 80}]), pod("roll-6f7-1", BARE, app="roll")]
    world = shop(roll, policy("p", may("shop/web"), on="app=roll"))
    assert (ask(world, to="shop/roll").total.where, ask(world, to="shop/roll").verdict.value) == (
        "ztunnel of ReplicaSet shop/roll-6f7",
        "allowed",
    )
    assert ask(world, "shop/runner", "shop/roll").verdict.value == "denied"
    assert explain(world, "replicaset/shop/roll-6f7").policies == [
        "AuthorizationPolicy shop/p: ALLOW, 1 rule, at ztunnel"
    ]


def test_a_pod_of_a_job_that_runs_calls_as_what_it_is() -> None:
    job = pod("work-1", owner("Job", "work", "batch/v1"), space="out", **{"istio.io/dataplane-mode": "ambient"})
    world = shop(job, policy("p", may("out/runner"), on="app=cart"))
    assert ask(world, "out/runner").verdict.value == "allowed"


def test_named_ports_of_native_sidecars_are_read_and_those_of_containers_come_first() -> None:
    def named(name: str, port: int, **more: Any) -> dict[str, Any]:
        return {"name": "c", "ports": [{"name": name, "containerPort": port}], **more}

    made = pod("x")
    made["spec"] |= {
        "containers": [named("web", 8080), named("web", 8081)],
        "initContainers": [
            named("side", 9090, restartPolicy="Always"),
            named("web", 9091, restartPolicy="Always"),
            named("once", 7070),
        ],
    }
    made["spec"]["containers"][0]["ports"].insert(0, {"name": "web", "containerPort": 53, "protocol": "UDP"})
    assert workload_of("Pod", made).ports == {"web": 8080, "side": 9090}


def test_a_policy_about_the_port_of_a_native_sidecar_decides() -> None:
    sidecar = {"name": "proxy", "restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 9090}]}
    proxied = deployment("cart", labels={"app": "cart"}, account="cart", initContainers=[sidecar])
    to_it = service("cart", selector={"app": "cart"}, ports=[{"port": 80, "targetPort": "side"}])
    answer = ask(shop(proxied, to_it, policy("p", may(ports=["9090"]), on="app=cart")))
    assert answer.verdict.value == "allowed"


@pytest.mark.parametrize(
    ("name", "listens", "is_one"),
    [
        ("istio-waypoint", False, True),
        ("istio-agentgateway-waypoint", False, True),
        ("istio-waypoint-arm", True, True),
        ("istio-waypoint-arm", False, False),
        ("istio-east-west", True, False),
        ("istio", True, False),
        ("istio-remote", True, False),
        ("nginx", False, False),
    ],
)
def test_which_gateways_are_waypoints(name: str, listens: bool, is_one: bool) -> None:
    gateway = waypoint()
    gateway["spec"]["gatewayClassName"] = name
    if not listens:
        gateway["spec"]["listeners"] = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    assert is_waypoint(gateway) is is_one
    world = shop(namespace("shop", use_waypoint="waypoint"), gateway)
    assert ("is not there" in explain(world, "shop/cart").waypoint) is not is_one
