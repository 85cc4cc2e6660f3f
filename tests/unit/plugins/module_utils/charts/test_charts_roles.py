# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role files: namespaces, waves, labels, the Gateway API, and what makes helm run again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.charts.helm import Helm
from ansible_collections.alauda.ambient.plugins.module_utils.charts.objects import (
    chart_objects,
    component_namespace,
    wave,
)
from ansible_collections.alauda.ambient.plugins.module_utils.charts.roles import GatewayApi, Order, write_role
from ansible_collections.alauda.ambient.plugins.module_utils.charts.values import Settings
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from unit.plugins.module_utils.charts import charts_world as world

GROUP = "gateway.networking.k8s.io"
CRD = world.manifest("CustomResourceDefinition", f"gateways.{GROUP}", "apiextensions.k8s.io/v1")
POLICY = world.manifest("ValidatingAdmissionPolicy", f"safe-upgrades.{GROUP}", "admissionregistration.k8s.io/v1")


class Desk:
    """Everything that one role needs, in a temporary folder."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.helm = world.helm(tmp_path)
        self.dest = tmp_path / "objects/role.json"
        charts = {"directory": str(world.charts(tmp_path / "tree"))}
        self.order = Order("cni", "default", charts, Settings("1.31.0"))

    def write(self, order: Order | None = None) -> Any:
        return write_role(order or self.order, self.dest, self.path / "cache", str(self.helm))

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.dest.read_text())["items"]
        return found

    def names(self) -> dict[str, int]:
        return {f"{item['object']['kind']} {item['object']['metadata']['name']}": item["wave"] for item in self.items()}

    def crds(self, *objects: dict[str, Any]) -> str:
        folder = self.path / "crds"
        folder.mkdir(exist_ok=True)
        (folder / "crds.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
        return str(folder)

    def install(self, source: str, sha256: str = "") -> Order:
        return replace(self.order, role="control_plane", gateway_api=GatewayApi(True, source, sha256))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_role_brings_its_namespace_and_labels_everything(desk: Desk) -> None:
    assert desk.write().count == 3
    assert desk.names() == {"Namespace istio-cni": -30, "ServiceAccount cni": -10, "DaemonSet istio-cni": 10}
    for item in desk.items():
        assert item["object"]["metadata"]["labels"]["ambient.alauda.io/mesh"] == "default"
        assert item["manager"] == "alauda.ambient"
        assert item["patch"] is False


def test_helm_runs_once_for_the_same_inputs(desk: Desk) -> None:
    first = desk.write()
    stamp = desk.dest.stat().st_mtime_ns
    second = desk.write()
    assert (first.changed, first.cached, second.changed, second.cached) == (True, False, False, True)
    assert second.count == first.count
    assert desk.dest.stat().st_mtime_ns == stamp
    assert len(world.calls(desk.path, "template")) == 1


@pytest.mark.parametrize("what", ["values", "chart", "helm", "file", "mesh"])
def test_helm_runs_again_when_an_input_has_changed(desk: Desk, what: str) -> None:
    desk.write()
    order = desk.order
    if what == "values":
        order = replace(order, settings=Settings("1.31.0", user={"cni": {"a": 1}}))
    elif what == "chart":
        (desk.path / "tree/istio-cni/values.yaml").write_text("a: 1")
    elif what == "helm":
        desk.helm.write_text(desk.helm.read_text() + "\n# another build\n")
    elif what == "file":
        desk.dest.write_text("{}")
    else:
        order = replace(order, mesh="other")
    assert desk.write(order).cached is False
    assert len(world.calls(desk.path, "template")) == 2


def test_values_travel_through_the_input_and_no_argument_holds_them(desk: Desk) -> None:
    desk.write(replace(desk.order, settings=Settings("1.31.0", user={"cni": {"word": "hidden"}})))
    assert json.loads((desk.path / "values.json").read_text())["cni"]["word"] == "hidden"
    assert "hidden" not in (desk.path / "helm.log").read_text()


def test_the_gateway_api_joins_the_control_plane(desk: Desk) -> None:
    desk.write(desk.install(desk.crds(CRD, POLICY)))
    names = desk.names()
    assert names[f"CustomResourceDefinition gateways.{GROUP}"] == -20
    assert names[f"ValidatingAdmissionPolicy safe-upgrades.{GROUP}"] == -15


def test_required_crds_are_not_ours(desk: Desk) -> None:
    desk.write(replace(desk.order, role="control_plane", gateway_api=GatewayApi(False, desk.crds(CRD))))
    assert not [name for name in desk.names() if GROUP in name]


def test_a_changed_crd_is_noticed(desk: Desk) -> None:
    desk.write(desk.install(desk.crds(CRD)))
    assert desk.write(desk.install(desk.crds(CRD, POLICY))).cached is False


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([world.manifest("ConfigMap", "x")], "ConfigMap x is not part of the Gateway API"),
        (
            [world.manifest("CustomResourceDefinition", "gateways.networking.istio.io")],
            "is not part of the Gateway API",
        ),
        ([POLICY], "no CustomResourceDefinition found"),
    ],
)
def test_files_that_are_not_the_gateway_api(desk: Desk, objects: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(AmbientError, match=words):
        desk.write(desk.install(desk.crds(*objects)))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "ambient_gateway_api_crds: is not set, and ambient_gateway_api is install"),
        ("/nowhere", "no such file"),
        ("https://example.invalid/crds.yaml", "ambient_gateway_api_crds.sha256: is missing"),
    ],
)
def test_crds_that_are_not_there(desk: Desk, source: str, words: str) -> None:
    with pytest.raises(AmbientError, match=words):
        desk.write(desk.install(source))


def test_helm_4_is_refused(desk: Desk) -> None:
    desk.helm = world.helm(desk.path, version="v4.0.1+gabc")
    with pytest.raises(AmbientError, match=r"this is Helm 4 \(v4.0.1\+gabc\); only Helm 3 is supported"):
        desk.write()


def test_a_missing_helm_is_said(desk: Desk) -> None:
    with pytest.raises(AmbientError, match="ambient_helm: helm is not at '/nowhere/helm'"):
        Helm("/nowhere/helm")


def test_helms_own_words_are_passed_on(desk: Desk) -> None:
    desk.helm = world.helm(desk.path, failure="execution error at (x.yaml:1): unknown profile x")
    with pytest.raises(AmbientError, match=r"helm template failed: execution error at \(x.yaml:1\): unknown profile x"):
        desk.write()
    assert not desk.dest.exists()


def test_an_error_in_the_users_values_names_them(desk: Desk) -> None:
    desk.helm = world.helm(desk.path, failure="wrong type for value")
    with pytest.raises(AmbientError) as error:
        desk.write(replace(desk.order, settings=Settings("1.31.0", user={"cni": {"cni": "yes"}})))
    assert str(error.value) == "ambient_values.cni: helm template failed: wrong type for value. Correct these values"


def test_hooks_status_and_empty_fields_are_left_out() -> None:
    hook = world.manifest("Job", "x", "batch/v1", annotations={"helm.sh/hook": "test"})
    crd = {**world.manifest("CustomResourceDefinition", "a.b", annotations={}, creationTimestamp=None), "status": {}}
    [(found_wave, found)] = chart_objects([hook, crd], "base")
    assert (found_wave, found) == (-20, world.manifest("CustomResourceDefinition", "a.b"))


@pytest.mark.parametrize(
    ("kind", "component", "expected"),
    [
        ("Deployment", "istiod", 0),
        ("Service", "istiod", 0),
        ("PodDisruptionBudget", "istiod", 0),
        ("MutatingWebhookConfiguration", "istiod", 5),
        ("ValidatingWebhookConfiguration", "base", 5),
        ("DaemonSet", "cni", 10),
        ("DaemonSet", "ztunnel", 20),
        ("ClusterRole", "cni", -10),
        ("NetworkAttachmentDefinition", "cni", -10),
        ("ResourceQuota", "ztunnel", -10),
        ("ValidatingAdmissionPolicy", "base", -15),
    ],
)
def test_waves(kind: str, component: str, expected: int) -> None:
    assert wave(world.manifest(kind, "x"), component) == expected


def test_namespaces_have_the_level_that_their_pods_need() -> None:
    levels = {
        name: component_namespace(name, [])["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for name in ("istio-system", "istio-cni", "ztunnel")
    }
    assert levels == {"istio-system": "restricted", "istio-cni": "privileged", "ztunnel": "privileged"}


def test_component_namespaces_are_discovered() -> None:
    labels = component_namespace("ztunnel", [{"matchLabels": {"istio-discovery": "on"}}])["metadata"]["labels"]
    assert labels["istio-discovery"] == "on"


def test_selectors_that_say_no_label_are_refused() -> None:
    selectors = [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
    with pytest.raises(AmbientError, match="ambient_discovery_selectors: no selector says which labels"):
        component_namespace("ztunnel", selectors)
