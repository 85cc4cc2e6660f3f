# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a live mesh, each verification fails when its subject is broken. What is broken here is mended here."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from ansible_collections.alauda.ambient.plugins.module_utils.progress import Progress
from ansible_collections.alauda.ambient.plugins.module_utils.verify import facts, passive, probe, probe_waypoint, run
from ansible_collections.alauda.ambient.plugins.module_utils.verify.declared import Declared
from ansible_collections.alauda.ambient.plugins.module_utils.verify.live import LiveCluster
from ansible_collections.alauda.ambient.plugins.module_utils.verify.pods import MODE_LABEL, REDIRECTION
from ansible_collections.alauda.ambient.plugins.module_utils.verify.probe_objects import INSIDE, OUTSIDE
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import run as judge
from ansible_collections.alauda.ambient.plugins.module_utils.verify.ztunnel import STAND_IN
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

pytestmark = pytest.mark.usefixtures("mesh")

CHECKOUT = Path(__file__).resolve().parents[2]
WAYPOINT = CHECKOUT / "tests/environment/waypoint/waypoint.yaml"
KUBECONFIG = CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test") / "kubeconfig"
VICTIM = "verify-victim"

Kubectl = Callable[..., str]
Results = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def kubectl(environment: dict[str, Any]) -> Kubectl:
    """kubectl on the cluster; an error fails the test."""

    def call(*arguments: str, stdin: str = "") -> str:
        command = [environment["kubectl"], "--kubeconfig", str(KUBECONFIG), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
        return done.stdout

    return call


@pytest.fixture(scope="module")
def live() -> LiveCluster:
    """The cluster as verify sees it."""
    return LiveCluster(connect({"kubeconfig": str(KUBECONFIG)}))


@pytest.fixture(scope="module")
def worker(live: LiveCluster) -> str:
    """A node that takes pods, the one that the probe's server comes to."""
    return probe_node(live)


@pytest.fixture(scope="module")
def victim(kubectl: Kubectl, live: LiveCluster, worker: str, images: dict[str, Any]) -> Iterator[str]:
    """An enrolled pod that may be hurt."""
    labels = {MODE_LABEL: "ambient", "pod-security.kubernetes.io/enforce": "baseline"}
    container = {"name": "echo", "image": images["echo"]["ref"], "command": ["/usr/local/bin/server"]}
    pod = {"nodeName": worker, "terminationGracePeriodSeconds": 0, "containers": [container]}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": VICTIM, "labels": labels}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "victim", "namespace": VICTIM}, "spec": pod},
    ]
    kubectl("apply", "-f-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    wait(lambda: mark(live) == "enabled", "the victim is enrolled")
    yield f"{VICTIM}/victim"
    kubectl("delete", "namespace", VICTIM)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is broken does not mend itself: less patience shows the same."""
    monkeypatch.setattr(probe, "SETTLE", 3.0)


def probe_node(live: LiveCluster) -> str:
    return run.choose_nodes(live.list("v1", "Node"))[0]


def mark(live: LiveCluster) -> str:
    found = live.get("v1", "Pod", "victim", VICTIM) or {}
    return str(((found.get("metadata") or {}).get("annotations") or {}).get(REDIRECTION, ""))


def wait(until: Callable[[], bool], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"after {seconds} s still not so: {what}"
        time.sleep(0.5)


def read(live: LiveCluster, declared: Declared | None = None) -> Results:
    """The passive verifications, looked at once."""
    found = facts.gather(live, declared or Declared())
    return {item.id: item.as_dict() for item in judge(passive.CHECKS, found)}


def prove(cluster: Any, images: Mapping[str, Any], *, image: str = "", timeout: float = 60, **asked: bool) -> Results:
    """The active verifications; those of the waypoint and of restarts where they are asked for."""
    ref = image or images["echo"]["ref"]
    request = run.Request("active", "default", Declared(), ref, timeout, settle=0, **{"waypoint": False, **asked})
    if request.waypoint and images["proxyv2"]["source"] == "built":
        objects = yaml.safe_load(WAYPOINT.read_text())["items"]
        request = replace(request, waypoint_manifests=[item for item in objects if item["kind"] != "Gateway"])
    answer = run.verify(cluster, request, Progress(None))
    return {
        item["id"]: item
        for item in answer.data["checks"]
        if item["id"].startswith("probe-") and not item["evidence"].endswith("is false")
    }


def mend(live: LiveCluster) -> None:
    """Wait until reading finds nothing broken."""
    wait(lambda: not [item for item in read(live).values() if item["result"] == "fail"], "the mesh is sound again")


def not_passed(results: Results) -> dict[str, str]:
    return {name: item["result"] for name, item in results.items() if item["result"] != "pass"}


@contextlib.contextmanager
def missing_a_node(kubectl: Kubectl, live: LiveCluster, daemonset: tuple[str, str], node: str) -> Iterator[None]:
    """Keep a DaemonSet off one node by a node selector."""
    namespace, name = daemonset
    others = [n["metadata"]["name"] for n in live.list("v1", "Node") if n["metadata"]["name"] != node]

    def select(host: str | None) -> None:
        selector = {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": host}}}}}
        kubectl("-n", namespace, "patch", "daemonset", name, "--type=merge", "-p", json.dumps(selector))
        kubectl("-n", namespace, "rollout", "status", f"daemonset/{name}", "--timeout=90s")

    select(others[0])
    try:
        wait(lambda: all(probe.node_of(pod) != node for pod in facts.daemon(live, *daemonset).pods), "the pod is gone")
        yield
    finally:
        select(None)
        mend(live)


@contextlib.contextmanager
def without_istiod(kubectl: Kubectl, live: LiveCluster) -> Iterator[None]:
    """Scale istiod to nothing."""
    scale = ("-n", "istio-system", "scale", "deployment", "istiod")
    kubectl(*scale, "--replicas=0")
    try:
        wait(lambda: not live.list("v1", "Pod", "istio-system", "app=istiod"), "istiod is gone")
        yield
    finally:
        kubectl(*scale, "--replicas=1")
        kubectl("-n", "istio-system", "rollout", "status", "deployment/istiod", "--timeout=90s")
        mend(live)


@contextlib.contextmanager
def foreign_root(kubectl: Kubectl, live: LiveCluster) -> Iterator[None]:
    """Let ztunnel's namespace name another root than the one that signed; lasts while istiod is away."""
    target = ("-n", "ztunnel", "patch", "configmap", "istio-ca-root-cert", "--type=merge", "-p")
    before = facts.roots(live)
    kubectl(*target, json.dumps({"data": {"root-cert.pem": stranger()}}))
    try:
        yield
    finally:
        kubectl(*target, json.dumps({"data": {"root-cert.pem": before}}))


def stranger() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class Wrapped:
    """The live cluster, a little changed on the way."""

    def __init__(self, live: LiveCluster) -> None:
        self.live = live

    def __getattr__(self, name: str) -> Any:
        return getattr(self.live, name)


class Hidden(Wrapped):
    """The stand-in with another image name and a readiness answer that says nothing."""

    def list(self, api_version: str, kind: str, namespace: str | None = None, selector: str | None = None) -> Any:
        """As it is, but for the image of ztunnel."""
        found = self.live.list(api_version, kind, namespace, selector)
        if kind != "Pod" or namespace != "ztunnel":
            return found
        return json.loads(json.dumps(found).replace("ztunnel-standin", "ztunnel"))

    def http_get(self, namespace: str, pod: str, port: int, path: str) -> tuple[int, str]:
        """As it is, but for ztunnel's readiness."""
        return (200, "ready") if port == 15021 else self.live.http_get(namespace, pod, port, path)


class Sabotaged(Wrapped):
    """Breaks something at a moment of the probe: after the namespace is enrolled, or when STRICT is set."""

    def __init__(self, live: LiveCluster, *, enrolled: Sequence[Callable[[], None]] = (), strict: Any = ()) -> None:
        super().__init__(live)
        self.enrolled, self.strict = list(enrolled), list(strict)

    def apply(self, obj: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """As it is, and then the sabotage."""
        answer = self.live.apply(obj, manager)
        if obj["kind"] == "PeerAuthentication" and obj["spec"]["mtls"]["mode"] == "STRICT":
            self._do(self.strict)
        return answer

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> tuple[int, str, str]:
        """As it is, after the sabotage."""
        space = self.live.get("v1", "Namespace", INSIDE) or {}
        if space["metadata"]["labels"].get(MODE_LABEL):
            self._do(self.enrolled)
        return self.live.exec(namespace, pod, container, command)

    @staticmethod
    def _do(steps: list[Callable[[], None]]) -> None:
        while steps:
            steps.pop()()


@contextlib.contextmanager
def dropping(live: LiveCluster, node: str, chain: str) -> Iterator[Callable[[], None]]:
    """On call: the node drops what goes to the probe's server through this chain."""
    rule: list[str] = []

    def iptables(action: str) -> None:
        command = ["docker", "exec", node, "iptables", action, chain, *rule]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def drop() -> None:
        [server] = live.list("v1", "Pod", INSIDE, "ambient.alauda.io/probe=server")
        rule.extend(["-d", server["status"]["podIP"], "-p", "tcp", "-j", "DROP"])
        iptables("-I")

    try:
        yield drop
    finally:
        if rule:
            iptables("-D")


@pytest.fixture
def on_kind(environment: dict[str, Any]) -> None:
    """Sabotage on a node needs the node's container."""
    if not environment["source"].startswith("kind"):
        pytest.skip("the nodes are no containers here, so their packet filter is out of reach")


def stand_in(live: LiveCluster) -> bool:
    return bool(facts.stand_in(live, facts.daemon(live, *facts.ZTUNNEL).pods).value)


def test_a_sound_mesh_has_nothing_that_fails(live: LiveCluster, victim: str, kubectl: Kubectl) -> None:
    expected = {"namespaces-as-declared": "skipped"}
    results = read(live)
    results.pop("encryption")  # depends on what the cluster has seen so far
    assert not_passed(results) == expected


def test_what_is_declared_is_compared(live: LiveCluster, victim: str) -> None:
    found = read(live, Declared(enrolled=("default",), off=(VICTIM,)))["namespaces-as-declared"]
    assert (found["result"], found["evidence"]) == ("fail", f"not enrolled: default; still enrolled: {VICTIM}")


def test_istiod_away_and_a_root_that_did_not_sign(live: LiveCluster, kubectl: Kubectl, victim: str) -> None:
    with without_istiod(kubectl, live), foreign_root(kubectl, live):
        results = read(live)
    assert results["istiod-available"]["result"] == "fail"
    assert results["identities-signed"]["result"] == "fail"
    assert "not signed by the mesh's root" in results["identities-signed"]["evidence"]
    assert results["workloads-known"]["result"] == "not-proven"
    assert "no istiod pod is ready" in results["workloads-known"]["evidence"]


def test_istio_cni_off_a_node(
    live: LiveCluster, kubectl: Kubectl, victim: str, worker: str, images: dict[str, Any]
) -> None:
    with missing_a_node(kubectl, live, facts.CNI, worker):
        kubectl("-n", VICTIM, "annotate", "pod", "victim", f"{REDIRECTION}-")
        wait(lambda: read(live)["workloads-known"]["result"] == "fail", "istiod has noticed")
        results = read(live)
        active = prove(live, images)
    assert results["cni-on-every-node"]["evidence"].endswith(f"{worker} (no pod)")
    assert results["pods-redirected"]["result"] == "fail"
    assert victim in results["pods-redirected"]["evidence"]
    assert victim in results["workloads-known"]["evidence"]
    assert active["probe-enrolled"]["result"] == "fail"
    assert {active[name]["result"] for name in ("probe-request", "probe-strict", "probe-kubelet")} == {"not-proven"}
    assert active["probe-removed"]["result"] == "pass"


def test_ztunnel_off_a_node(live: LiveCluster, kubectl: Kubectl, victim: str, worker: str) -> None:
    with missing_a_node(kubectl, live, facts.ZTUNNEL, worker):
        results = read(live)
    assert results["ztunnel-on-every-node"]["evidence"].endswith(f"{worker} (no pod)")
    assert results["identities-signed"]["result"] == "not-proven"


def test_a_stand_in_that_hides_is_found_out(
    live: LiveCluster, images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_waypoint, "SETTLE", 2.0)  # it never enforces anything
    if not stand_in(live):
        pytest.skip("a real ztunnel carries the traffic here: there is no stand-in to hide")
    results = prove(Hidden(live), images, waypoint=True)
    failing = {name for name, result in not_passed(results).items() if result == "fail"}
    assert failing == {"probe-identities", "probe-strict", "probe-methods", "probe-lock-down"}, results
    assert "POST" in results["probe-methods"]["evidence"]
    assert "another namespace's waypoint" in results["probe-lock-down"]["evidence"]
    assert "got 200" in results["probe-strict"]["evidence"]


def test_the_probe_proves_what_can_be_proven(live: LiveCluster, images: dict[str, Any]) -> None:
    results = prove(live, images, waypoint=True, disrupt=True)
    mend(live)
    if not stand_in(live):
        assert not_passed(results) == {}
        return
    unproven = {"probe-identities", "probe-strict", "probe-methods", "probe-lock-down"}
    unproven |= {"probe-ztunnel-restart", "probe-waypoint-restart"}
    assert not_passed(results) == dict.fromkeys(unproven, "not-proven")
    assert "requests failed" in results["probe-ztunnel-restart"]["evidence"]
    assert all(results[name]["evidence"].startswith(STAND_IN) for name in ("probe-identities", "probe-strict"))


@pytest.mark.usefixtures("on_kind")
def test_probes_dropped_a_label_held_and_a_namespace_stuck(
    live: LiveCluster, kubectl: Kubectl, worker: str, images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "REMOVE", 8.0)
    name = {"name": INSIDE}
    held = {"apiVersion": "v1", "kind": "Namespace", "metadata": {**name, "labels": {MODE_LABEL: "ambient"}}}
    stuck = {"name": "stuck", "namespace": OUTSIDE, "finalizers": ["ambient.alauda.io/test"]}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": stuck}
    with dropping(live, worker, "OUTPUT") as drop:
        steps = [drop, lambda: live.apply(held, "someone"), lambda: live.apply(config, "someone")]
        results = prove(Sabotaged(live, strict=steps), images)
    patch = json.dumps({"metadata": {"finalizers": None}})
    kubectl("-n", OUTSIDE, "patch", "configmap", "stuck", "--type=merge", "-p", patch)
    wait(lambda: not live.get("v1", "Namespace", OUTSIDE), "the namespace is gone")
    assert "did not stay Ready" in results["probe-kubelet"]["evidence"]
    assert results["probe-kubelet"]["result"] == "fail"
    assert results["probe-unenrolled"]["result"] == "fail"
    assert "still marked" in results["probe-unenrolled"]["evidence"]
    assert results["probe-removed"]["result"] == "fail"
    assert results["probe-removed"]["evidence"] == f"still there: {OUTSIDE}"


@pytest.mark.usefixtures("on_kind")
def test_packets_between_nodes_dropped_after_enrolment(live: LiveCluster, worker: str, images: dict[str, Any]) -> None:
    with dropping(live, worker, "FORWARD") as drop:
        results = prove(Sabotaged(live, enrolled=[drop]), images)
    assert results["probe-plain"]["result"] == "pass"
    assert {results[name]["result"] for name in ("probe-request", "probe-across-nodes", "probe-unenrolled")} == {"fail"}
    assert results["probe-strict"]["result"] == "not-proven"


def test_an_image_that_is_not_there(live: LiveCluster, images: dict[str, Any]) -> None:
    results = prove(live, images, image=f"ambient.local/none@sha256:{'0' * 64}", timeout=6)
    assert results["probe-plain"]["result"] == "fail"
    assert "ImagePull" in results["probe-plain"]["evidence"]
    assert results["probe-removed"]["result"] == "pass"
