# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_info on a real API server; the test plays istiod."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import KINDS
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from bench.bare import _install_crds
from devcluster import assets
from unit.plugins.module_utils.authz.small_world import app, may, namespace, policy, waypoint

OWN_APISERVER = True  # at first without Istio's CRDs
RunModule = Callable[..., dict[str, Any]]
ASK = {"query": "can", "from": "shop/web", "to": "shop/cart", "method": "GET", "path": "/p"}
SECURITY = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways"


def _apply(client: Client, *objects: dict[str, Any]) -> None:
    for obj in objects:
        sent = {key: value for key, value in obj.items() if key != "status"}
        if sent["kind"] == "Deployment":
            template = sent["spec"]["template"]
            containers = [{**each, "image": "a.example/b:1"} for each in template["spec"]["containers"]]
            spec = {**template, "spec": {**template["spec"], "containers": containers}}
            sent["spec"] = {"selector": {"matchLabels": template["metadata"]["labels"]}, "template": spec}
        client.apply(sent, "users")


def _status(client: Client, path: str, **status: Any) -> None:
    client.request("PUT", f"{path}/status", body={**client.request("GET", path), "status": status})


@pytest.fixture(scope="module")
def bare(client: Client) -> Client:
    """A shop in the mesh, without any kind of Istio."""
    _apply(client, namespace("shop", use_waypoint="waypoint"), *app("cart"), *app("web"))
    return client


@pytest.fixture(scope="module")
def mesh(bare: Client) -> Client:
    """The same with Istio's kinds, a waypoint that is not ready, and a policy at it."""
    _install_crds(bare)
    for file in sorted(assets.gateway_api_crds().glob("*.yaml")):
        for crd in filter(None, yaml.safe_load_all(file.read_text())):
            if crd["kind"] == "CustomResourceDefinition":
                bare.apply(crd, "users")
    rule = may("shop/web", methods=["GET"])
    objects = [waypoint(), policy("l7", rule, on="Service/cart")]
    objects[1]["spec"]["targetRefs"][0]["group"] = ""
    deadline = time.monotonic() + 30
    while not all(bare.exists_kind(*kind) for kind in KINDS) and time.monotonic() < deadline:
        time.sleep(0.2)
        bare.discovery.refresh()
    _apply(bare, *objects)
    return bare


def _limited(client: Client, *missing: str) -> dict[str, str]:
    """A user who may list every kind of the world but these."""
    name = "but-" + "-".join(missing)
    groups: dict[str, list[str]] = {}
    for version, kind in KINDS:
        plural = re.sub("cys$|rys$", lambda found: f"{found[0][0]}ies", f"{kind.lower()}s")
        if plural not in missing:
            groups.setdefault(version.rpartition("/")[0], []).append(plural)
    rules = [{"apiGroups": [group], "resources": found, "verbs": ["list"]} for group, found in groups.items()]
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": name}
    client.apply({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}, "users")
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": name}],
    }
    client.apply(binding, "users")
    return {"impersonate_user": name}


def test_kinds_that_are_not_served_count_as_empty(bare: Client, run_module: RunModule) -> None:
    if bare.exists_kind("security.istio.io/v1", "AuthorizationPolicy"):
        pytest.fail("the kinds of Istio must come later")
    answer = run_module("mesh_info", ASK)["answer"]
    assert (answer["verdict"], answer["would"]) == ("not enforced", "allowed")
    assert "the waypoint shop/waypoint is not there" in answer["reason"]


