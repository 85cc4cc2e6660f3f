# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations on a real API server with Istio's CRDs, as site.yml brings them about: facts, plan, steps, way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import load_items
from bench.bare import _install_crds
from hypothesis import HealthCheck, given, settings
from unit.plugins.module_utils.adoption.test_adoption_properties import declarations

OWN_APISERVER = True  # with Istio's CRDs, and the inventory in istio-system
RunModule = Callable[..., dict[str, Any]]
SHOP = {"waypoints": [{"name": "waypoint", "namespace": "shop"}]}
USE = "istio.io/use-waypoint"
MODE = "istio.io/dataplane-mode"
POLICIES = ("AuthorizationPolicy", "PeerAuthentication")


@pytest.fixture(scope="module")
def users(client: Client) -> Client:
    """Two namespaces of users, each with two Services and what stands behind them."""
    _install_crds(client)
    for namespace in ("shop", "pay", "istio-system"):
        meta = {"name": namespace, "labels": {"team": namespace}}
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}, "users")
    for namespace in ("shop", "pay"):
        for name in ("cart", "web"):
            _application(client, namespace, name)
    return client


def _application(client: Client, namespace: str, name: str) -> None:
    labels = {"app": name}
    meta = {"name": name, "namespace": namespace, "labels": {**labels, "team": namespace}}
    ports = [{"port": 80, "protocol": "TCP"}]
    client.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": ports}}, "users"
    )
    pods = {"containers": [{"name": "main", "image": "a.example/b:1"}], "serviceAccountName": name}
    template = {"metadata": {"labels": labels}, "spec": pods}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    client.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}, "users")


