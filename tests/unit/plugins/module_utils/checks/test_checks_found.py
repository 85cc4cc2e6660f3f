# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh that somebody else installed: found wherever it is, judged like ours."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.found import installer

MODE = "istio.io/dataplane-mode"
HELM = {"meta.helm.sh/release-name": "istiod"}


def spec(image: str, labels: dict[str, str] | None = None, account: str = "", **env: str) -> dict[str, Any]:
    container = {"name": "main", "image": image, "env": [{"name": key, "value": value} for key, value in env.items()]}
    pod = {"containers": [container], **({"serviceAccountName": account} if account else {})}
    return {"replicas": 1, "template": {"metadata": {"labels": labels or {}}, "spec": pod}}


def theirs(
    make: Any, istiod: str = "1.31.0", cni: str = "1.31.0", ztunnel: str = "1.31.0", trusted: str = "mesh/ztunnel"
) -> list[dict[str, Any]]:
    daemons = {"numberReady": 2, "desiredNumberScheduled": 2}
    control = spec(f"r/pilot:{istiod}", PILOT_ENABLE_AMBIENT="true", CA_TRUSTED_NODE_ACCOUNTS=trusted)
    agent = {"app": "ztunnel"}
    return [
        make("Deployment", "istiod-blue", "mesh", labels={"app": "istiod", "istio.io/rev": "blue"}, annotations=HELM,
             spec=control, status={"readyReplicas": 1}),
        make("DaemonSet", "istio-cni-node", "kube-system", labels={"k8s-app": "istio-cni-node"},
             spec=spec(f"r/install-cni:{cni}-distroless"), status=daemons),
        make("DaemonSet", "zt", "mesh", spec=spec(f"r/ztunnel:{ztunnel}", agent, "ztunnel"), status=daemons),
    ]  # fmt: skip


def findings(report: Any) -> list[tuple[str, str]]:
    return [(finding.code, finding.object) for finding in report.findings]


def test_a_mesh_of_others_that_is_well(world: Any, examine: Any, make: Any) -> None:
    sidecars_only = make("Deployment", "istiod", "old", labels={"app": "istiod"}, spec=spec("r/pilot:1.22.0"))
    report = examine(world(*theirs(make), sidecars_only), "health")

    assert findings(report) == []
    assert report.results[0].detail == "mesh/istiod-blue by Helm: 1 of 1 ready"


@pytest.mark.parametrize(
    ("metadata", "who"),
    [
        ({"annotations": HELM}, "Helm"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "a:b"}}, "Argo CD"),
        (
            {"labels": {"ambient.alauda.io/mesh": "m"}, "managedFields": [{"manager": "argocd-controller"}]},
            "Argo CD, from alauda.ambient",
        ),
        ({"annotations": HELM, "ownerReferences": [{"apiVersion": "sailoperator.io/v1"}]}, "the Sail operator"),
        ({"labels": {"operator.istio.io/component": "Pilot"}, "managedFields": [{"manager": "istioctl"}]}, "istioctl"),
        ({"labels": {"ambient.alauda.io/mesh": "m"}}, "alauda.ambient"),
        ({"labels": {"operator.istio.io/component": "Pilot"}}, "somebody unknown"),
    ],
)
def test_who_installed_it(metadata: dict[str, Any], who: str) -> None:
    assert installer({"metadata": metadata}) == who


@pytest.mark.parametrize(("version", "count"), [("1.29.1", 2), ("1.30.3", 1), ("1.30.4", 0)])
def test_known_faults(world: Any, examine: Any, make: Any, version: str, count: int) -> None:
    assert len(examine(world(*theirs(make, cni=version)), "AMB0506").findings) == count


@pytest.mark.parametrize(("trusted", "count"), [("istio-system/ztunnel", 1), ("a/b, mesh/ztunnel", 0), ("", 1)])
def test_trust_in_ztunnel(world: Any, examine: Any, make: Any, trusted: str, count: int) -> None:
    assert len(examine(world(*theirs(make, trusted=trusted)), "AMB0507").findings) == count


def test_a_second_ztunnel(world: Any, examine: Any, make: Any, installation: Any) -> None:
    report = examine(world(*installation(), *theirs(make)[1:]), "AMB0505")

    assert findings(report) == [("AMB0505", "DaemonSet kube-system/istio-cni-node"), ("AMB0505", "DaemonSet mesh/zt")]


