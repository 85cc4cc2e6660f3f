# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module check against a real API server: what is planted is found, what is only looked at stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.rights import RIGHTS
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from check_plants import (
    OPTIONS,
    OURS,
    PLANTS,
    bind_published_role,
    crd,
    in_namespace,
    plain,
    planted,
    webhook,
    workload,
)
from requests_seen import Requests

OWN_APISERVER = True  # other tests leave things behind that the checks would find

Object = dict[str, Any]
Run = Callable[..., dict[str, Any]]

BASE = {"version": "1.31.0", "gateway_api": "install", "fail_on": "never"}
WHOLE = [
    ("v1", "Namespace"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
]


def versions(client: Client) -> dict[str, str]:
    """The resourceVersion of everything that the checks look at; `kubernetes` is the API server's own."""
    return {
        f"{kind} {obj['metadata'].get('namespace')}/{obj['metadata']['name']}": obj["metadata"]["resourceVersion"]
        for api_version, kind in WHOLE
        for obj in client.list(api_version, kind)
        if obj["metadata"]["name"] != "kubernetes"
    }


def codes(result: dict[str, Any]) -> list[str]:
    return sorted({finding["code"] for finding in result["findings"]})


def test_a_cluster_without_a_mesh_passes_and_nothing_is_written(
    run_module: Run, writes: Callable[[], list[dict[str, str]]]
) -> None:
    result = run_module("check", {**BASE, "phase": ["pre", "namespaces", "uninstall", "policies"]})

    assert result["findings"] == []
    assert (result["ok"], result["refused"], result["changed"], result["ours"]) == (True, False, False, "none")
    assert writes() == []


@pytest.fixture(scope="module", autouse=True)
def _namespaces_of_others(client: Client) -> None:
    for name in ("istio-system", "aks-istio-system"):
        client.apply(plain("Namespace", name), "tests")


@pytest.mark.parametrize("code", PLANTS)
def test_what_is_planted_is_found_and_left_alone(run_module: Run, client: Client, code: str) -> None:
    objects, words = PLANTS[code]
    with planted(client, objects):
        before = versions(client)
        result = run_module("check", {**BASE, **OPTIONS.get(code, {}), "phase": ["pre"], "fail_on": "warning"})
        assert versions(client) == before

    assert codes(result) == [code]
    assert result["failed"]
    assert words in result["msg"]
    assert result["msg"].startswith(code)
    assert run_module("check", BASE)["findings"] == []


def test_room_and_nodes_are_measured_by_what_is_to_be_installed(
    run_module: Run, client: Client, tmp_path: Path
) -> None:
    agent = in_namespace(workload("DaemonSet", "ztunnel", **OURS), "istio-system")
    file = tmp_path / "ztunnel.json"
    file.write_text(json.dumps({"role": "ztunnel", "items": [{"object": agent}]}))
    spec = {"taints": [{"key": "team", "value": "blue", "effect": "NoSchedule"}]}
    quota = plain("ResourceQuota", "small", namespace="istio-system", spec={"hard": {"limits.cpu": "1"}})
    with planted(client, [plain("Node", "one", spec=spec), quota]):
        result = run_module("check", {**BASE, "files": [str(file)], "skip": ["AMB0112"]})
    quiet = run_module("check", {**BASE, "files": [str(file)], "skip": ["AMB0112"]})

    said = {finding["code"]: finding["message"] for finding in result["findings"]}
    assert set(said) == {"AMB0108", "AMB0110"}
    assert "does not tolerate the taint team:NoSchedule" in said["AMB0108"]
    assert "asks every container for limits.cpu" in said["AMB0110"]
    assert quiet["findings"] == []


def test_what_carries_our_label_is_ours(run_module: Run, client: Client) -> None:
    objects = [
        workload("Deployment", "istiod", app="istiod", **OURS),
        webhook("istio-sidecar-injector", "rev.namespace.sidecar-injector.istio.io", **OURS),
        crd("virtualservices", "networking.istio.io", "VirtualService", labels=OURS),
    ]
    with planted(client, objects):
        result = run_module("check", BASE)

    assert (result["findings"], result["ours"]) == ([], "half")


def test_whoever_has_no_rights_is_told_so_and_passes_nothing(run_module: Run, apiserver: Any) -> None:
    result = run_module("check", {**BASE, "kubeconfig": apiserver.nobody_kubeconfig, "phase": ["pre", "namespaces"]})

    status = {check["code"]: check["status"] for check in result["checks"]}
    assert [code for code, word in status.items() if word == "pass"] == [
        *("AMB0101", "AMB0102", "AMB0106"),
        *("AMB0222", "AMB0223", "AMB0226"),  # no kind of Calico's or OpenShift's is served, and no Multus is needed
    ]
    assert status["AMB0103"] == "error"
    assert status["AMB0203"] == "skipped"


def test_exactly_the_listed_rights_are_enough(run_module: Run, client: Client) -> None:
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "User", "name": "limited", "apiGroup": rbac}
    objects: list[Object] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (
        "istio-system", "istio-cni", "ztunnel",
    )]  # fmt: skip
    for number, right in enumerate(RIGHTS):
        kind = "Role" if right.namespace else "ClusterRole"
        metadata = {"name": f"limited-{number}", **({"namespace": right.namespace} if right.namespace else {})}
        rules = [{"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}]
        role = {"kind": kind, "name": metadata["name"], "apiGroup": rbac}
        objects.append({"apiVersion": f"{rbac}/v1", "kind": kind, "metadata": metadata, "rules": rules})
        binding = {"kind": f"{kind}Binding", "metadata": metadata, "roleRef": role, "subjects": [subject]}
        objects.append({"apiVersion": f"{rbac}/v1", **binding})
    for obj in objects:
        client.apply(obj, "tests")

    result = run_module("check", {**BASE, "impersonate_user": "limited", "phase": ["pre", "namespaces", "policies"]})

    assert [finding["severity"] for finding in result["findings"]] == ["warning"]
    assert codes(result) == ["AMB0103"]
    assert {check["code"] for check in result["checks"] if check["status"] == "skipped"} == {"AMB0109", "AMB0112"}


def test_namespaces_and_who_holds_their_labels(run_module: Run, client: Client, namespace: str) -> None:
    mesh = {"namespaces": [{"name": namespace, "state": False}, {"name": "is-not-there", "state": "l4"}]}
    labels = {"istio.io/dataplane-mode": "ambient"}
    for manager in ("alauda.ambient/enrolment", "somebody"):
        client.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}, manager
        )

    result = run_module("check", {**BASE, "phase": ["namespaces"], "mesh": mesh})

    assert [(finding["code"], finding["object"]) for finding in result["findings"]] == [
        ("AMB0401", "Namespace is-not-there"),
        ("AMB0406", f"Namespace {namespace}"),
    ]
    assert "is held by somebody:" in result["findings"][1]["message"]


