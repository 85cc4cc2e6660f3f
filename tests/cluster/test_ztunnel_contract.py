# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ztunnel, or its stand-in, says when one thing around it is wrong: its readiness is red, and the reason is there.

The live ztunnel is left alone: pods are copied from its DaemonSet, one thing is changed in each, and they get a CNI
agent of their own that hands over one pod. The stand-in names each reason in the body of its readiness probe. A real
ztunnel does so for what it waits for at the start; what istiod refuses to sign it only logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from devcluster.docker import Docker
from kubernetes import client
from ztunnel_standin.contract import Copy, Evidence, FakeAgent, look, until

DISCOVERED = "contract"
UNDISCOVERED = "contract-undiscovered"
MARK = {"ambient-contract": "undiscovered"}
EVERYTHING_ELSE = {"matchExpressions": [{"key": "ambient-contract", "operator": "NotIn", "values": ["undiscovered"]}]}
ROOTS = "istio-ca-root-cert"
PATIENCE = 120.0  # seconds; on a free machine everything shows within 20

UNCHANGED = Copy("contract-unchanged")
WRONG_NAMESPACE = Copy("contract-wrong-namespace", namespace=DISCOVERED)
WRONG_XDS = Copy("contract-wrong-xds", environment={"XDS_ADDRESS": "istiod.nowhere.svc:15012"})
NO_SOCKET = Copy("contract-no-socket", agent=False)
NO_LABEL = Copy("contract-no-label", namespace=UNDISCOVERED)
COPIES = (UNCHANGED, WRONG_NAMESPACE, WRONG_XDS, NO_SOCKET, NO_LABEL)

# By copy: what the stand-in's probe says; where a real ztunnel says it, and what.
REASONS = {
    WRONG_NAMESPACE.name: (
        r"refuses to sign .*\(impersonation\): wrong trusted namespace",
        "log",
        r"signing gRPC error",
    ),
    WRONG_XDS.name: (r"cannot be reached at XDS_ADDRESS istiod\.nowhere\.svc:15012", "body", r"state manager"),
    NO_SOCKET.name: (r"socket /var/run/ztunnel/ztunnel\.sock is missing", "body", r"workload proxy manager"),
    NO_LABEL.name: (rf"namespace {UNDISCOVERED} is missing the discovery label", "log", r"signing gRPC error"),
}


@pytest.fixture(scope="module")
def agent(environment: dict[str, Any], core: client.CoreV1Api) -> Iterator[FakeAgent]:
    """The agent that the copies talk to, not yet started."""
    if not environment["source"].startswith("kind"):
        pytest.skip("the copies' CNI agent runs on a kind node of this machine, and this cluster has none")
    workers = [n.metadata.name for n in core.list_node().items if not n.spec.taints]
    fake = FakeAgent(Docker(environment["docker_host"]), workers[0])
    fake.stop()
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def selectors(core: client.CoreV1Api, mesh: None) -> Iterator[None]:
    """Discovery selectors that leave out the namespaces with MARK and nothing else, as long as the tests run."""
    before = core.read_namespaced_config_map("istio", "istio-system")
    values = yaml.safe_load(before.data["mesh"])
    if values.get("discoverySelectors"):
        yield  # a namespace without labels is left out already
        return
    edited = yaml.safe_dump(values | {"discoverySelectors": [EVERYTHING_ELSE]})
    _patch_mesh(core, "/data/mesh", edited)
    yield
    _patch_mesh(core, "/data/mesh", before.data["mesh"])
    fields = core.api_client.sanitize_for_serialization(before.metadata.managed_fields)
    _patch_mesh(core, "/metadata/managedFields", fields)  # who owned what, too


def _patch_mesh(core: client.CoreV1Api, path: str, value: Any) -> None:
    core.patch_namespaced_config_map("istio", "istio-system", [{"op": "replace", "path": path, "value": value}])


