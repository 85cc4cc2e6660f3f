# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for planning a coexistence: who sees what, what both would use, what can never be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.side_by_side import Plan, plan
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot

OURS = [{"matchLabels": {"mesh": "ambient"}}]
THEIRS = "discoverySelectors: [{matchLabels: {mesh: sidecars}}]"
EVERYTHING = "defaultConfig: {}"


@pytest.fixture
def look(world: Any) -> Any:
    def run(*objects: Any, selectors: Any = (), denied: tuple[str, ...] = ()) -> Plan:
        cluster = Snapshot(world(*objects, denied=denied))
        return plan(Context(cluster, Wishes(discovery_selectors=selectors)))

    return run


@pytest.fixture
def sidecar_mesh(make: Any) -> Any:
    def build(mesh: str) -> list[Any]:
        return [
            make("Namespace", "istio-system"),
            make("Namespace", "blue", labels={"mesh": "ambient"}),
            make("Namespace", "green", labels={"mesh": "sidecars"}),
            make("Deployment", "istiod", "istio-system", labels={"app": "istiod"}, status={"readyReplicas": 1}),
            make("ConfigMap", "istio", "istio-system", labels={"istio.io/rev": "default"}, data={"mesh": mesh}),
            make("CustomResourceDefinition", "gateways.networking.istio.io"),
            make("ValidatingWebhookConfiguration", "istiod-default-validator"),
            make("MutatingWebhookConfiguration", "istio-revision-tag-default"),
            make("GatewayClass", "istio", api_version="gateway.networking.k8s.io/v1"),
        ]

    return build


def test_alone(look: Any, make: Any) -> None:
    report = look(make("Namespace", "shop"))

    assert (report.verdict, report.meshes, report.ours) == ("alone", {}, ["shop"])
    assert report.lines() == [
        "coexistence (for planning; not validated, site.yml refuses):",
        "  result: there is no other mesh",
    ]


def test_selectors_that_share_nothing(look: Any, sidecar_mesh: Any) -> None:
    report = look(*sidecar_mesh(THEIRS), selectors=OURS)

    assert (report.verdict, report.ours, report.theirs, report.both) == ("disjoint", ["blue"], ["green"], [])
    assert report.lines()[1:] == [
        "  there is: Another istiod (Deployment istio-system/istiod)",
        "  ours would see: 1 namespace: blue",
        "  theirs sees: 1 namespace: green",
        "  both: no namespace",
        "  both would use: 1 CRDs of Istio and the Gateway API, such as gateways.networking.istio.io, "
        "ValidatingWebhookConfiguration istiod-default-validator, "
        "MutatingWebhookConfiguration istio-revision-tag-default, GatewayClass istio, Namespace istio-system",
        "  result: the selectors are disjoint. That is necessary, not enough: it is not validated, and site.yml "
        "refuses",
    ]


@pytest.mark.parametrize(
    ("mesh", "selectors", "both"),
    [
        (EVERYTHING, OURS, ["blue"]),
        (THEIRS, [], ["green"]),
        (EVERYTHING, [], ["blue", "green", "istio-system"]),
    ],
)
def test_selectors_that_overlap(look: Any, sidecar_mesh: Any, mesh: str, selectors: Any, both: list[str]) -> None:
    report = look(*sidecar_mesh(mesh), selectors=selectors)

    assert (report.verdict, report.both) == ("overlapping", both)
    assert "ambient_discovery_selectors" in report.lines()[-1]


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "reason"),
    [
        ("DaemonSet", "istio-cni-node", "kube-system", "a node carries one istio-cni and one ztunnel"),
        ("DaemonSet", "linkerd-cni", "linkerd-cni", "its node agent chains itself into the CNI, as istio-cni does"),
        ("Deployment", "asm-core", "cpaas-system", "Alauda Service Mesh v1 is not supported beside v2 in any form"),
    ],
)
def test_what_can_never_be(look: Any, make: Any, kind: str, name: str, namespace: str, reason: str) -> None:
    status = {"readyReplicas": 1, "numberReady": 1, "desiredNumberScheduled": 1}
    report = look(make("Namespace", "shop"), make(kind, name, namespace, status=status), selectors=OURS)

    assert report.verdict == "impossible"
    (never,) = report.never
    assert never.endswith(f": {reason}")
    assert f"  never side by side: {never}" in report.lines()


def test_namespaces_of_a_mesh_without_selectors_are_those_with_its_proxies(look: Any, make: Any) -> None:
    report = look(
        make("Namespace", "shop", annotations={"linkerd.io/inject": "enabled"}),
        make("Namespace", "old"),
        make("Namespace", "free"),
        make("Pod", "web", "old", annotations={"linkerd.io/proxy-version": "2"}),
        make("Deployment", "linkerd-identity", "linkerd", status={"readyReplicas": 1}),
    )

    assert (report.verdict, report.theirs, report.both) == ("overlapping", ["old", "shop"], ["old", "shop"])


def test_what_may_not_be_seen_is_said(look: Any, sidecar_mesh: Any) -> None:
    report = look(*sidecar_mesh(THEIRS), selectors=OURS, denied=("ConfigMap", "GatewayClass"))

    assert report.verdict == "unknown"
    assert "their namespaces: no right to list ConfigMap" in report.unknown
    assert "what both would use: no right to list GatewayClass" in report.unknown


def test_traces_are_no_mesh(look: Any, make: Any) -> None:
    report = look(make("Namespace", "shop"), make("CustomResourceDefinition", "meshes.kuma.io"))

    assert (report.verdict, report.meshes) == ("alone", {})
