# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finished mesh, seen with kubectl and docker alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

CHECKOUT = Path(__file__).resolve().parents[3]
DIRECTORY = CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test")
ENVIRONMENT = json.loads((DIRECTORY / "environment.json").read_text())
WORKLOADS = (
    ("istio-system", "deployment/istiod"),
    ("istio-cni", "daemonset/istio-cni-node"),
    ("ztunnel", "daemonset/ztunnel"),
)


@pytest.fixture(scope="module")
def kubectl(host: Host) -> Any:
    def run(*arguments: str) -> Any:
        command = [ENVIRONMENT["kubectl"], "--kubeconfig", str(DIRECTORY / "kubeconfig"), *arguments, "-o", "json"]
        return json.loads(host.check_output(" ".join(f"'{word}'" for word in command)))

    return run


@pytest.mark.parametrize(("namespace", "workload"), WORKLOADS)
def test_images_run_by_digest(kubectl: Any, namespace: str, workload: str) -> None:
    pods = kubectl("get", "pods", "-n", namespace, "-l", f"app.kubernetes.io/name={workload.split('/')[1]}")["items"]
    pods = pods or kubectl("get", "pods", "-n", namespace)["items"]
    assert pods
    for pod in pods:
        for status in pod["status"]["containerStatuses"]:
            wanted = status["image"] if "@" in status["image"] else pod["spec"]["containers"][0]["image"]
            assert status["ready"]
            assert status["imageID"].rpartition("@")[2] == wanted.rpartition("@")[2]


@pytest.mark.parametrize(
    ("namespace", "level"), [("istio-system", "restricted"), ("istio-cni", "privileged"), ("ztunnel", "privileged")]
)
def test_pod_security_level(kubectl: Any, namespace: str, level: str) -> None:
    labels = kubectl("get", "namespace", namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == level


@pytest.mark.parametrize(("namespace", "workload"), WORKLOADS)
def test_version_and_mesh_are_on_the_label(kubectl: Any, namespace: str, workload: str) -> None:
    labels = kubectl("get", workload, "-n", namespace)["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == ENVIRONMENT["istio_version"]
    assert labels["ambient.alauda.io/mesh"] == "default"


def test_webhooks_fail_closed_and_trust_istiod(kubectl: Any) -> None:
    for name in ("istio-validator-istio-system", "istiod-default-validator"):
        for webhook in kubectl("get", "validatingwebhookconfiguration", name)["webhooks"]:
            assert webhook["failurePolicy"] == "Fail"
            assert webhook["clientConfig"]["caBundle"]


def test_shop_is_enrolled(kubectl: Any) -> None:
    pods = kubectl("get", "pods", "-n", "shop")["items"]
    assert pods
    for pod in pods:
        assert pod["metadata"]["annotations"]["ambient.istio.io/redirection"] == "enabled"


@pytest.mark.parametrize("node", ENVIRONMENT["nodes"])
def test_plugin_is_chained_on_the_node(host: Host, node: str) -> None:
    listing = host.check_output(
        f"docker --host {ENVIRONMENT['docker_host']} exec {node} sh -c 'cat /etc/cni/net.d/*.conflist'"
    )
    assert "istio-cni" in [plugin["type"] for plugin in json.loads(listing)["plugins"]]


# What the admission policies let through and what they stop: real requests, nothing of which stays.
POD = "run guarded --image=none.invalid/x --restart=Never"
REQUESTS = (
    ("namespace shop would ask for sidecars", "label namespace shop istio-injection=enabled"),
    ("namespace shop would ask for sidecars", "label namespace shop istio.io/rev=canary"),
    ("", "label namespace default istio-injection=enabled"),
    ("", "label namespace shop team=blue"),
    ("this pod would ask for a sidecar", f"{POD} -n shop --labels=sidecar.istio.io/inject=true"),
    ("", f"{POD} -n shop --labels=sidecar.istio.io/inject=true --annotations=inject.istio.io/templates=gateway"),
    ("", f"{POD} -n shop --labels=sidecar.istio.io/inject=false"),
    ("", f"{POD} -n default --labels=istio.io/dataplane-mode=ambient"),
    ("linkerd must not be installed", "create deployment linkerd-destination -n default --image=none.invalid/x"),
    ("another istiod must not be installed", "create deployment istiod -n default --image=none.invalid/x"),
    ("", "create deployment web -n default --image=none.invalid/x"),
    ("namespace kube-system belongs to the platform", "label namespace kube-system istio.io/dataplane-mode=ambient"),
    ("", "label namespace kube-system team=blue"),
    ("namespace shop is in the ambient mesh", "delete daemonset istio-cni-node -n istio-cni"),
    ("namespace shop is in the ambient mesh", "delete namespace istio-cni"),
    ("", "delete daemonset ztunnel -n ztunnel"),
)


@pytest.mark.parametrize(("words", "request_"), REQUESTS, ids=[request_ for _words, request_ in REQUESTS])
def test_admission(host: Host, words: str, request_: str) -> None:
    kubeconfig = DIRECTORY / "kubeconfig"
    answer = host.run(f"{ENVIRONMENT['kubectl']} --kubeconfig {kubeconfig} {request_} --dry-run=server")
    assert bool(answer.rc) is bool(words), answer.stderr
    assert words in answer.stderr.lower()


def test_kubernetes_finds_nothing_wrong_in_the_policies(kubectl: Any) -> None:
    every = kubectl("get", "validatingadmissionpolicies", "-l", "ambient.alauda.io/mesh=default")["items"]
    policies = [policy for policy in every if policy["metadata"]["name"].endswith(".ambient.alauda.io")]
    assert len(policies) == 5
    for policy in policies:
        assert policy["status"]["observedGeneration"] == policy["metadata"]["generation"]
        assert not policy["status"]["typeChecking"].get("expressionWarnings")
