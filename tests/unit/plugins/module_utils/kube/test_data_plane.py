# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What istiod, waypoints, istio-cni and ztunnel lack, and whether waiting helps."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.data_plane import (
    NOTHING,
    Lack,
    Patience,
    istiod,
    nodes,
    waypoint,
)

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
SLICE = {"endpoints": [{"conditions": {"ready": True}}]}
NO_SLICE = {"endpoints": [{"conditions": {"ready": False}}]}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
PULLING = {"containerStatuses": [{"name": "proxy", "state": {"waiting": {"reason": "ErrImagePull"}}}]}
STARTING = {"containerStatuses": [{"name": "proxy", "state": {"waiting": {"reason": "ContainerCreating"}}}]}


def deployment(name: str = "waypoint", ready: int = 1, replicas: int | None = 1, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}}
    if replicas is not None:
        spec["replicas"] = replicas
    wanted = 1 if replicas is None else replicas
    status = {"replicas": wanted, "updatedReplicas": wanted, "availableReplicas": ready, "observedGeneration": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "generation": 1},
        "spec": spec,
        "status": {**status, **more},
    }


def pod(name: str, status: dict[str, Any], app: str = "waypoint", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "labels": {"app": app}, **more.pop("metadata", {})}
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": "one", **more}, "status": status}


def gateway(programmed: str = "True", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "waypoint", "namespace": "shop"},
        "spec": {"gatewayClassName": "istio-waypoint", **spec},
        "status": {"conditions": [{"type": "Programmed", "status": programmed, "message": "no address"}]},
    }


def test_a_waypoint_that_takes_calls_lacks_nothing() -> None:
    assert waypoint("shop/waypoint", gateway(), [deployment()], [pod("w", READY)], [SLICE]) == NOTHING


@pytest.mark.parametrize(
    ("found", "deployments", "pods", "slices", "text", "patience"),
    [
        (None, [], [], [], "waypoint shop/waypoint does not exist: there is no such Gateway", Patience.NONE),
        (gateway(), [], [], [], "waypoint shop/waypoint has no Deployment", Patience.MOMENT),
        (
            gateway(),
            [deployment(ready=0, replicas=0)],
            [],
            [],
            "waypoint shop/waypoint is not ready: Deployment shop/waypoint is scaled to 0",
            Patience.NONE,
        ),
        (
            gateway(),
            [deployment(ready=0)],
            [pod("w-1", PULLING)],
            [],
            "waypoint shop/waypoint is not ready: Deployment shop/waypoint: 0/1 ready: pod w-1: container proxy: "
            "ErrImagePull",
            Patience.NONE,
        ),
        (
            gateway(),
            [deployment(ready=0)],
            [pod("w-1", STARTING)],
            [],
            "waypoint shop/waypoint is not ready: Deployment shop/waypoint: 0/1 ready",
            Patience.ROLLING,
        ),
        (
            gateway("False"),
            [deployment()],
            [],
            [SLICE],
            "waypoint shop/waypoint is not Programmed: no address",
            Patience.MOMENT,
        ),
        (gateway(), [deployment()], [], [NO_SLICE], "waypoint shop/waypoint has no ready endpoint", Patience.MOMENT),
    ],
)
def test_what_a_waypoint_lacks(
    found: Any, deployments: Any, pods: Any, slices: Any, text: str, patience: Patience
) -> None:
    assert waypoint("shop/waypoint", found, deployments, pods, slices) == Lack(text, patience)


def test_a_pod_of_an_older_template_that_fails_does_not_count() -> None:
    """The image was mended: the pod before it still fails, the one that comes is what to wait for."""
    old = pod("old", PULLING, metadata={"labels": {"app": "waypoint", "pod-template-hash": "1"}})
    new = pod("new", STARTING, metadata={"labels": {"app": "waypoint", "pod-template-hash": "2"}})
    old["metadata"]["creationTimestamp"], new["metadata"]["creationTimestamp"] = "2026-01-01", "2026-01-02"
    lack = waypoint("shop/waypoint", gateway(), [deployment(ready=0)], [old, new], [])
    assert lack.patience is Patience.ROLLING