class Site:
    """The part of site.yml that is about namespaces, in this process. No istiod and no waypoint stands behind it."""

    def __init__(self, run: RunModule, folder: Path) -> None:
        self._run = run
        self._folder = folder
        self.facts, self.objects = str(folder / "facts.json"), str(folder / "namespaces.json")
        self.manifests = str(folder / "policies.json")

    def plan(self, mesh: dict[str, Any], *manifests: Path) -> dict[str, Any]:
        offline = {"mesh": mesh, "kubeconfig": None, "host": None}
        given = {"facts": self.facts, "manifests": self.manifests}
        self.module("mesh_facts", mesh=mesh, dest=self.facts)
        paths = [str(path) for path in manifests]
        self.module("manifest_objects", **{**offline, "mesh": "default"}, manifests=paths, dest=self.manifests)
        self.module("namespace_objects", **offline, **given, dest=self.objects)
        report = self.apply(self.manifests, self.objects, check=True)["report_file"]
        return self.module("adoption", mesh=mesh, plan=report, work_dir=str(self._folder), **given)

    def bring(self, mesh: dict[str, Any], *manifests: Path) -> dict[str, Any]:
        """Plan and carry out; the plan."""
        plan = self.plan(mesh, *manifests)
        if plan["admits"]:
            self.apply(plan["admits"], prune=False, waves=[39])
        for wave in plan["waves"]:
            self.apply(self.manifests, prune=False, waves=[wave])
        for batch in plan["batches"]:
            self.steps(batch, "steps")
        self.apply(self.manifests, plan["file"] or self.objects)
        return plan

    def steps(self, batch: dict[str, Any], which: str) -> None:
        for step in batch[which]:
            self.apply(step, namespaces=batch["namespaces"])

    def apply(self, *files: str, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {
            "files": [*files],
            "work_dir": str(self._folder),
            "prune": True,
            "wait": False,
            "require_ready": False,
            **options,
        }
        return self.module("apply", check=check, **given)

    def module(self, name: str, check: bool = False, **args: Any) -> dict[str, Any]:
        result = self._run(name, args, check)
        assert not result.get("failed"), result
        return result


@pytest.fixture
def site(users: Client, run_module: RunModule, tmp_path: Path) -> Site:
    """A site whose namespaces are out of the mesh."""
    found = Site(run_module, tmp_path)
    found.bring({})
    return found


def bring_twice(site: Site, mesh: dict[str, Any], writes: Callable[[], list[dict[str, str]]]) -> None:
    """The second time there is nothing to do, to say, and to write, neither to the cluster nor to the files."""
    site.bring(mesh)
    files = Path(site.facts).read_bytes(), Path(site.objects).read_bytes()
    writes()
    again = site.bring(mesh)
    assert (again["batches"], again["summary"], writes()) == ([], [], [])
    assert (Path(site.facts).read_bytes(), Path(site.objects).read_bytes()) == files


def declare(waypoints: Any = None, **shop: Any) -> dict[str, Any]:
    return {
        "waypoints": SHOP["waypoints"] if waypoints is None else waypoints,
        "namespaces": [{"name": "shop", **shop}],
    }


def ours(client: Client) -> dict[str, Any]:
    """All that a declaration may set: policies by name, and the labels of the rest that are Istio's."""
    found: dict[str, Any] = {}
    for kind in POLICIES:
        for obj in client.list("security.istio.io/v1", kind):
            meta = obj["metadata"]
            found[f"{kind} {meta['namespace']}/{meta['name']}"] = (obj.get("spec"), meta["labels"])
    for version, kind in (("v1", "Namespace"), ("v1", "Service"), ("apps/v1", "Deployment")):
        for obj in client.list(version, kind):
            labels = {**obj["metadata"].get("labels", {})}
            labels |= obj["spec"].get("template", {}).get("metadata", {}).get("labels", {})
            mesh = {key: value for key, value in labels.items() if key.startswith("istio.io/")}
            if mesh:
                found[f"{kind} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"] = mesh
    return found


def theirs(client: Client) -> dict[str, Any]:
    """All that belongs to the users: UIDs, and every field under their manager."""
    found = {}
    for version, kind in (("v1", "Namespace"), ("v1", "Service"), ("apps/v1", "Deployment")):
        for obj in client.list(version, kind):
            fields = [each for each in obj["metadata"].get("managedFields", []) if each["manager"] == "users"]
            if fields:
                key = f"{kind} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
                spec = json.loads(json.dumps(obj.get("spec", {})))
                spec.get("template", {}).get("metadata", {}).get("labels", {}).pop(USE, None)
                labels = {k: v for k, v in obj["metadata"]["labels"].items() if not k.startswith("istio.io/")}
                found[key] = (obj["metadata"]["uid"], labels, spec, fields[0]["fieldsV1"])
    return found


def expected(site: Site) -> dict[str, Any]:
    """What the file of objects amounts to, in the words of `ours`."""
    found: dict[str, Any] = {}
    for item in load_items([site.objects]).items:
        if item.releases:
            continue
        obj, meta = item.object, item.object["metadata"]
        key = f"{item.identity.kind} {meta.get('namespace', '')}/{meta['name']}"
        if not item.patch:
            found[key] = (obj.get("spec"), meta["labels"])
        elif item.identity.kind in ("Namespace", "Service"):
            found[key] = meta["labels"]
        else:
            found[key] = obj["spec"]["template"]["metadata"]["labels"]
    return found


BATCH = {"name": "cart", "waypoint": "waypoint"}
WAY = [
    declare(state="l4"),
    declare(state="l4-strict", exceptions=[{"allow": "plaintext", "selector": {"app": "web"}, "ports": [80]}]),
    declare(state="l4-strict", services=[{"name": "web", "waypoint": "waypoint"}]),
    declare(state="l4", waypoints=[{**SHOP["waypoints"][0], "for": "all"}], service_accounts=[BATCH]),
    declare(state="l7", exceptions=[{"allow": "direct", "ports": [9090]}]),
    declare(state="l7", default_deny=True, services=[{"name": "web", "waypoint": "none"}]),
    declare(state="l4-strict", default_deny=True),
    declare(state="l4"),
    declare(state="off"),
]


def test_a_namespace_goes_all_the_way_and_back_and_what_is_the_users_stays(site: Site, users: Client) -> None:
    before = theirs(users)
    for mesh in WAY:
        planned = site.bring(mesh)
        assert planned["summary"] and [batch["namespaces"] for batch in planned["batches"]] == [["shop"]]
        assert ours(users) == expected(site)
        assert theirs(users) == before
    assert ours(users) == {}


def test_applying_twice_is_silent(site: Site, users: Client, writes: Callable[[], list[dict[str, str]]]) -> None:
    for mesh in (WAY[3], WAY[5]):
        bring_twice(site, mesh, writes)


@pytest.mark.parametrize(
    ("first", "second"),
    [({}, WAY[5]), (WAY[0], WAY[5]), (WAY[5], WAY[0]), (WAY[3], WAY[4]), (WAY[1], WAY[2])],
    ids=["new", "in", "out", "accounts", "services"],
)
def test_the_way_back_brings_back_exactly_what_was_there(
    site: Site, users: Client, first: dict[str, Any], second: dict[str, Any]
) -> None:
    site.bring(first)
    before = ours(users)
    plan = site.plan(second)
    for batch in plan["batches"]:
        site.steps(batch, "steps")
    assert ours(users) == expected(site) != before
    for batch in plan["batches"]:
        site.steps(batch, "undo_steps")
    assert ours(users) == before
    uids = {obj["metadata"]["uid"] for kind in POLICIES for obj in users.list("security.istio.io/v1", kind)}
    assert site.bring(first)["batches"] == [], "the way back is as good as the first way"
    assert uids == {obj["metadata"]["uid"] for kind in POLICIES for obj in users.list("security.istio.io/v1", kind)}


def test_what_is_no_longer_declared_goes_in_batches_too(site: Site, users: Client) -> None:
    site.bring(WAY[5])
    plan = site.bring({})
    assert [batch["namespaces"] for batch in plan["batches"]] == [["shop"]]
    assert len(plan["batches"][0]["steps"]) == 2, "the default deny goes before the way changes"
    assert "namespace shop leaves the mesh; its pods are not restarted" in plan["summary"]
    assert ours(users) == {}


def test_a_plan_writes_nothing(site: Site, users: Client, writes: Callable[[], list[dict[str, str]]]) -> None:
    writes()
    assert site.plan(WAY[5])["batches"]
    assert writes() == []
    assert ours(users) == {}


ALLOW = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web-callers, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  rules: [{from: [{source: {namespaces: [pay]}}]}]
"""
MOVED = declare(state="l7", waypoints=[*SHOP["waypoints"], {"name": "new", "namespace": "shop"}], waypoint="new")


@pytest.mark.parametrize("after", [WAY[4], MOVED], ids=["the waypoint stays", "another waypoint"])
def test_a_waypoint_is_let_in_before_a_policy_comes_and_until_it_is_gone(
    site: Site, users: Client, writes: Callable[[], list[dict[str, str]]], tmp_path: Path, after: dict[str, Any]
) -> None:
    allow = tmp_path / "allow.yml"
    allow.write_text(ALLOW)
    site.bring(WAY[4])
    writes()
    assert site.bring(after, allow)["admits"]
    names = policies_in(writes())
    assert names.index("ambient-admit-waypoint") < names.index("web-callers"), names
    beside = sorted(name for name in ours(users) if "shop/ambient-admit" in name or "web-callers" in name)
    assert len(beside) == 2, beside
    assert ours(users).items() >= expected(site).items()

    again = site.bring(after, allow)
    assert (again["admits"], again["file"], policies_in(writes())) == ("", "", [])

    assert site.bring(after)["file"]
    assert policies_in(writes()) == ["web-callers", f"ambient-admit-{beside[0].split('-')[2]}"]
    site.plan(after)
    assert ours(users) == expected(site)
    assert site.bring(after)["batches"] == [] and policies_in(writes()) == []


def test_a_policy_that_fails_to_come_leaves_the_waypoint_let_in(site: Site, users: Client, tmp_path: Path) -> None:
    allow = tmp_path / "allow.yml"
    allow.write_text(ALLOW)
    site.bring(WAY[4])
    plan = site.plan(WAY[5], allow)
    site.apply(plan["admits"], prune=False, waves=[39])
    site.apply(site.manifests, prune=False, waves=[40])
    (batch,) = plan["batches"]
    site.steps(batch, "steps")
    site.steps(batch, "undo_steps")
    assert [name for name in ours(users) if "shop/ambient-admit-waypoint" in name], "the policy is still there"


def test_another_trust_domain_than_istiods_is_refused_unless_the_run_brings_it(
    site: Site, users: Client, run_module: RunModule
) -> None:
    mesh = declare(state="l7")
    assert site.plan(mesh)["batches"] != []
    report = Path(site.apply(site.objects, check=True)["report_file"])
    asked = {"mesh": mesh, "plan": str(report), "facts": site.facts, "work_dir": str(report.parent)}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}}
    users.apply({**config, "data": {"mesh": "trustDomain: td.example"}}, "tests")
    try:
        refused = run_module("adoption", asked)
        named = run_module("adoption", {**asked, "trust_domain": "td.example"})
        changes = {"object": "v1 ConfigMap istio-system/istio", "wave": 0, "action": "changed", "role": "control_plane"}
        planned = json.loads(report.read_text())
        report.write_text(json.dumps({**planned, "objects": [*planned["objects"], changes]}))
        brought = run_module("adoption", asked)
    finally:
        users.delete(Identity.of(config))

    assert refused["failed"]
    assert refused["msg"].startswith("trust_domain: is cluster.local, and istiod has td.example")
    assert [len(found["batches"]) for found in (named, brought)] == [1, 1]


def policies_in(requests: list[dict[str, str]]) -> list[str]:
    """The names of the AuthorizationPolicies that were written, in that order, without the digests of ours."""
    names = [each["path"].partition("/authorizationpolicies/")[2].partition("?")[0] for each in requests]
    found = [name.rpartition("-")[0] if name.startswith("ambient-admit") else name for name in names if name]
    return list(dict.fromkeys(found))


@given(declarations(), declarations())
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_sequence_ends_in_its_last_declaration(
    site: Site, users: Client, first: dict[str, Any], second: dict[str, Any]
) -> None:
    before = theirs(users)
    for mesh in (first, second):
        site.bring(mesh)
        assert ours(users) == expected(site)
        assert theirs(users) == before