def test_the_report_is_a_file_on_request(run_module: Run, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "check.json"
    result = run_module(
        "check", {**BASE, "report": str(path), "only": ["AMB0101", "own-installation"], "skip": ["AMB0303"]}
    )

    report = json.loads(path.read_text())
    assert result["report_file"] == str(path)
    assert {check["code"]: check["status"] for check in report["checks"]} == {
        "AMB0101": "pass",
        "AMB0301": "pass",
        "AMB0302": "pass",
        "AMB0303": "skipped",
    }
    assert report["ok"] is True


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"only": ["AMB9999"]}, "only: 'AMB9999' is neither a code nor a category of checks"),
        (
            {"mesh": {"namespaces": [{"name": "shop", "state": "l8"}]}},
            "ambient_mesh.namespaces[0].state: 'l8' is not a state",
        ),
        ({"discovery_selectors": "all"}, "ambient_discovery_selectors: a list of label selectors is expected"),
        ({"kubeconfig": "/does/not/exist"}, "AMB0101 kubeconfig /does/not/exist: no such file"),
        ({"kubeconfig": None, "host": "https://127.0.0.1:1", "api_key": "x"}, "AMB0101"),
        ({"context": "nowhere"}, "AMB0101"),
        ({"phase": ["post"]}, "value of phase must be one or more of"),
    ],
)
def test_an_error_is_one_clear_line(run_module: Run, args: dict[str, Any], words: str) -> None:
    result = run_module("check", {"version": "1.31.0", **args})

    assert result["failed"]
    assert words in result["msg"].splitlines()[0]
    assert "Traceback" not in json.dumps(result)


def test_the_published_cluster_role_is_enough_and_nothing_but_reading_is_asked(
    run_module: Run, client: Client, apiserver: Any, namespace: str
) -> None:
    bind_published_role(client, "checker")
    foreign = [workload("Deployment", "istiod", app="istiod"), crd("istios", "sailoperator.io", "Istio")]

    with planted(client, foreign):
        requests = Requests(apiserver)
        phases = ["pre", "mesh", "namespaces", "uninstall", "policies"]
        options = {
            **BASE,
            "impersonate_user": "checker",
            "phase": phases,
            "mesh": {"namespaces": [{"name": namespace, "state": "l4"}]},
        }
        result = run_module("check", options)
        seen = requests.new()

    assert [check for check in result["checks"] if "no right" in check["detail"]] == []
    assert {"AMB0103", "AMB0202", "AMB0203"} <= set(codes(result))
    asked = {(request.verb, request.resource) for request in seen if request.verb not in ("get", "list")}
    assert asked == {("create", "selfsubjectaccessreviews")}
