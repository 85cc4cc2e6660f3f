# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an uninstall takes, what it keeps, and what it says about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.removal.live import (
    istiod_is_there,
    made_by_istiod,
    our_objects,
)
from ansible_collections.alauda.ambient.plugins.module_utils.removal.plan import (
    Removal,
    Wishes,
    plan_removal,
    summary,
)

MESH = "ambient.alauda.io/mesh"
Object = dict[str, Any]
NOTHING = Wishes()
ALL = Wishes(crds=True, gateway_api=True, namespaces=True, ca_secret=True)


def obj(api_version: str, kind: str, name: str, namespace: str = "", mesh: str = "default", **more: Any) -> Object:
    metadata: Object = {"name": name, "labels": {MESH: mesh} if mesh else {}}
    if namespace:
        metadata["namespace"] = namespace
    metadata |= more.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


@dataclass
class Cluster:
    """A cluster that answers LISTs from memory."""

    objects: list[Object]
    broken: dict[str, int] = field(default_factory=dict)

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Object]:
        if kind in self.broken:
            raise ApiError("no", status=self.broken[kind])
        found = [each for each in self.objects if (each["apiVersion"], each["kind"]) == (api_version, kind)]
        if namespace:
            found = [each for each in found if each["metadata"].get("namespace") == namespace]
        if label_selector:
            key, dummy, value = label_selector.partition("=")
            found = [each for each in found if each["metadata"]["labels"].get(key) == value]
        if field_selector:
            found = [each for each in found if each["metadata"]["name"] == field_selector.partition("=")[2]]
        return found

    def discover(self) -> Any:
        kinds = {(each["apiVersion"], each["kind"]) for each in self.objects}
        resources = {}
        for api_version, kind in sorted(kinds):
            group, dummy, version = api_version.rpartition("/")
            resources[api_version, kind] = SimpleNamespace(
                group=group, version=version, kind=kind, verbs={"list", "delete"}
            )
        return SimpleNamespace(kinds=lambda: resources)