def test_a_waypoint_counts_from_when_istiod_says_so(
    mesh: Client, run_module: RunModule, writes: Callable[[], list[dict[str, str]]]
) -> None:
    refused = {**ASK, "from": "shop/cart"}
    answer = run_module("mesh_info", refused)["answer"]
    assert (answer["verdict"], answer["would"], answer["as_written"]) == ("not enforced", "denied", False)
    assert "the waypoint shop/waypoint is not ready" in answer["reason"]
    condition = {
        "type": "Programmed",
        "status": "True",
        "reason": "Programmed",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    _status(mesh, f"{GATEWAYS}/waypoint", conditions=[condition])
    assert run_module("mesh_info", refused)["answer"]["verdict"] == "not enforced", "it has no address yet"
    _status(
        mesh, f"{GATEWAYS}/waypoint", conditions=[condition], addresses=[{"type": "IPAddress", "value": "10.0.0.9"}]
    )
    writes()
    assert run_module("mesh_info", refused)["answer"]["verdict"] == "denied"
    assert run_module("mesh_info", ASK, check=True)["answer"]["verdict"] == "allowed"
    assert run_module("mesh_info", {**ASK, "method": "POST"})["answer"]["verdict"] == "denied"
    rows = run_module("mesh_info", {"query": "matrix", "namespace": "shop"})
    verdicts = {
        row["to"]: [group["verdict"] for group in (*row["groups"], row["others"])] for row in rows["matrix"]["services"]
    }
    assert verdicts == {"shop/cart": ["depends", "denied"], "shop/web": ["allowed"]}
    explained = run_module("mesh_info", {"query": "explain", "of": "shop/cart"})
    assert (explained["changed"], explained["explanation"]["state"]) == (False, "l7")
    assert writes() == []


def test_a_policy_that_is_not_accepted_is_not_enforced(mesh: Client, run_module: RunModule) -> None:
    condition = {"type": "WaypointAccepted", "status": "False", "reason": "AncestorNotBound"}
    _status(mesh, f"{SECURITY}/l7", conditions=[condition])
    answer = run_module("mesh_info", {**ASK, "from": "shop/cart"})["answer"]
    assert answer["verdict"] == "not enforced"
    assert "AncestorNotBound" in answer["reason"] or "not ready" in answer["reason"]
    _status(mesh, f"{SECURITY}/l7", conditions=[{**condition, "status": "True", "reason": "Accepted"}])


@pytest.mark.parametrize("missing", ["authorizationpolicies", "pods", "serviceaccounts", "gateways"])
def test_a_missing_right_names_the_kind(mesh: Client, run_module: RunModule, missing: str) -> None:
    result = run_module("mesh_info", {**ASK, **_limited(mesh, missing)})
    assert result["failed"] and f'cannot list resource "{missing}"' in result["msg"], result
    assert result["msg"].endswith(". The user of this kubeconfig lacks the right")


def test_the_rights_of_the_document_suffice(mesh: Client, run_module: RunModule) -> None:
    result = run_module("mesh_info", {**ASK, **_limited(mesh)})
    assert not result.get("failed"), result


def test_what_is_not_there_is_an_error(mesh: Client, run_module: RunModule) -> None:
    result = run_module("mesh_info", {**ASK, "from": "shop/wep"})
    assert result["msg"] == "from: there is no service account shop/wep. Did you mean shop/web?"


def test_the_trust_domain_is_that_of_istiod(mesh: Client, run_module: RunModule) -> None:
    doubt = "there is no ConfigMap istio-system/istio; the trust domain is taken for cluster.local"
    unsure = run_module("mesh_info", ASK)
    assert unsure["notes"][0].startswith(doubt) and unsure["summary"][-1] == f"note: {unsure['notes'][0]}"
    config = {"metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": "trustDomain: td.example"}}
    _apply(mesh, namespace("istio-system", enrolled=False), {"apiVersion": "v1", "kind": "ConfigMap", **config})
    assert run_module("mesh_info", ASK)["notes"] == []
    refused = run_module("mesh_info", {**ASK, "trust_domain": "cluster.local"})
    assert refused["msg"].startswith("trust_domain: is cluster.local, and istiod has td.example")
    blind = run_module("mesh_info", {**ASK, **_limited(mesh)})
    assert blind["notes"][0].startswith("ConfigMap istio-system/istio may not be read")
