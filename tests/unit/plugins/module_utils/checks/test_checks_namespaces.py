# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of declared namespaces, of a mesh's health and before an uninstall."""

from __future__ import annotations

from typing import Any

import pytest

MESH = {"namespaces": [{"name": "shop", "state": "l4"}, {"name": "old", "state": "off"}]}
MODE = "istio.io/dataplane-mode"
BLUE = [{"matchLabels": {"mesh": "blue"}}]


def only_finding(report: Any) -> Any:
    (finding,) = report.findings
    return finding


def test_namespaces_that_are_fit(world: Any, examine: Any, make: Any) -> None:
    held = {MODE: ["alauda.ambient/enrolment"]}
    objects = [
        make("Namespace", "shop", labels={MODE: "ambient"}, managers=held),
        make("Namespace", "old", labels={MODE: "ambient"}, managers=held),
        make("Pod", "web", "shop", spec={"hostNetwork": False}),
        make("Pod", "node-agent", "other", spec={"hostNetwork": True}, annotations={"sidecar.istio.io/status": "{}"}),
    ]
    report = examine(world(*objects), "namespaces", mesh=MESH, version="1.30.3", discovery_selectors=BLUE)

    assert {result.check.code: result.status for result in report.results} == dict.fromkeys(
        [f"AMB04{number:02}" for number in range(1, 15)], "pass"
    )


def test_a_namespace_that_does_not_exist(world: Any, examine: Any, make: Any) -> None:
    finding = only_finding(examine(world(make("Namespace", "default")), "AMB0401", mesh=MESH))

    assert (finding.object, finding.message) == ("Namespace shop", "does not exist, though ambient_mesh declares it l4")


@pytest.mark.parametrize(
    ("labels", "selectors", "word"),
    [
        ({}, BLUE, ""),
        ({"mesh": "blue"}, BLUE, ""),
        ({"mesh": "green"}, BLUE, "label mesh is 'green', set by helm, not 'blue'"),
        ({}, [{"matchExpressions": [{"key": "mesh", "operator": "Exists"}]}], "istiod would not see its pods"),
        ({"mesh": "x"}, [{"matchExpressions": [{"key": "mesh", "operator": "Exists"}]}], ""),
    ],
)
def test_discovery(world: Any, examine: Any, make: Any, labels: Any, selectors: Any, word: str) -> None:
    shop = make("Namespace", "shop", labels=labels, managers={"mesh": ["helm"]})
    findings = examine(world(shop), "AMB0402", mesh=MESH, discovery_selectors=selectors).findings

    assert len(findings) == (1 if word else 0)
    assert all(word in finding.message for finding in findings)


@pytest.mark.parametrize(
    "labels", [{"istio-injection": "enabled"}, {"istio.io/rev": "stable"}, {"istio.io/rev": "1-22", MODE: "ambient"}]
)
def test_sidecars_of_a_namespace(world: Any, examine: Any, make: Any, labels: dict[str, str]) -> None:
    finding = only_finding(examine(world(make("Namespace", "shop", labels=labels)), "AMB0403", mesh=MESH))

    assert finding.object == "Namespace shop"
    assert "they win over ambient, silently" in finding.message


def test_sidecars_of_pods_except_gateways(world: Any, examine: Any, make: Any) -> None:
    injected = {"sidecar.istio.io/status": "{}"}
    objects = [
        make("Namespace", "shop", labels={"istio-injection": "disabled"}),
        make("Pod", "with", "shop", annotations=injected),
        make("Pod", "asks", "shop", labels={"sidecar.istio.io/inject": "true"}),
        make("Pod", "declines", "shop", labels={"sidecar.istio.io/inject": "false"}),
        make("Pod", "gateway", "shop", annotations={**injected, "inject.istio.io/templates": "gateway"}),
    ]
    report = examine(world(*objects), "AMB0403", mesh=MESH)

    assert only_finding(report).object == "Namespace shop"
    assert only_finding(report).message.startswith("2 pods have a sidecar or ask for one and would not be captured: ")
    assert only_finding(report).message.endswith("asks, with")