@pytest.fixture(scope="module")
def copies(
    core: client.CoreV1Api,
    images: dict[str, Any],
    agent: FakeAgent,
    selectors: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """All copies, started together; the live ztunnel is the same before and after."""
    live = _live(core)
    _remove(core)
    try:
        _namespaces(core)
        agent.start(_workload(core, agent.node, images["echo"]["ref"]), tmp_path_factory.mktemp("agent"))
        apps = client.AppsV1Api(core.api_client)
        daemon_set = core.api_client.sanitize_for_serialization(apps.read_namespaced_daemon_set("ztunnel", "ztunnel"))
        for copy in COPIES:
            core.create_namespaced_pod(copy.namespace, copy.pod(daemon_set, agent.node))
        yield
    finally:
        _remove(core)
    assert _live(core) == live, "the live ztunnel was touched"


def _live(core: client.CoreV1Api) -> dict[str, Any]:
    pods = core.list_namespaced_pod("ztunnel", label_selector="app=ztunnel").items
    return {p.metadata.uid: [s.restart_count for s in p.status.container_statuses] for p in pods}


def _namespaces(core: client.CoreV1Api) -> None:
    psa = {"pod-security.kubernetes.io/enforce": "privileged"}
    for name, labels in ((DISCOVERED, psa), (UNDISCOVERED, psa | MARK)):
        core.create_namespace({"metadata": {"name": name, "labels": labels}})
        core.create_namespaced_service_account(name, {"metadata": {"name": "ztunnel"}})


def _workload(core: client.CoreV1Api, node: str, image: str) -> client.V1Pod:
    """The pod that the agent hands over; its label has istiod take it for one that speaks HBONE."""
    container = {"name": "web", "image": image, "imagePullPolicy": "IfNotPresent"}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    labels = {"networking.istio.io/tunnel": "http"}
    core.create_namespaced_pod(DISCOVERED, {"metadata": {"name": "web", "labels": labels}, "spec": spec})

    def running() -> client.V1Pod | None:
        pod = core.read_namespaced_pod("web", DISCOVERED)
        return pod if pod.status.phase == "Running" else None

    return until(PATIENCE, "the workload runs", running)


def _remove(core: client.CoreV1Api) -> None:
    for copy in COPIES:
        _gone(lambda copy=copy: core.delete_namespaced_pod(copy.name, copy.namespace, grace_period_seconds=0))
    for name in (DISCOVERED, UNDISCOVERED):
        _gone(lambda name=name: core.delete_namespace(name))
    for name in (DISCOVERED, UNDISCOVERED):
        until(PATIENCE, f"namespace {name} is gone", lambda name=name: _gone(lambda: core.read_namespace(name)))


def _gone(call: Any) -> bool:
    try:
        call()
    except client.ApiException as e:
        if e.status != 404:
            raise
        return True
    return False


def is_red(e: Evidence, copy: Copy, kind: str) -> bool:
    """Whether the copy shows its reason the way its kind does."""
    stand_in, where, real = REASONS[copy.name]
    if kind == "stand-in":
        return not e.ready and e.status == 503 and re.search(stand_in, e.body) is not None
    if where == "body":
        return not e.ready and e.status == 500 and re.search(real, e.body) is not None
    return re.search(real, e.log) is not None


def wait_for_red(core: client.CoreV1Api, copy: Copy, kind: str) -> None:
    """Fail with all evidence unless the copy shows its reason in time."""
    seen: list[Evidence] = []

    def check() -> bool:
        seen[:] = [look(core, copy)]
        return is_red(seen[0], copy, kind)

    try:
        until(PATIENCE, f"{copy.name} shows its reason", check)
    except AssertionError as e:
        pytest.fail(f"{e}\n{seen[0]}")


@pytest.fixture(scope="module")
def kind(environment: dict[str, Any]) -> str:
    """stand-in, binary or upstream."""
    return str(environment["ztunnel"]["kind"])


@pytest.mark.usefixtures("copies")
class TestContract:
    def test_unchanged_copy_is_ready(self, core: client.CoreV1Api, kind: str) -> None:
        """The control: what the other copies show comes from the one thing changed in each."""
        evidence = until(PATIENCE, "the unchanged copy is ready", lambda: (e := look(core, UNCHANGED)).ready and e)
        assert evidence.status == 200
        assert evidence.body == ("ztunnel stand-in, no encryption: ready\n" if kind == "stand-in" else "ready\n")

    @pytest.mark.parametrize("copy", [WRONG_NAMESPACE, WRONG_XDS, NO_SOCKET], ids=lambda c: c.name)
    def test_red(self, core: client.CoreV1Api, kind: str, copy: Copy) -> None:
        wait_for_red(core, copy, kind)

    def test_missing_discovery_label(self, core: client.CoreV1Api, kind: str) -> None:
        """istiod gives the namespace no roots, so the pod cannot start; with roots it is red all the same."""
        until(
            PATIENCE,
            "the missing roots show in an event",
            lambda: f'"{ROOTS}" not found' in look(core, NO_LABEL).events,
        )
        roots = core.read_namespaced_config_map(ROOTS, "ztunnel").data
        core.create_namespaced_config_map(UNDISCOVERED, {"metadata": {"name": ROOTS}, "data": roots})
        wait_for_red(core, NO_LABEL, kind)

    def test_the_workload_was_served(self, core: client.CoreV1Api, agent: FakeAgent, kind: str) -> None:
        """The unchanged copy took the pod from the agent, so that the others' failures are not the agent's."""
        assert "add: <nil>; snapshot: <nil>" in agent.log()
        if kind == "stand-in":
            assert "pod=contract/web" in look(core, UNCHANGED).log


def test_the_copys_only_differences(tmp_path: Path) -> None:
    """A copy differs from the DaemonSet's pods in nothing but name, place, socket and the one thing changed."""
    container = {"name": "istio-proxy", "image": "x", "env": [{"name": "XDS_ADDRESS", "value": "right"}]}
    volume = {"name": "cni-ztunnel-sock-dir", "hostPath": {"path": "/var/run/ztunnel"}}
    spec = {"containers": [container], "volumes": [volume], "serviceAccountName": "ztunnel"}
    pod = WRONG_XDS.pod({"spec": {"template": {"spec": spec}}}, "node-1")
    assert pod["spec"]["containers"] == [
        container | {"env": [{"name": "XDS_ADDRESS", "value": "istiod.nowhere.svc:15012"}]}
    ]
    assert pod["spec"]["volumes"][0]["hostPath"]["path"] != "/var/run/ztunnel"
    assert pod["spec"]["serviceAccountName"] == "ztunnel"
    assert spec["containers"] == [container], "the DaemonSet's own template was changed"