def test_a_rolling_waypoint_with_a_new_pod_takes_traffic() -> None:
    rolling = deployment(ready=2, replicas=2, replicas_=3)
    rolling["status"].update({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 3})
    assert waypoint("shop/waypoint", gateway(), [rolling], [], [SLICE]) == NOTHING


def test_a_new_pod_that_no_node_takes_yet_is_waited_for_while_an_old_one_serves() -> None:
    rolling = deployment(ready=1)
    rolling["status"].update({"replicas": 2, "updatedReplicas": 1, "availableReplicas": 1})
    pending = pod("new", {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}]})
    assert waypoint("shop/waypoint", gateway(), [rolling], [pending], []).patience is Patience.ROLLING
    rolling["status"]["availableReplicas"] = 0
    assert waypoint("shop/waypoint", gateway(), [rolling], [pending], []).patience is Patience.NONE


def test_a_gateway_that_is_served_by_hand_needs_no_deployment() -> None:
    by_hand = gateway(addresses=[{"type": "Hostname", "value": "proxy.shop.svc.cluster.local"}])
    assert waypoint("shop/waypoint", by_hand, [], [], [SLICE]) == NOTHING
    assert waypoint("shop/waypoint", by_hand, [], [], []).text.endswith("has no ready endpoint")


def test_istiod_answers_where_an_endpoint_is_ready() -> None:
    assert istiod([NO_SLICE, SLICE], [], []) == NOTHING
    assert istiod([], [], []).patience is Patience.NONE
    down = deployment("istiod", ready=0, replicas=0)
    assert istiod([], [down], []) == Lack("istiod does not answer: Deployment shop/istiod is scaled to 0")
    starting = deployment("istiod", ready=0)
    assert istiod([], [starting], [pod("i", STARTING, "istiod")]).patience is Patience.ROLLING
    assert istiod([], [starting], [pod("i", PULLING, "istiod")]).patience is Patience.NONE
    assert istiod([], [deployment("istiod")], []).patience is Patience.MOMENT
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    starting["status"]["conditions"] = [refused]
    assert istiod([], [starting], []).text.endswith("no pod can be made: exceeded quota")


def on(node: str, status: dict[str, Any], name: str = "z") -> dict[str, Any]:
    return pod(name, status, "ztunnel", nodeName=node)


@pytest.mark.parametrize(
    ("daemons", "text", "patience"),
    [
        ([on("one", READY)], "", Patience.NONE),
        ([on("one", READY), on("two", PULLING)], "", Patience.NONE),
        ([], "ztunnel runs on no node, but pods of namespace shop do", Patience.NONE),
        (
            [on("two", READY)],
            "ztunnel is not ready on node one, which runs pod cart: there is no pod of it "
            "(if that node takes none, label the pod istio.io/dataplane-mode: none)",
            Patience.MOMENT,
        ),
        (
            [on("one", STARTING)],
            "ztunnel is not ready on node one, which runs pod cart: pod z: container proxy is being created",
            Patience.ROLLING,
        ),
        (
            [on("one", PULLING)],
            "ztunnel is not ready on node one, which runs pod cart: pod z: container proxy: ErrImagePull",
            Patience.NONE,
        ),
    ],
)
def test_each_node_with_pods_needs_its_own(daemons: Any, text: str, patience: Patience) -> None:
    assert nodes("shop", [pod("cart", READY)], "ztunnel", daemons) == Lack(text, patience)


@pytest.mark.parametrize(
    "outside",
    [
        pod("cart", READY, hostNetwork=True),
        pod("cart", READY, nodeName=""),
        pod("cart", {"phase": "Succeeded"}),
        pod("cart", {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}),  # of a dead node
        pod("cart", READY, metadata={"deletionTimestamp": "2026-01-01"}),
        pod("cart", READY, metadata={"labels": {"istio.io/dataplane-mode": "none"}}),
        pod("cart", READY, metadata={"annotations": {"sidecar.istio.io/status": "{}"}}),
    ],
)
def test_pods_that_stay_outside_the_mesh_need_nothing(outside: Any) -> None:
    assert nodes("shop", [outside], "ztunnel", []) == NOTHING
