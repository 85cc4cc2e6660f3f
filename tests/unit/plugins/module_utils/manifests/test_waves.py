# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a safe installation."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.labels import mesh_of, own
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.waves import sort_key, wave_of


def obj(api_version: str, kind: str, name: str = "x", **rest: Any) -> dict[str, Any]:
    """A manifest."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


HBONE = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
HTTP = {"name": "http", "port": 80, "protocol": "HTTP"}


@pytest.mark.parametrize(
    ("manifest", "wave"),
    [
        (obj("v1", "Namespace"), -30),
        (obj("apiextensions.k8s.io/v1", "CustomResourceDefinition"), -20),
        (obj("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"), -15),
        (obj("v1", "ServiceAccount"), -10),
        (obj("rbac.authorization.k8s.io/v1", "ClusterRole"), -10),
        (obj("v1", "ConfigMap"), -10),
        (obj("v1", "Service"), 0),
        (obj("apps/v1", "Deployment", "istiod"), 0),
        (obj("autoscaling/v2", "HorizontalPodAutoscaler"), 0),
        (obj("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"), 5),
        (obj("apps/v1", "DaemonSet", "istio-cni-node"), 10),
        (obj("apps/v1", "DaemonSet", "ztunnel"), 20),
        (obj("networking.istio.io/v1alpha3", "EnvoyFilter"), 25),
        (obj("telemetry.istio.io/v1", "Telemetry"), 25),
        (obj("gateway.networking.k8s.io/v1", "Gateway", spec={"gatewayClassName": "istio-waypoint"}), 30),
        (obj("gateway.networking.k8s.io/v1", "Gateway", spec={"gatewayClassName": "mine", "listeners": [HBONE]}), 30),
        (obj("gateway.networking.k8s.io/v1", "Gateway", spec={"gatewayClassName": "mine", "listeners": [HTTP]}), 40),
        (obj("gateway.networking.k8s.io/v1", "Gateway", spec={"gatewayClassName": "istio", "listeners": [HBONE]}), 40),
        (obj("gateway.networking.k8s.io/v1", "Gateway", spec={"gatewayClassName": "istio"}), 40),
        (obj("gateway.networking.k8s.io/v1", "HTTPRoute"), 40),
        (obj("security.istio.io/v1", "AuthorizationPolicy", spec={"rules": [{}]}), 40),
        (obj("security.istio.io/v1", "AuthorizationPolicy", spec={}), 70),
        (obj("security.istio.io/v1", "AuthorizationPolicy", spec={"action": "DENY", "rules": [{}]}), 70),
        (obj("security.istio.io/v1", "PeerAuthentication", spec={"mtls": {"mode": "STRICT"}}), 70),
        (obj("security.istio.io/v1", "PeerAuthentication", spec={"mtls": {"mode": "PERMISSIVE"}}), 40),
    ],
)
def test_every_kind_has_its_wave(manifest: dict[str, Any], wave: int) -> None:
    assert wave_of(manifest) == wave


@pytest.mark.parametrize("kind", ["PeerAuthentication", "AuthorizationPolicy", "Gateway", "ConfigMap"])
@pytest.mark.parametrize(
    "spec", ["STRICT", [], 1, {"mtls": "STRICT"}, {"rules": 1}, {"listeners": 1}, {"listeners": ["a"]}]
)
def test_a_manifest_of_another_shape_has_a_wave_too(kind: str, spec: Any) -> None:
    assert wave_of({**obj("security.istio.io/v1", kind), "spec": spec}) in (-10, 40, 70)


@pytest.mark.parametrize("spec", [{}, {"action": "DENY", "rules": [{}]}, {"rules": [{}]}])
@pytest.mark.parametrize(("value", "narrows"), [("true", False), ("1", False), ("false", True), ("yes", True)])
def test_a_policy_in_dry_run_narrows_nothing(spec: dict[str, Any], value: str, narrows: bool) -> None:
    policy = obj("security.istio.io/v1", "AuthorizationPolicy", spec=spec)
    asleep = {**policy, "metadata": {**policy["metadata"], "annotations": {"istio.io/dry-run": value}}}
    assert wave_of(asleep) == (wave_of(policy) if narrows else 40)


@pytest.mark.parametrize("metadata", [None, [], "x", {"annotations": 1}, {"annotations": ["istio.io/dry-run"]}])
def test_a_policy_whose_annotations_have_another_shape_is_not_in_dry_run(metadata: Any) -> None:
    assert wave_of({"kind": "AuthorizationPolicy", "metadata": metadata, "spec": {}}) == 70


def test_patches_come_late() -> None:
    assert wave_of(obj("v1", "Namespace"), patch=True) == 50
    assert wave_of(obj("v1", "Service"), patch=True) == 45


def test_what_others_refer_to_comes_first() -> None:
    kinds = ["Deployment", "Unknown", "ConfigMap", "ServiceAccount", "Namespace", "ClusterRole"]
    ordered = sorted((Identity("", "v1", kind, "n", "x") for kind in kinds), key=sort_key)
    assert [identity.kind for identity in ordered] == [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ConfigMap",
        "Deployment",
        "Unknown",
    ]


def test_the_label_of_the_mesh() -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "y"}}}
    owned = own(manifest, "main")
    assert owned["metadata"]["labels"] == {"x": "y", "ambient.alauda.io/mesh": "main"}
    assert mesh_of(owned) == "main" and mesh_of(manifest) == ""
    assert manifest["metadata"] == {"name": "a", "labels": {"x": "y"}}, "the given manifest stays as it is"
    assert mesh_of(own({"metadata": {"name": "a", "labels": None}}, "m")) == "m"
