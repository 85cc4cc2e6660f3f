# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module check on a mesh that others installed, against a real API server: no controller runs, all is planted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from planted import deployment, pod, status_of

OWN_APISERVER = True  # the checks look at the whole cluster

Object = dict[str, Any]
Run = Callable[..., dict[str, Any]]

BASE = {"version": "1.31.0", "fail_on": "never"}
MODE = "istio.io/dataplane-mode"
AGENT = {"k8s-app": "istio-cni-node"}
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
SAIL = "sailoperator.io"


def workload(obj: Object, labels: dict[str, str], image: str, account: str = "", **env: str) -> Object:
    """A workload with the labels on it and on its pods."""
    container = {"name": "main", "image": image, "env": [{"name": key, "value": env[key]} for key in sorted(env)]}
    spec = {"containers": [container], **({"serviceAccountName": account} if account else {})}
    obj["metadata"]["labels"] = labels
    obj["spec"] = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}
    return obj


def daemons(namespace: str, name: str) -> Object:
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": namespace}}


def space(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def network_policy(name: str, port: int) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": port}]}]},
    }


@pytest.fixture(scope="module", autouse=True)
def mesh(client: Client) -> None:
    """istiod, istio-cni and ztunnel where Helm would put them for somebody else, and an enrolled namespace."""
    for obj in (space("mesh"), space("shop", **{MODE: "ambient"})):
        client.apply(obj, "helm")
    environment = {"PILOT_ENABLE_AMBIENT": "true", "CA_TRUSTED_NODE_ACCOUNTS": "mesh/ztunnel"}
    istiod = workload(deployment("mesh", "istiod"), {"app": "istiod"}, "r/pilot:1.31.0", **environment)
    cni = workload(daemons("mesh", "istio-cni-node"), AGENT, "r/install-cni:1.31.0")
    ztunnel = workload(daemons("mesh", "ztunnel"), {"app": "ztunnel"}, "r/ztunnel:1.31.0", "ztunnel")
    for obj in (istiod, cni, ztunnel):
        client.apply(obj, "helm")
    status_of(client, istiod, replicas=1, readyReplicas=1, availableReplicas=1)
    for obj in (cni, ztunnel):
        scheduled = dict.fromkeys(("currentNumberScheduled", "desiredNumberScheduled", "numberReady"), 2)
        status_of(client, obj, numberMisscheduled=0, **scheduled)


def told(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["code"], finding["object"]) for finding in result["findings"]]


def test_the_mesh_of_others_is_found_and_well(run_module: Run, writes: Callable[[], list[dict[str, str]]]) -> None:
    result = run_module("check", {**BASE, "phase": ["mesh"]})

    assert told(result) == []
    details = {check["code"]: check["detail"] for check in result["checks"]}
    assert details["AMB0501"] == "mesh/istiod by Helm: 1 of 1 ready"
    assert details["AMB0504"] == "istiod 1.31.0"
    assert "skipped" not in {check["status"] for check in result["checks"]}
    assert writes() == []


def test_a_mesh_that_is_not_well(run_module: Run, client: Client) -> None:
    second = workload(daemons("shop", "ztunnel"), {"app": "ztunnel"}, "r/ztunnel:1.32.0", "other")
    waypoint = workload(
        deployment("shop", "waypoint"), {"gateway.istio.io/managed": "istio.io-mesh-controller"}, "r/proxyv2:1.29.0"
    )
    for obj in (second, waypoint):
        client.apply(obj, "helm")
    try:
        result = run_module("check", {**BASE, "only": ["AMB0504", "AMB0505", "AMB0507"], "phase": ["mesh"]})
    finally:
        for obj in (second, waypoint):
            client.request("DELETE", f"/apis/apps/v1/namespaces/shop/{obj['kind'].lower()}s/{obj['metadata']['name']}")

    assert told(result) == [
        ("AMB0504", "DaemonSet shop/ztunnel"),
        ("AMB0504", "Deployment shop/waypoint"),
        ("AMB0505", "DaemonSet shop/ztunnel"),
        ("AMB0507", "Deployment mesh/istiod"),
    ]


def test_network_policies_of_an_enrolled_namespace(run_module: Run, client: Client) -> None:
    client.apply(network_policy("app", 8080), "tests")
    shut = run_module("check", {**BASE, "only": ["AMB0407"], "phase": ["namespaces"]})
    client.apply(network_policy("mesh", 15008), "tests")
    opened = run_module("check", {**BASE, "only": ["AMB0407"], "phase": ["namespaces"]})

    assert told(shut) == [("AMB0407", "NetworkPolicy shop/app")]
    assert told(opened) == []


def test_the_selectors_of_their_istiod(run_module: Run, client: Client) -> None:
    only = {**BASE, "only": ["AMB0410"], "phase": ["namespaces"]}
    without = run_module("check", only)["checks"][0]["status"]
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "mesh", "labels": {"istio.io/rev": "default"}},
        "data": {"mesh": "discoverySelectors:\n- matchLabels: {mesh: blue}\n"},
    }
    client.apply(config, "helm")

    assert without == "skipped"
    assert told(run_module("check", only)) == [("AMB0410", "Namespace shop")]


def test_a_pod_that_bypasses_the_mesh(run_module: Run, client: Client) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    for where in ("mesh", "shop"):
        metadata = {"name": "default", "namespace": where}
        client.apply({**account, "metadata": metadata}, "tests")
    pod(client, "mesh", "agent-1", "agent", READY, nodeName="n1")
    agent = {"name": "agent-1", "namespace": "mesh", "labels": AGENT}
    client.apply({"apiVersion": "v1", "kind": "Pod", "metadata": agent}, "helm")
    pod(client, "shop", "web", "web", READY, nodeName="n1")

    result = run_module("check", {**BASE, "only": ["AMB0409"], "phase": ["mesh"]})

    assert told(result) == [("AMB0409", "Namespace shop")]
    assert "1 running pod bypasses the mesh, web: it was started past istio-cni" in result["findings"][0]["message"]


def test_finalizers_of_an_operator_that_is_gone(run_module: Run, client: Client) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"ztunnels.{SAIL}"},
        "spec": {
            "group": SAIL,
            "names": {"plural": "ztunnels", "singular": "ztunnel", "kind": "ZTunnel"},
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    client.apply(definition, "tests")
    held = {
        "apiVersion": f"{SAIL}/v1",
        "kind": "ZTunnel",
        "metadata": {"name": "default", "finalizers": [f"{SAIL}/sail-operator"]},
    }
    wait_until_created(client, f"/apis/{SAIL}/v1/ztunnels", held)

    assert told(run_module("check", {**BASE, "only": ["AMB0604"], "phase": ["uninstall"]})) == [
        ("AMB0604", "ZTunnel default")
    ]


def wait_until_created(client: Client, path: str, obj: Object) -> None:
    """A CRD serves its kind a moment after it is there."""
    for attempt in range(50):
        try:
            client.request("POST", path, body=obj)
        except AmbientError:
            if attempt == 49:
                raise
            time.sleep(0.1)
        else:
            return
