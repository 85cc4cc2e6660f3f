# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access on a real API server with Istio's CRDs: one declaration, another, none; and what is the users' stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from test_adoption import BATCH, POLICIES, SHOP, Site, bring_twice, declare, ours, policies_in, site, theirs, users

OWN_APISERVER = True  # with Istio's CRDs, and the inventory in istio-system
__all__ = ["site", "users"]  # fixtures
WEB, OPS = {"service_account": "web"}, {"namespace": "ops"}
CART: dict[str, Any] = {"to": {"service": "cart"}, "from": [WEB]}
JWT = {"issuer": "https://id.example", "jwks_uri": "https://id.example/keys", "claims": {"groups": ["admin"]}}
READS: dict[str, Any] = {**CART, "ports": [80], "methods": ["GET"], "paths": ["/users/{*}/cart"], "jwt": JWT}
ALL: dict[str, Any] = {"from": [OPS, {"service": "pay/web"}]}
OPEN = [{**SHOP["waypoints"][0], "lock_down": False}]
KINDS = (*POLICIES, "RequestAuthentication")
POLICY = ("security.istio.io/v1", "AuthorizationPolicy")
WAY = [
    declare(state="l4", access=[CART]),
    declare(state="l4-strict", access=[{**CART, "from": [WEB, OPS], "ports": [80]}, ALL]),
    declare(state="l7", access=[READS, ALL]),
    declare(state="l7", default_deny=True, access=[READS, {**CART, "to": {"service_account": "web"}}]),
    declare(state="l7", waypoints=OPEN, services=[{"name": "web", "waypoint": "none"}], access=[READS]),
    declare(state="l7", waypoints=OPEN),
    declare(state="l4", services=[BATCH], access=[READS]),
]


def live(client: Client) -> dict[str, Any]:
    """Every policy by kind and name: its spec."""
    return {
        f"{kind} {obj['metadata']['namespace']}/{obj['metadata']['name']}": obj.get("spec")
        for kind in KINDS
        for obj in client.list("security.istio.io/v1", kind)
    }


def wanted(site: Site, mesh: dict[str, Any]) -> dict[str, Any]:
    offline = {"mesh": mesh, "kubeconfig": None, "host": None}
    shown = site.module("policy_objects", **offline, facts=site.facts)["objects"]
    return {f"{obj['kind']} {obj['metadata']['namespace']}/{obj['metadata']['name']}": obj["spec"] for obj in shown}


@pytest.fixture
def eyes(users: Client, apiserver: Any) -> Client:
    """A client that knows all kinds: one that was there before the CRDs may have learnt of some of them alone."""
    return connect({"kubeconfig": apiserver.kubeconfig})


@pytest.fixture
def own(users: Client) -> Iterator[Client]:
    """A policy of the users that opens a Service, and stays whatever is declared."""
    spec = {"selector": {"matchLabels": {"app": "web"}}, "rules": [{"from": [{"source": {"namespaces": ["pay"]}}]}]}
    meta = {"name": "ambient-allow-of-the-users", "namespace": "shop"}
    obj = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}
    users.apply(obj, "users")
    yield users
    users.delete(Identity.of(obj))


def test_one_declaration_another_and_none_and_what_is_the_users_stays(site: Site, users: Client, eyes: Client) -> None:
    before = theirs(users)
    for mesh in WAY:
        site.bring(mesh)
        assert live(eyes) == wanted(site, mesh)
        assert theirs(users) == before
    site.bring({})
    assert live(eyes) == {} == ours(users)


def test_applying_twice_is_silent(
    site: Site, users: Client, eyes: Client, writes: Callable[[], list[dict[str, str]]]
) -> None:
    for mesh in (WAY[1], WAY[2], WAY[3]):
        bring_twice(site, mesh, writes)


@pytest.mark.parametrize(
    ("first", "second"),
    [(0, 2), (2, 0), (2, 3), (3, 4), (4, 6), (6, 0), (3, 5)],
)
def test_the_way_back_brings_back_exactly_what_was_there(
    site: Site, users: Client, eyes: Client, first: int, second: int
) -> None:
    site.bring(WAY[first])
    before = live(eyes)
    for batch in site.plan(WAY[second])["batches"]:
        site.steps(batch, "steps")
        assert live(eyes) == wanted(site, WAY[second]) != before
        site.steps(batch, "undo_steps")
    assert live(eyes) == before
    assert site.bring(WAY[first])["batches"] == []


def test_a_plan_says_who_may_call_and_changes_nothing(
    site: Site, users: Client, eyes: Client, writes: Callable[[], list[dict[str, str]]]
) -> None:
    site.bring(declare(state="l4"))
    writes()
    plan = site.plan(WAY[0])
    assert plan["summary"] == [
        "Service shop/cart takes calls from service account shop/web alone from now on; everybody else is refused"
    ]
    assert writes() == [] and live(eyes) == {}