@pytest.mark.parametrize(("version", "count"), [("1.30.3", 1), ("1.30.4", 0), ("1.31.0", 0)])
def test_host_network(world: Any, examine: Any, make: Any, version: str, count: int) -> None:
    objects = [make("Namespace", "shop"), make("Pod", "agent", "shop", spec={"hostNetwork": True})]

    assert len(examine(world(*objects), "AMB0404", mesh=MESH, version=version).findings) == count


def test_many_namespaces_cost_one_list_of_pods(world: Any, examine: Any, make: Any) -> None:
    names = [f"ns-{number}" for number in range(12)]
    cluster = world(*(make("Namespace", name) for name in names), make("Pod", "p", "ns-3", spec={"hostNetwork": True}))
    mesh = {"namespaces": [{"name": name, "state": "l4"} for name in names]}
    report = examine(cluster, "AMB0403", "AMB0404", mesh=mesh, version="1.30.0")

    assert only_finding(report).object == "Pod ns-3/p"
    assert {key: count for key, count in cluster.lists.items() if key[0] == "Pod"} == {("Pod", None): 1}


def test_enrolled_and_not_declared_is_told_and_left_alone(world: Any, examine: Any, make: Any) -> None:
    ambient = {MODE: "ambient"}
    objects = [
        make("Namespace", "shop", labels=ambient, managers={MODE: ["alauda.ambient/enrolment"]}),
        make("Namespace", "past", labels=ambient, managers={MODE: ["alauda.ambient/enrolment"]}),
        make("Namespace", "theirs", labels=ambient, managers={MODE: ["kubectl-label"]}),
        make("Namespace", "probe", labels={**ambient, "ambient.alauda.io/mesh": "default"}),
        make("Namespace", "none", labels={MODE: "none"}),
    ]
    report = examine(world(*objects), "AMB0405", mesh=MESH)

    assert [(finding.object, finding.severity, finding.message) for finding in report.findings] == [
        ("Namespace past", "warning", "is enrolled, no longer declared"),
        ("Namespace theirs", "info", "is enrolled by kubectl-label, not by ambient_mesh"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "managers", "refused"),
    [
        ("old", "ambient", ["alauda.ambient/enrolment"], False),
        ("old", "ambient", ["alauda.ambient/enrolment", "kubectl-label"], True),
        ("old", "none", ["kubectl-label"], True),
        ("shop", "ambient", ["kubectl-label"], False),
        ("shop", "none", ["kubectl-label"], True),
    ],
)
def test_a_label_that_somebody_else_holds(
    world: Any, examine: Any, make: Any, name: str, value: str, managers: list[str], refused: bool
) -> None:
    cluster = world(make("Namespace", name, labels={MODE: value}, managers={MODE: managers}))
    findings = examine(cluster, "AMB0406", mesh=MESH).findings

    assert len(findings) == int(refused)
    for finding in findings:
        assert "is held by kubectl-label" in finding.message
        assert f"kubectl label namespace {name} {MODE}-" in finding.hint


def test_a_mesh_that_is_well(world: Any, examine: Any, installation: Any) -> None:
    report = examine(world(*installation()), "health")

    assert {result.check.code: (result.status, result.detail) for result in report.results} == {
        "AMB0501": ("pass", "istio-system/istiod by alauda.ambient: 1 of 1 ready"),
        "AMB0502": ("pass", "istio-cni/istio-cni-node by alauda.ambient: 2 of 2 ready"),
        "AMB0503": ("pass", "ztunnel/ztunnel by alauda.ambient: 2 of 2 ready"),
        "AMB0504": ("pass", "istiod 1.31.0"),
        "AMB0505": ("pass", ""),
        "AMB0506": ("pass", ""),
        "AMB0507": ("pass", "CA_TRUSTED_NODE_ACCOUNTS is not set: istio-system/istiod"),
    }


@pytest.mark.parametrize(("index", "code"), [(0, "AMB0501"), (1, "AMB0502"), (2, "AMB0503")])
@pytest.mark.parametrize("ailment", ["missing", "not ready", "not rolled out"])
def test_a_component_that_is_not_well(
    world: Any, examine: Any, installation: Any, index: int, code: str, ailment: str
) -> None:
    objects = installation()
    if ailment == "missing":
        objects.pop(index)
    elif ailment == "not ready":
        objects[index]["status"] |= {"readyReplicas": 0, "numberReady": 1}
    else:
        objects[index]["metadata"]["generation"] = 2

    finding = only_finding(examine(world(*objects), "health"))
    assert finding.code == code


