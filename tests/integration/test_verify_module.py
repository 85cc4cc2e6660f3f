# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `verify` on an API server with no mesh: what it says, and that it writes nothing but its probe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.verify import probe

OWN_APISERVER = True

RunModule = Callable[..., dict[str, Any]]
Writes = Callable[[], list[dict[str, str]]]


def results(answer: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["result"] for check in answer["checks"]}


@pytest.fixture
def node(client: Client) -> None:
    """A node that says it is ready; no pod ever runs on it."""
    name = "paper"
    client.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}, "tests")
    path = f"/api/v1/nodes/{name}"
    client.request("PUT", path, body={**client.request("GET", path), "spec": {"taints": []}})
    status = {"conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": "x"}]}
    client.request("PUT", f"{path}/status", body={**client.request("GET", path), "status": status})


def test_a_cluster_without_a_mesh_fails_in_one_line_and_untouched(
    run_module: RunModule, writes: Writes, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    mesh = {"namespaces": [{"name": "shop", "state": "l4"}]}
    answer = run_module("verify", {"settle": 0, "report": str(report), "declaration": mesh})
    assert answer["failed"]
    assert answer["msg"] == (
        "istiod is available: no, there is no istiod Deployment in istio-system (and 3 more). Run playbooks/site.yml"
    )
    assert results(answer)["namespaces-as-declared"] == "fail"
    assert json.loads(report.read_text())["outcome"] == "failed"
    assert writes() == []


def test_a_declaration_that_is_wrong_is_one_error_with_its_path(run_module: RunModule) -> None:
    answer = run_module("verify", {"declaration": {"namespaces": [{"name": "shop", "state": "l8"}]}})
    assert answer["msg"].startswith("ambient_mesh.namespaces[0].state: 'l8' is not a state")


def test_off_may_be_a_boolean_and_a_batch_is_part_of_it(run_module: RunModule) -> None:
    mesh = {"namespaces": [{"name": "shop", "state": "l4"}, {"name": "old", "state": False}]}
    answer = run_module("verify", {"settle": 0, "fail_on": "never", "declaration": mesh, "namespaces": ["old"]})
    assert results(answer)["namespaces-as-declared"] == "pass"


def test_failures_may_be_left_to_the_caller(run_module: RunModule) -> None:
    answer = run_module("verify", {"settle": 0, "fail_on": "never"})
    assert not answer.get("failed")
    assert (answer["changed"], answer["outcome"]) == (False, "failed")
    assert answer["refusal"].startswith("istiod is available: no")


def test_without_rights_nothing_is_proven_and_nothing_passes(run_module: RunModule, apiserver: Any) -> None:
    nobody = {"kubeconfig": apiserver.nobody_kubeconfig, "settle": 0}
    answer = run_module("verify", nobody)
    asked = {check["result"] for check in answer["checks"] if "declared" not in check["evidence"]}
    assert asked == {"not-proven"}
    assert answer["outcome"] == "partly-proven"
    assert "forbidden" in answer["checks"][0]["evidence"]
    assert run_module("verify", {**nobody, "fail_on": "not-proven"})["msg"].startswith("Not everything is proven")


def test_credentials_that_are_refused_are_one_error(run_module: RunModule, apiserver: Any) -> None:
    answer = run_module("verify", {"host": apiserver.url, "api_key": "stale", "ca_cert": apiserver.ca_cert})
    assert "refuses the credentials" in answer["msg"]
    assert "checks" not in answer


def test_an_api_server_that_does_not_answer_is_one_error(run_module: RunModule) -> None:
    answer = run_module("verify", {"host": "https://127.0.0.1:9", "api_key": "x", "validate_certs": False})
    assert "cannot be reached" in answer["msg"]


def test_the_probe_needs_an_image(run_module: RunModule) -> None:
    assert "image" in run_module("verify", {"phase": "active"})["msg"]


def test_without_a_node_the_probe_does_not_start(run_module: RunModule, writes: Writes) -> None:
    answer = run_module("verify", {"phase": "active", "image": "app:1", "settle": 0})
    assert answer["msg"].startswith("Nodes: no ready node takes pods")
    assert writes() == []


@pytest.mark.usefixtures("node")
def test_check_mode_writes_nothing(run_module: RunModule, writes: Writes) -> None:
    answer = run_module("verify", {"phase": "active", "image": "app:1", "settle": 0}, check=True)
    assert results(answer)["probe-plain"] == "skipped"
    assert writes() == []


@pytest.mark.usefixtures("node")
def test_a_namespace_of_that_name_is_not_touched(run_module: RunModule, client: Client, writes: Writes) -> None:
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ambient-verify-outside"}}, "user")
    writes()
    answer = run_module("verify", {"phase": "active", "image": "app:1", "settle": 0})
    assert answer["msg"].startswith("Namespace ambient-verify-outside: this namespace has the name of the probe's")
    assert writes() == []
    client.request("DELETE", "/api/v1/namespaces/ambient-verify-outside")
    finalize = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ambient-verify-outside"}, "spec": {}}
    client.request("PUT", "/api/v1/namespaces/ambient-verify-outside/finalize", body=finalize)


@pytest.mark.usefixtures("node")
def test_the_probe_writes_in_its_own_namespaces_only(
    run_module: RunModule, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "REMOVE", 0.5)
    answer = run_module("verify", {"phase": "active", "image": "app:1", "settle": 0, "timeout": 1})
    found = results(answer)
    assert found["probe-plain"] in ("fail", "not-proven")
    assert found["probe-removed"] == "fail", "nobody empties namespaces here"
    seen = writes()
    spaces = "/api/v1/namespaces/"
    assert all(write["path"].startswith((f"{spaces}ambient-verify", "/apis/security.istio.io")) for write in seen)
    deleted = [write["path"] for write in seen if write["verb"] == "delete" and write["path"].count("/") == 4]
    assert deleted == [f"{spaces}ambient-verify", f"{spaces}ambient-verify-outside"]
