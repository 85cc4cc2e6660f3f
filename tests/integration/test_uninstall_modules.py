# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""uninstall_objects and leftovers against an API server of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client

OWN_APISERVER = True
MESH = {"ambient.alauda.io/mesh": "default"}
Run = Callable[..., dict[str, Any]]


def config_map(name: str, namespace: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, **metadata}}


@pytest.fixture(scope="module", autouse=True)
def cluster(client: Client) -> None:
    """Namespaces, something of ours, something of istiod's, something of a user's."""
    for name in ("istio-system", "shop"):
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "tests")
    enrolled = {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}}
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": enrolled}, "alauda.ambient/enrolment")
    leader = {"control-plane.alpha.kubernetes.io/leader": "{}"}
    for obj in (
        config_map("istio", "istio-system", labels=MESH),
        config_map("istio-ca-root-cert", "istio-system"),
        config_map("istio-ca-root-cert", "shop"),
        config_map("istio-leader", "istio-system", annotations=leader),
        config_map("istio-of-a-user", "shop"),
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "istio-gateway-deployment", "namespace": "istio-system"},
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "istio-ca-secret", "namespace": "istio-system"}},
    ):
        client.apply(obj, "tests")


def names(path: Path) -> set[str]:
    items = json.loads(path.read_text())["items"]
    return {
        f"{item['object']['kind']} {item['object']['metadata']['name']}{' patch' * item['patch']}" for item in items
    }


def test_uninstall_objects_finds_writes_nothing_and_repeats_itself(
    run_module: Run, writes: Callable[[], list[Any]], tmp_path: Path
) -> None:
    dest = tmp_path / "uninstall.json"
    first = run_module("uninstall_objects", {"dest": str(dest)})
    assert names(dest) == {"ConfigMap istio", "Namespace shop patch"}
    assert first["changed"] is False
    assert first["enrolled_by_others"] == []
    assert [kept["object"] for kept in first["kept"]] == ["Secret istio-system/istio-ca-secret"]
    assert first["summary"] == [
        "stays: Secret istio-system/istio-ca-secret (goes with ambient_uninstall_remove_ca_secret: true)"
    ]
    stamp = dest.stat().st_mtime_ns
    assert run_module("uninstall_objects", {"dest": str(dest)}, check=True)["count"] == first["count"] == 2
    assert dest.stat().st_mtime_ns == stamp
    assert writes() == []


def test_a_namespace_that_somebody_else_enrolled_is_named(run_module: Run, client: Client, tmp_path: Path) -> None:
    labels = {"istio.io/dataplane-mode": "ambient"}
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs", "labels": labels}}, "them")
    result = run_module("uninstall_objects", {"dest": str(tmp_path / "x.json")})
    assert result["enrolled_by_others"] == ["theirs"]


def test_the_file_takes_it_away(run_module: Run, client: Client, tmp_path: Path) -> None:
    client.apply(config_map("doomed", "istio-system", labels={"ambient.alauda.io/mesh": "small"}), "tests")
    dest = tmp_path / "uninstall.json"
    run_module("uninstall_objects", {"dest": str(dest), "mesh": "small"})
    options = {"files": [str(dest)], "mesh": "small", "state": "absent", "work_dir": str(tmp_path), "waves": [-10]}
    assert run_module("apply", options)["changed"] is True
    assert client.get("v1", "ConfigMap", "doomed", "istio-system") is None
    assert client.get("v1", "ConfigMap", "istio", "istio-system") is not None


def test_leftovers_refuse_while_istiod_runs(run_module: Run, client: Client, writes: Callable[[], list[Any]]) -> None:
    container = {"name": "discovery", "image": "pilot"}
    template = {"metadata": {"labels": {"app": "istiod"}}, "spec": {"containers": [container]}}
    istiod = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": "istio-system", "labels": {"app": "istiod"}},
        "spec": {"selector": {"matchLabels": {"app": "istiod"}}, "template": template},
    }
    client.apply(istiod, "tests")
    writes()
    result = run_module("leftovers", {})
    assert result["failed"] is True
    assert result["msg"].startswith("Deployment istio-system/istiod: istiod is still there")
    assert writes() == []
    client.request("DELETE", "/apis/apps/v1/namespaces/istio-system/deployments/istiod")


def test_leftovers_check_remove_and_repeat(run_module: Run, client: Client, writes: Callable[[], list[Any]]) -> None:
    expected = [
        "ConfigMap istio-system/istio-ca-root-cert",
        "ConfigMap istio-system/istio-leader",
        "ConfigMap shop/istio-ca-root-cert",
        "Lease istio-system/istio-gateway-deployment",
    ]
    foreseen = run_module("leftovers", {}, check=True)
    assert (foreseen["changed"], sorted(foreseen["removed"])) == (True, expected)
    assert writes() == []
    assert sorted(run_module("leftovers", {})["removed"]) == expected
    again = run_module("leftovers", {})
    assert (again["changed"], again["removed"]) == (False, [])
    assert client.get("v1", "ConfigMap", "istio-of-a-user", "shop") is not None
    assert client.get("v1", "Secret", "istio-ca-secret", "istio-system") is not None


def test_the_root_key_goes_when_asked_for(run_module: Run, client: Client) -> None:
    result = run_module("leftovers", {"ca_secret": True})
    assert (result["changed"], result["removed"]) == (True, ["Secret istio-system/istio-ca-secret"])
    assert client.get("v1", "Secret", "istio-ca-secret", "istio-system") is None


@pytest.mark.parametrize("name", ["uninstall_objects", "leftovers"])
def test_an_api_that_does_not_answer_is_one_line(run_module: Run, name: str, tmp_path: Path) -> None:
    dest = {"dest": str(tmp_path / "x.json")} if name == "uninstall_objects" else {}
    result = run_module(name, {"host": "https://127.0.0.1:1", "api_key": "x", **dest})
    assert result["failed"] is True
    assert "\n" not in result["msg"]
    assert "127.0.0.1:1" in result["msg"]