@pytest.mark.parametrize(
    ("istiod", "ztunnel", "word"),
    [("1.31.0", "1.30.4", ""), ("1.31.0", "1.32.0", "ahead of istiod 1.31.0"), ("1.32.0", "1.30.0", "too far behind")],
)
def test_skew(world: Any, examine: Any, installation: Any, istiod: str, ztunnel: str, word: str) -> None:
    objects = installation(version=istiod)
    objects[2]["metadata"]["labels"] = {**objects[2]["metadata"]["labels"], "app.kubernetes.io/version": ztunnel}
    findings = examine(world(*objects), "AMB0504").findings

    assert [finding.object for finding in findings] == (["DaemonSet ztunnel/ztunnel"] if word else [])
    assert all(word in finding.message for finding in findings)


def test_nothing_holds_the_mesh_back(world: Any, examine: Any, make: Any) -> None:
    objects = [
        make("Namespace", "shop", labels={MODE: "none"}),
        make("Pod", "web", "shop"),
        make("Gateway", "edge", "shop", spec={"gatewayClassName": "istio"}),
    ]

    assert examine(world(*objects), "uninstall").findings == []


def test_what_holds_the_mesh_back(world: Any, examine: Any, make: Any) -> None:
    enrolled = {"ambient.istio.io/redirection": "enabled"}
    objects = [
        make("Namespace", "shop", labels={MODE: "ambient"}),
        make("Pod", "web-1", "shop", annotations=enrolled),
        make("Pod", "web-2", "shop", annotations=enrolled),
        make("Pod", "db", "data", annotations={"ambient.istio.io/redirection": "pending"}),
        make("Gateway", "waypoint", "shop", spec={"gatewayClassName": "istio-waypoint"}),
    ]
    report = examine(world(*objects), "uninstall")

    assert [(finding.code, finding.object, finding.message) for finding in report.findings] == [
        ("AMB0601", "Namespace data", "has enrolled pods (ambient.istio.io/redirection): 1"),
        ("AMB0601", "Namespace shop", "has enrolled pods (ambient.istio.io/redirection): 2"),
        ("AMB0602", "Namespace shop", "has the label istio.io/dataplane-mode=ambient"),
        ("AMB0603", "Gateway shop/waypoint", "is a waypoint; istiod has to be there while it goes"),
    ]


def test_what_admission_would_refuse_is_listed(world: Any, examine: Any, make: Any) -> None:
    asks = {"sidecar.istio.io/inject": "true"}
    gateway = {"inject.istio.io/templates": "gateway"}
    objects = [
        make("Namespace", "shop", labels={MODE: "ambient"}),
        make("Namespace", "both", labels={MODE: "ambient", "istio-injection": "enabled"}),
        make("Namespace", "kube-system", labels={MODE: "ambient"}),
        make("Namespace", "sidecars", labels={"istio.io/rev": "canary"}),
        make("Pod", "web-1", "shop", labels=asks),
        make("Pod", "web-2", "shop", labels=asks),
        make("Pod", "gateway", "shop", labels=asks, annotations=gateway),
        make("Pod", "alone", "sidecars", labels={MODE: "ambient"}),
        make("Pod", "declined", "sidecars", labels={MODE: "ambient", "sidecar.istio.io/inject": "false"}),
    ]
    report = examine(world(*objects), "AMB0413")

    assert [(finding.severity, finding.object, finding.message) for finding in report.findings] == [
        ("info", "Namespace both", "asks for sidecars (istio-injection) and for ambient mode"),
        ("info", "Namespace kube-system", "is in ambient mode, though it belongs to the platform"),
        ("info", "Namespace shop", "pods ask for a sidecar and for ambient mode: web-1, web-2"),
        ("info", "Namespace sidecars", "pods ask for a sidecar and for ambient mode: alone"),
    ]