def installed() -> list[Object]:
    """A mesh, and what belongs to others."""
    leader = {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}
    managers = {"managedFields": [{"manager": "alauda.ambient/enrolment"}, {"manager": "alauda.ambient/discovery"}]}
    return [
        obj("v1", "Namespace", "istio-system"),
        obj("v1", "Namespace", "ztunnel"),
        obj("v1", "Namespace", "shop", mesh="", metadata=managers),
        obj("v1", "Namespace", "other", mesh=""),
        obj("apps/v1", "Deployment", "istiod", "istio-system", metadata={"labels": {MESH: "default", "app": "istiod"}}),
        obj("apps/v1", "DaemonSet", "ztunnel", "ztunnel"),
        obj("apps/v1", "DaemonSet", "istio-cni-node", "istio-cni"),
        obj("apps/v1", "Deployment", "front", "shop", mesh=""),
        obj("v1", "Service", "istiod", "istio-system"),
        obj("v1", "Endpoints", "istiod", "istio-system"),
        obj("v1", "ConfigMap", "ambient-inventory-default-cni", "istio-system")
        | {
            "metadata": {"name": "ambient-inventory-default-cni", "namespace": "istio-system"}
            | {"labels": {MESH: "default", "ambient.alauda.io/inventory": "cni"}}
        },
        obj("v1", "ConfigMap", "istio-ca-root-cert", "shop", mesh=""),
        obj("v1", "ConfigMap", "istio-ca-root-cert", "istio-system", mesh=""),
        obj("v1", "ConfigMap", "istio-leader", "istio-system", mesh="", metadata=leader),
        obj("v1", "ConfigMap", "kube-root-ca.crt", "istio-system", mesh=""),
        obj("v1", "Secret", "istio-ca-secret", "istio-system", mesh=""),
        obj("coordination.k8s.io/v1", "Lease", "istio-gateway-status-leader", "istio-system", mesh=""),
        obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", "sidecars.networking.istio.io"),
        obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", "gateways.gateway.networking.k8s.io"),
        obj("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "safe-upgrades.gateway.networking.k8s.io"),
        obj(
            "gateway.networking.k8s.io/v1",
            "GatewayClass",
            "istio-waypoint",
            mesh="",
            spec={"controllerName": "istio.io/mesh-controller"},
        ),
        obj(
            "gateway.networking.k8s.io/v1",
            "GatewayClass",
            "envoy",
            mesh="",
            spec={"controllerName": "gateway.envoyproxy.io/controller"},
        ),
    ]


def plan(objects: list[Object], wishes: Wishes = NOTHING, existed: tuple[str, ...] = ()) -> Removal:
    return plan_removal(Cluster(objects), "default", wishes, existed)


def going(removal: Removal) -> dict[str, int]:
    return {item.identity.short: item.wave for item in removal.items if not item.patch}


def test_by_default_the_components_go_and_the_rest_stays() -> None:
    removal = plan(installed())
    assert going(removal) == {
        "Deployment istio-system/istiod": 0,
        "Service istio-system/istiod": 0,
        "DaemonSet istio-cni/istio-cni-node": 10,
        "DaemonSet ztunnel/ztunnel": 20,
    }
    assert {kept.object: kept.reason for kept in removal.kept} == {
        "Namespace istio-system": "ambient_uninstall_remove_namespaces",
        "Namespace ztunnel": "ambient_uninstall_remove_namespaces",
        "Secret istio-system/istio-ca-secret": "ambient_uninstall_remove_ca_secret",
        "CustomResourceDefinition sidecars.networking.istio.io": "ambient_uninstall_remove_crds",
        "CustomResourceDefinition gateways.gateway.networking.k8s.io": "ambient_uninstall_remove_gateway_api",
        "ValidatingAdmissionPolicy safe-upgrades.gateway.networking.k8s.io": "ambient_uninstall_remove_gateway_api",
    }


def test_with_every_keep_switched_off_nothing_of_ours_stays() -> None:
    removal = plan(installed(), ALL)
    assert removal.kept == []
    names = going(removal)
    assert names["Namespace istio-system"] == -30
    assert names["CustomResourceDefinition gateways.gateway.networking.k8s.io"] == -20
    assert not [name for name in names if "shop" in name or "other" in name or "inventory" in name]


@pytest.mark.parametrize(
    ("wishes", "name"),
    [
        (Wishes(crds=True), "CustomResourceDefinition sidecars.networking.istio.io"),
        (Wishes(gateway_api=True), "CustomResourceDefinition gateways.gateway.networking.k8s.io"),
        (Wishes(namespaces=True), "Namespace ztunnel"),
    ],
)
def test_each_wish_lets_go_of_its_own_only(wishes: Wishes, name: str) -> None:
    assert {*going(plan(installed(), wishes))} - {*going(plan(installed()))} == {name} | (
        {"ValidatingAdmissionPolicy safe-upgrades.gateway.networking.k8s.io"} if wishes.gateway_api else set()
    )


def test_a_namespace_with_the_root_key_stays_until_the_key_may_go() -> None:
    kept = {kept.object: kept.reason for kept in plan(installed(), Wishes(namespaces=True)).kept}
    assert kept["Namespace istio-system"] == "it holds Secret istio-system/istio-ca-secret, which is not ours"


def test_a_namespace_with_something_of_others_stays() -> None:
    objects = [*installed(), obj("v1", "Secret", "cacerts", "istio-system", mesh="")]
    assert [(kept.object, kept.reason) for kept in plan(objects, ALL).kept] == [
        ("Namespace istio-system", "it holds Secret istio-system/cacerts, which is not ours")
    ]


def test_derived_objects_do_not_hold_a_namespace() -> None:
    owned = {"ownerReferences": [{"name": "job"}]}
    objects = [*installed(), obj("batch/v1", "Job", "nightly", "ztunnel", mesh="", metadata=owned)]
    assert plan(objects, ALL).kept == []


def test_what_was_there_before_is_left_to_the_engine_and_reported() -> None:
    removal = plan(installed(), ALL, existed=("/Namespace//ztunnel",))
    assert "Namespace ztunnel" in going(removal)  # the engine releases it
    assert [(kept.object, kept.reason) for kept in removal.kept] == [
        ("Namespace ztunnel", "it was there before the first run")
    ]


def test_enrolments_are_released_first_and_their_label_must_go() -> None:
    patches = {item.manager: item for item in plan(installed()).items if item.patch}
    enrolment = patches["alauda.ambient/enrolment"]
    assert (enrolment.identity.short, enrolment.wave, enrolment.gone) == (
        "Namespace shop",
        50,
        ("istio.io/dataplane-mode",),
    )
    assert enrolment.releases
    assert patches["alauda.ambient/discovery"].wave == -30


def test_labels_of_services_and_workloads_are_released_after_those_of_the_namespaces() -> None:
    ours = {"managedFields": [{"manager": "alauda.ambient/enrolment"}]}
    theirs = {"managedFields": [{"manager": "kubectl"}]}
    kinds = [("v1", "Service"), ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet")]
    bound = [obj(*kind, "cart", "shop", mesh="", metadata=dict(ours)) for kind in kinds]
    other = [obj(*kind, "web", "shop", mesh="", metadata=dict(theirs)) for kind in kinds]
    patches = [item for item in plan([*installed(), *bound, *other]).items if item.patch]
    released = [item for item in patches if item.identity.kind != "Namespace"]
    assert {item.identity.short: item.wave for item in released} == {f"{kind} shop/cart": 45 for dummy, kind in kinds}
    assert all(item.releases and item.manager == "alauda.ambient/enrolment" and not item.gone for item in released)


def test_what_lets_a_waypoint_in_goes_after_what_would_refuse_it_and_before_it_would_refuse_others() -> None:
    spec = {"action": "ALLOW", "rules": [{}]}
    names = ("ambient-admit-a-1-deny", "ambient-admit-a-1", "web-callers")
    allows = [obj("security.istio.io/v1", "AuthorizationPolicy", name, "shop", spec=spec) for name in names]
    deny = obj("security.istio.io/v1", "AuthorizationPolicy", "ambient-default-deny", "shop", spec={})
    assert going(plan([*allows, deny])) == {
        "AuthorizationPolicy shop/ambient-default-deny": 70,
        "AuthorizationPolicy shop/ambient-admit-a-1-deny": 65,
        "AuthorizationPolicy shop/web-callers": 40,
        "AuthorizationPolicy shop/ambient-admit-a-1": 39,
    }


def test_another_mesh_is_not_touched() -> None:
    assert going(plan([obj("apps/v1", "DaemonSet", "ztunnel", "ztunnel", mesh="other")])) == {}


def test_run_time_objects_are_recognised() -> None:
    found = [f"{each['kind']} {each['metadata']['name']}" for each in made_by_istiod(Cluster(installed()))]
    assert sorted(found) == [
        "ConfigMap istio-ca-root-cert",
        "ConfigMap istio-ca-root-cert",
        "ConfigMap istio-leader",
        "GatewayClass istio-waypoint",
        "Lease istio-gateway-status-leader",
    ]


def test_a_running_istiod_is_seen() -> None:
    assert istiod_is_there(Cluster(installed()))
    assert not istiod_is_there(Cluster([]))


def test_an_api_that_is_down_does_not_stop_the_search() -> None:
    assert our_objects(Cluster(installed(), broken={"Service": 503}), "default")


def test_a_missing_right_is_an_error() -> None:
    with pytest.raises(ApiError):
        our_objects(Cluster(installed(), broken={"Service": 403}), "default")


def test_the_summary_has_one_line_per_reason() -> None:
    lines = summary(plan(installed()))
    assert "stays: Secret istio-system/istio-ca-secret (goes with ambient_uninstall_remove_ca_secret: true)" in lines
    assert any(line.startswith("stays: 2 objects, such as Namespace istio-system") for line in lines)
    assert len(lines) == 4