def test_a_caller_more_is_one_edit_in_place(
    site: Site, users: Client, eyes: Client, writes: Callable[[], list[dict[str, str]]]
) -> None:
    site.bring(WAY[0])
    (uid,) = (obj["metadata"]["uid"] for obj in users.list("security.istio.io/v1", "AuthorizationPolicy"))
    writes()
    plan = site.bring(declare(state="l4", access=[{**CART, "from": [WEB, OPS]}]))
    assert plan["summary"] == ["Service shop/cart takes calls from namespace ops, too"]
    assert policies_in(writes()) == ["ambient-allow-service-cart"]
    assert [obj["metadata"]["uid"] for obj in users.list("security.istio.io/v1", "AuthorizationPolicy")] == [uid]


def test_the_port_of_the_pod_is_read_from_the_cluster(site: Site, users: Client, eyes: Client) -> None:
    site.bring(declare(state="l4", access=[{**CART, "ports": [80]}]))
    seen = json.loads(Path(site.facts).read_text())["namespaces"]
    assert set(seen) == {"shop"}
    assert {each["name"]: each["ports"] for each in seen["shop"]["services"]}["cart"] == [{"number": 80, "target": 80}]
    site.bring(declare(state="l4", access=[{**CART, "from": [{"service": "pay/web"}]}]))
    assert set(json.loads(Path(site.facts).read_text())["namespaces"]) == {"pay", "shop"}


def test_a_policy_of_the_users_is_theirs_whatever_it_is_called(site: Site, own: Client, eyes: Client) -> None:
    name = "AuthorizationPolicy shop/ambient-allow-of-the-users"
    there = live(eyes)[name]
    none: dict[str, Any] = {}
    for mesh in (WAY[2], none):
        site.bring(mesh)
        assert live(eyes)[name] == there
        selectors = [spec.get("selector") for key, spec in live(eyes).items() if "shop/ambient-admit" in key]
        assert ({"matchLabels": {"app": "web"}} in selectors) == bool(mesh), "the waypoint is let in beside it, too"


def native(action: str, value: str | None) -> dict[str, Any]:
    """A policy of the users by clients, for the pods of cart; `value`: of its annotation for a dry run."""
    annotations = {} if value is None else {"annotations": {"istio.io/dry-run": value}}
    meta = {"name": "native", "namespace": "shop", "labels": {"app": "cart"}, **annotations}
    by_client = [{"from": [{"source": {"principals": ["cluster.local/ns/ops/sa/x"]}}]}]
    spec = {"action": action, "selector": {"matchLabels": {"app": "cart"}}, "rules": by_client}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}


@pytest.fixture
def let_go(users: Client) -> Iterator[None]:
    """Takes the policy away, whoever has brought it."""
    yield
    users.delete(Identity.of(native("ALLOW", None)))


L7_OPEN = declare(state="l7", waypoints=OPEN)


def admits(client: Client) -> list[str]:
    return [name for name in live(client) if "/ambient-admit-" in name]


@pytest.mark.parametrize("action", ["ALLOW", "DENY"])
def test_a_policy_in_dry_run_changes_nothing_that_we_write(
    site: Site, users: Client, eyes: Client, let_go: None, action: str
) -> None:
    """An ALLOW of ours beside it would shut out all who call the pods past the waypoint."""
    site.bring(L7_OPEN)
    alone = ours(users)
    site.bring({})
    users.apply(native(action, "1"), "users")
    plan = site.bring(L7_OPEN)
    written = {key: value for key, value in ours(users).items() if key != "AuthorizationPolicy shop/native"}
    assert (written, plan["admits"], admits(eyes)) == (alone, "", [])
    assert [line for line in plan["summary"] if "native" in line] == []


def test_what_a_manifest_wakes_is_admitted_first_and_what_it_puts_to_sleep_is_not(
    site: Site, users: Client, eyes: Client, let_go: None, tmp_path: Path
) -> None:
    file = tmp_path / "native.json"
    waking = []
    for value in ("true", None, "t"):
        file.write_text(json.dumps(native("ALLOW", value)))
        waking.append((bool(site.bring(L7_OPEN, file)["admits"]), len(admits(eyes))))
    assert waking == [(False, 0), (True, 1), (False, 0)]


def test_a_dry_run_that_somebody_else_holds_lasts_through_our_manifest(
    site: Site, users: Client, eyes: Client, let_go: None, tmp_path: Path
) -> None:
    file = tmp_path / "native.json"
    file.write_text(json.dumps(native("ALLOW", None)))
    site.bring(L7_OPEN, file)
    assert len(admits(eyes)) == 1
    annotation = native("ALLOW", "true")
    users.apply({key: value for key, value in annotation.items() if key != "spec"}, "kubectl-annotate")
    site.bring(L7_OPEN, file)
    (policy,) = (obj for obj in eyes.list(*POLICY) if obj["metadata"]["name"] == "native")
    assert policy["metadata"]["annotations"]["istio.io/dry-run"] == "true"
    assert admits(eyes) == []
