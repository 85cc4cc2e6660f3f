# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from a cluster: as little as the declaration needs, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.beside import with_attached
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Attached, Facts
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.survey import owner_of, survey
from unit.plugins.module_utils.mesh.mesh_world import (
    SHOP,
    calls_from,
    declared,
    items,
    policy,
    seen,
    service,
    specs,
    workload,
)

L7 = declared({"state": "l7"})
SERVICES = declared({"services": [{"name": "cart", "waypoint": "waypoint"}]})
GATEWAY = {"gateway.networking.k8s.io/gateway-name": "waypoint"}


class Cluster:
    """Lists what it holds, and counts."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = objects
        self.lists: Counter[tuple[str, str | None]] = Counter()

    def list(self, dummy_version: str, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        self.lists[kind, namespace] += 1
        return [
            each for each in self.objects if each["kind"] == kind and namespace in (None, each["metadata"]["namespace"])
        ]


def thing(kind: str, name: str, namespace: str = "shop", spec: Any = None, **metadata: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec or {}}


def deployment(name: str, account: str = "", **metadata: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": account} if account else {}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return thing("Deployment", name, spec=spec, **metadata)


def pod(name: str, maker: str = "", phase: str = "Running", **labels: str) -> dict[str, Any]:
    owners = [{"kind": maker, "name": "maker", "controller": True}] if maker else []
    return {**thing("Pod", name, labels=labels, ownerReferences=owners), "status": {"phase": phase}}


def test_nothing_is_asked_where_nothing_is_bound() -> None:
    cluster = Cluster()
    assert survey(cluster, parse_mesh(declared({"state": "l4-strict"}, {"name": "off", "state": "off"}))) == Facts()
    assert not cluster.lists


def test_a_namespace_behind_a_waypoint_needs_its_policies_alone_and_where_it_is_locked_down_its_services() -> None:
    policies = {("AuthorizationPolicy", "shop"): 1, ("AuthorizationPolicy", "istio-system"): 1}
    free, locked = Cluster(), Cluster(thing("Service", "db", spec={"selector": {"a": "b"}, "clusterIP": "None"}))
    survey(free, parse_mesh(declared({"state": "l7"}, waypoints=[{**SHOP, "lock_down": False}])))
    assert free.lists == policies
    facts = survey(locked, parse_mesh(L7))
    assert locked.lists == {**policies, ("Service", "shop"): 1}
    assert [(each.name, each.headless) for each in facts.namespaces["shop"].services] == [("db", True)]


def test_ports_that_are_called_directly_need_their_numbers() -> None:
    cluster = Cluster()
    survey(cluster, parse_mesh(declared({"state": "l7", "exceptions": [{"allow": "direct", "ports": [7000]}]})))
    assert cluster.lists["Service", "shop"] == cluster.lists["StatefulSet", "shop"] == 1


def test_single_services_need_what_stands_behind_them() -> None:
    cluster = Cluster()
    survey(cluster, parse_mesh(SERVICES))
    kinds = ["Service", "Deployment", "StatefulSet", "DaemonSet", "Pod"]
    assert cluster.lists == {
        ("AuthorizationPolicy", "istio-system"): 1,
        **{(kind, "shop"): 1 for kind in [*kinds, "AuthorizationPolicy"]},
    }


def test_whoever_says_who_may_call_hears_of_policies_that_let_others_in() -> None:
    cluster = Cluster()
    survey(cluster, parse_mesh(declared({"access": [{"from": [{"any": True}]}]}, waypoints=[])))
    assert cluster.lists["AuthorizationPolicy", "shop"] == cluster.lists["AuthorizationPolicy", "istio-system"] == 1


@pytest.mark.parametrize(("count", "where"), [(20, "each"), (21, "cluster")])
def test_many_namespaces_are_read_at_once(count: int, where: str) -> None:
    names = [f"n{number}" for number in range(count)]
    services = [{"name": "cart", "waypoint": "waypoint"}]
    value = declared(
        *({"name": name, "services": services} for name in names),
        waypoints=[{**SHOP, "namespace": name} for name in names],
    )
    cluster = Cluster(thing("Service", "cart", "n3", {"selector": {"app": "cart"}}), thing("Service", "x", "other"))
    facts = survey(cluster, parse_mesh(value))

    asked = Counter(kind for kind, _namespace in cluster.lists.elements())
    assert asked["Service"] == asked["Pod"] == (1 if where == "cluster" else count)
    assert sorted(facts.namespaces) == sorted(names)
    assert facts.namespaces["n3"].services == (service("cart"),)
    assert facts.namespaces["n4"].services == ()


def test_services_of_gateways_and_names_outside_are_left_out() -> None:
    facts = survey(
        Cluster(
            thing("Service", "cart", spec={"selector": {"app": "cart"}}),
            thing("Service", "elsewhere", spec={"type": "ExternalName"}),
            thing("Service", "waypoint", spec={"selector": {"a": "b"}}, labels=GATEWAY),
            deployment("waypoint", labels=GATEWAY),
        ),
        parse_mesh(SERVICES),
    )
    assert facts.namespaces["shop"].services == (service("cart"),)
    assert facts.namespaces["shop"].workloads == ()


def test_named_ports_of_native_sidecars_are_read_and_of_two_with_one_name_the_first_of_tcp() -> None:
    proxied = deployment("cart")
    proxied["spec"]["template"]["spec"] |= {
        "containers": [{"ports": [{"name": "web", "containerPort": 53, "protocol": "UDP"}]}],
        "initContainers": [
            {"restartPolicy": "Always", "ports": [{"name": "web", "containerPort": 9090}]},
            {"restartPolicy": "Always", "ports": [{"name": "web", "containerPort": 9091}]},
        ],
    }
    facts = survey(Cluster(proxied), parse_mesh(SERVICES))
    assert [each.ports for each in facts.namespaces["shop"].workloads] == [{"web": 9090}]


def test_pods_are_seen_where_nothing_that_is_seen_makes_them() -> None:
    facts = survey(
        Cluster(
            deployment("cart", "batch"),
            pod("cart-1", "ReplicaSet", app="cart", hash="1"),
            pod("rollout-1", "ReplicaSet", app="rollout"),
            pod("job-1", "Job", app="job"),
            pod("job-2", "Job", "Succeeded", app="job"),
            pod("bare", app="bare"),
        ),
        parse_mesh(SERVICES),
    )
    assert [(each.kind, each.name, each.account, each.owner) for each in facts.namespaces["shop"].workloads] == [
        ("Deployment", "cart", "batch", ""),
        ("Pod", "bare", "default", ""),
        ("Pod", "job-1", "default", "Job maker"),
        ("Pod", "rollout-1", "default", "ReplicaSet maker"),
    ]


def test_a_label_of_ours_changes_no_facts() -> None:
    bare, labelled = deployment("cart"), deployment("cart")
    labelled["spec"]["template"]["metadata"]["labels"] = {"app": "cart", "istio.io/use-waypoint": "waypoint"}
    before, after = (survey(Cluster(each), parse_mesh(SERVICES)) for each in (bare, labelled))
    assert before.to_json() == after.to_json()


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({}, ""),
        ({"annotations": {"meta.helm.sh/release-name": "cart"}}, "Helm release cart"),
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "c"}},
            "Helm release c",
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm release of unknown name"),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "web:apps/Deployment:shop/cart"}},
            "Argo CD application web",
        ),
        ({"labels": {"argocd.argoproj.io/instance": "web"}}, "Argo CD application web"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux kustomization apps"),
    ],
)
def test_who_looks_after_a_workload_is_told_by_its_marks(metadata: dict[str, Any], owner: str) -> None:
    assert owner_of(deployment("cart", **metadata)) == owner


def test_policies_of_others_are_seen_and_ours_are_not() -> None:
    ours = {"labels": {"ambient.alauda.io/mesh": "default"}}
    names_x = [calls_from(principals=["x"])]
    facts = survey(
        Cluster(
            thing("AuthorizationPolicy", "theirs", spec={"rules": names_x, "selector": {"matchLabels": {"app": "a"}}}),
            thing("AuthorizationPolicy", "at-service", spec={"targetRefs": [{"kind": "Service"}]}),
            thing("AuthorizationPolicy", "ambient-only-waypoint-1", spec={"action": "DENY"}, **ours),
            thing("AuthorizationPolicy", "ambient-allow-service-cart", spec={"action": "ALLOW"}, **ours),
            thing("AuthorizationPolicy", "plain-manifest", spec={"action": "DENY"}, **ours),
            thing("AuthorizationPolicy", "everywhere", "istio-system"),
            thing("AuthorizationPolicy", "istiod", "istio-system", {"selector": {"matchLabels": {"app": "istiod"}}}),
        ),
        parse_mesh(L7),
    )
    assert facts.namespaces["shop"].policies == (
        policy("plain-manifest", "DENY", []),
        policy("theirs", rules=names_x, app="a"),
    )
    assert facts.root_policies == (policy("everywhere", rules=[], namespace="istio-system"),)


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "t", "T", "1"])
def test_a_policy_in_dry_run_is_not_there_whatever_it_says(value: str) -> None:
    """These are the values that istiod takes for true."""
    asleep = {"annotations": {"istio.io/dry-run": value}}
    denies = {"action": "DENY", "rules": [calls_from(principals=["x"])]}
    facts = survey(
        Cluster(
            thing("AuthorizationPolicy", "allow", spec={"rules": [{}]}, **asleep),
            thing("AuthorizationPolicy", "deny", spec=denies, **asleep),
            thing("AuthorizationPolicy", "nobody", "istio-system", **asleep),
        ),
        parse_mesh(L7),
    )
    assert facts.namespaces["shop"].policies == facts.root_policies == ()
    assert [name for name in specs(items(L7, facts), "ambient-") if "admit" in name] == []


@pytest.mark.parametrize("value", ["false", "0", "tRuE", "yes", ""])
def test_any_other_value_is_enforced(value: str) -> None:
    awake = thing("AuthorizationPolicy", "allow", spec={"rules": [{}]}, annotations={"istio.io/dry-run": value})
    facts = survey(Cluster(awake), parse_mesh(L7))
    assert facts.namespaces["shop"].policies == (policy("allow"),)
    assert len(specs(items(L7, facts), "ambient-admit-")) == 1


def held_by(*managers: str) -> list[dict[str, Any]]:
    fields = {"f:metadata": {"f:annotations": {"f:istio.io/dry-run": {}}}}
    spec = {"manager": "web", "fieldsV1": {"f:spec": {"f:rules": {}}}}
    return [spec, *({"manager": manager, "fieldsV1": fields} for manager in managers)]


@pytest.mark.parametrize(
    ("managers", "stays"),
    [((), False), (("alauda.ambient",), False), (("kubectl-annotate",), True), (("alauda.ambient", "argocd"), True)],
)
def test_a_dry_run_that_others_hold_outlasts_our_manifests(managers: tuple[str, ...], stays: bool) -> None:
    annotations = {"istio.io/dry-run": "true"}
    facts = survey(
        Cluster(
            thing("AuthorizationPolicy", "tried", annotations=annotations, managedFields=held_by(*managers)),
            thing("AuthorizationPolicy", "awake", managedFields=held_by(*managers)),
        ),
        parse_mesh(L7),
    )
    assert facts.asleep == ((("shop", "tried"),) if stays else ())


def at_waypoint(name: str, namespace: str = "shop", spec: Any = None, **metadata: Any) -> dict[str, Any]:
    refs = {"targetRefs": [{"group": "", "kind": "Service", "name": "cart"}]}
    return thing("AuthorizationPolicy", name, namespace, {"rules": [{}], **refs, **(spec or {})}, **metadata)


def test_allows_at_waypoints_are_seen_where_somebody_says_who_may_call() -> None:
    gateway = [{"kind": "Gateway", "name": "waypoint"}, {"kind": "Service", "name": "web"}]
    cluster = Cluster(
        at_waypoint("allow"),
        at_waypoint("nobody", spec={"rules": []}),
        at_waypoint("deny", spec={"action": "DENY"}),
        at_waypoint("asks", spec={"action": "CUSTOM"}),
        at_waypoint("tried", annotations={"istio.io/dry-run": "true"}),
        at_waypoint("ambient-allow-service-cart.waypoint", labels={"ambient.alauda.io/mesh": "default"}),
        at_waypoint("old", "edge", {"targetRefs": [], "targetRef": {"kind": "Gateway", "name": "edge"}}),
        at_waypoint("both", "istio-system", {"targetRefs": gateway}),
        at_waypoint("far", "far"),
        thing("AuthorizationPolicy", "at-pods", spec={"rules": [{}]}),
    )
    said = {"services": [{"name": "cart", "waypoint": "edge/waypoint"}]}
    edge = {**SHOP, "namespace": "edge", "allowed_namespaces": "all"}
    facts = survey(cluster, parse_mesh(declared({**said, "access": [{"from": [{"any": True}]}]}, waypoints=[edge])))
    assert facts.attached == (
        Attached("edge", "old", ("Gateway edge",)),
        Attached("istio-system", "both", ("Gateway waypoint", "Service web")),
        Attached("shop", "allow", ("Service cart",)),
    )
    assert sorted(facts.namespaces) == ["shop"], "nobody has looked at the Services of edge"
    assert facts.without([("edge", "old"), ("shop", "allow")]).attached == facts.attached[1:2]
    assert survey(cluster, parse_mesh(declared(said, waypoints=[edge]))).attached == ()


def test_allows_at_waypoints_that_come_take_the_place_of_those_that_are_there(tmp_path: Path) -> None:
    there = (Attached("shop", "moved", ("Service cart",)), Attached("shop", "stays", ("Service cart",)))
    moved = at_waypoint("moved", spec={"targetRefs": [], "selector": {"matchLabels": {"app": "cart"}}})
    objects = [{**each, "apiVersion": "security.istio.io/v1"} for each in (moved, at_waypoint("comes"))]
    file = tmp_path / "manifests.yml"
    file.write_text(yaml.safe_dump_all(objects))
    assert with_attached(Facts(attached=there), str(file)).attached == (
        there[1],
        Attached("shop", "comes", ("Service cart",)),
    )
    assert with_attached(Facts(attached=there), None).attached == there


def test_an_allow_at_a_waypoint_that_comes_asleep_takes_the_place_of_one_that_is_awake(tmp_path: Path) -> None:
    there = tuple(Attached("shop", name, ("Service cart",)) for name in ("sleeps", "stays"))
    sleeps = at_waypoint("sleeps", annotations={"istio.io/dry-run": "true"})
    objects = [{**each, "apiVersion": "security.istio.io/v1"} for each in (sleeps, at_waypoint("kept"))]
    file = tmp_path / "manifests.yml"
    file.write_text(yaml.safe_dump_all(objects))
    facts = Facts(attached=there, asleep=(("shop", "kept"),))
    assert with_attached(facts, str(file)).attached == there[1:]


def test_facts_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    facts = seen([service("cart")], [workload("cart", owner="Helm release cart")], [policy("a")], [policy("r")])
    facts = replace(facts, attached=(Attached("shop", "allow", ("Service cart",)),), asleep=(("shop", "tried"),))
    file = tmp_path / "facts.json"
    file.write_text(facts.to_json())
    assert Facts.from_file(file) == facts
    assert Facts.from_file(file).to_json() == facts.to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"namespaces": {"a": {}}, "root_policies": []}', "null"])
def test_a_file_without_facts_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "facts.json"
    file.write_text(text)
    with pytest.raises(
        AmbientError, match=r"facts\.json: (holds no facts|not valid JSON): .*\. mesh_facts writes it: run it again"
    ):
        Facts.from_file(file)
    with pytest.raises(AmbientError, match=r"none\.json: no such file\. Run mesh_facts first"):
        Facts.from_file(tmp_path / "none.json")