@pytest.mark.parametrize(
    ("image", "word"),
    [
        ("r:5000/proxyv2:1.31.0", ""),
        ("r/proxyv2:1.30.2-asm-r1@sha256:00", ""),
        ("r/proxyv2:1.29.1", "too far behind"),
        ("r/proxyv2:1.32.0", "ahead of"),
    ],
)
def test_waypoints_are_part_of_the_skew(world: Any, examine: Any, make: Any, image: str, word: str) -> None:
    managed = {"gateway.istio.io/managed": "istio.io-mesh-controller"}
    waypoint = make("Deployment", "waypoint", "shop", labels=managed, spec=spec(image))
    found = examine(world(*theirs(make), waypoint), "AMB0504").findings

    assert [finding.object for finding in found] == (["Deployment shop/waypoint"] if word else [])
    assert all(word in finding.message for finding in found)


def test_a_version_that_nobody_can_tell_is_named(world: Any, examine: Any, make: Any) -> None:
    managed = {"gateway.istio.io/managed": "istio.io-mesh-controller"}
    waypoint = make("Deployment", "waypoint", "shop", labels=managed, spec=spec("r/proxyv2@sha256:00"))
    report = examine(world(*theirs(make), waypoint), "AMB0504")

    assert report.results[0].detail == "istiod 1.31.0; not known: Deployment shop/waypoint"


@pytest.mark.parametrize(
    ("mesh_config", "status"),
    [
        ("discoverySelectors:\n- matchLabels: {mesh: blue}\n", "error"),
        ("discoverySelectors:\n- matchLabels: {team: shop}\n", "pass"),
        ("trustDomain: cluster.local\n", "pass"),
        ("discoverySelectors: all\n", "skipped"),
        (None, "skipped"),
    ],
)
def test_the_selectors_of_their_istiod(world: Any, examine: Any, make: Any, mesh_config: Any, status: str) -> None:
    config = make("ConfigMap", "istio-blue", "mesh", labels={"istio.io/rev": "blue"}, data={"mesh": mesh_config})
    shop = make("Namespace", "shop", labels={MODE: "ambient", "team": "shop"})
    report = examine(world(*theirs(make), shop, *([config] if mesh_config else [])), "AMB0410")

    assert report.results[0].status == status


def sail(make: Any, **metadata: Any) -> dict[str, Any]:
    obj: dict[str, Any] = make("ZTunnel", "default", api_version="sailoperator.io/v1")
    obj["metadata"] |= {"finalizers": ["sailoperator.io/sail-operator"], **metadata}
    return obj


def test_finalizers_without_their_controller(world: Any, examine: Any, make: Any) -> None:
    idle = make("Deployment", "sail-operator", "sail-operator", status={})
    report = examine(world(sail(make, deletionTimestamp="2026-01-01T00:00:00Z"), idle), "AMB0604")

    assert findings(report) == [("AMB0604", "ZTunnel default")]
    assert "its deletion hangs" in report.findings[0].message


def test_finalizers_with_their_controller(world: Any, examine: Any, make: Any) -> None:
    operator = make("Deployment", "servicemesh-operator2.v2-2", "sail-operator", status={"readyReplicas": 1})

    assert findings(examine(world(sail(make), operator), "AMB0604")) == []


@pytest.mark.parametrize(("cni", "count"), [("1.30.3", 1), ("1.31.0", 0)])
def test_host_network_under_their_istio_cni(world: Any, examine: Any, make: Any, cni: str, count: int) -> None:
    shop = make("Namespace", "shop", labels={MODE: "ambient"})
    agent = make("Pod", "agent", "shop", spec={"hostNetwork": True})

    assert len(examine(world(*theirs(make, cni=cni), shop, agent), "AMB0404").findings) == count


def test_sidecars_in_a_namespace_that_others_enrolled(world: Any, examine: Any, make: Any) -> None:
    shop = make("Namespace", "shop", labels={MODE: "ambient", "istio-injection": "enabled"})

    assert findings(examine(world(shop), "AMB0403")) == [("AMB0403", "Namespace shop")]
