# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that have to be made anew, and those that have ended: a Job is no Deployment."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.restart import by_way

MODE = "istio.io/dataplane-mode"
MESH = {"namespaces": [{"name": "shop", "state": "l4"}]}
ISTIO = {"sidecar.istio.io/status": "{}"}
KUMA = {"kuma.io/sidecar-injected": "true"}
CAPTURED = {"ambient.istio.io/redirection": "enabled"}


def pod(make: Any, name: str, phase: str = "Running", kind: str = "", owner: str = "", **parts: Any) -> Any:
    """A pod in the namespace shop; `kind` and `owner` are its controller's."""
    obj = make("Pod", name, "shop", status={"phase": phase}, **parts)
    if kind:
        obj["metadata"]["ownerReferences"] = [{"kind": kind, "name": owner, "controller": True}]
    return obj


@pytest.mark.parametrize(
    ("kind", "owner", "labels", "words"),
    [
        ("ReplicaSet", "web-5d8", {"pod-template-hash": "5d8"}, "kubectl -n shop rollout restart deployment/web"),
        ("StatefulSet", "db", {}, "kubectl -n shop rollout restart statefulset/db"),
        ("DaemonSet", "log", {}, "kubectl -n shop rollout restart daemonset/log"),
        ("ReplicaSet", "bare", {}, "Delete these pods, ReplicaSet bare makes them anew"),
        ("Job", "nightly-1", {}, "let it end, or delete it and start it anew (nightly-1)"),
        ("", "", {}, "delete it and create it again"),
    ],
)
def test_each_pod_is_made_anew_in_its_own_way(
    world: Any, examine: Any, make: Any, kind: str, owner: str, labels: Any, words: str
) -> None:
    there = pod(make, "p", kind=kind, owner=owner, labels=labels, annotations=ISTIO)
    (finding,) = examine(world(make("Namespace", "shop"), there), "AMB0403", mesh=MESH).findings

    assert finding.object == "Pod shop/p"
    assert finding.hint.endswith(words) or words in finding.hint


def test_one_finding_for_all_pods_that_one_command_makes_anew(world: Any, examine: Any, make: Any) -> None:
    web = [pod(make, f"web-{n}", kind="DaemonSet", owner=f"ds-{n % 7}", annotations=ISTIO) for n in range(30)]
    job = pod(make, "job", kind="Job", owner="nightly", annotations=ISTIO)
    report = examine(world(make("Namespace", "shop"), *web, job), "AMB0403", mesh=MESH)

    assert [finding.object for finding in report.findings] == ["Namespace shop", "Pod shop/job"]
    assert report.findings[0].message.startswith("30 pods have a sidecar or ask for one")
    assert report.findings[0].message.endswith("and 25 more")
    assert report.findings[0].hint.endswith("daemonset/ds-3 daemonset/ds-4, and 2 more")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
@pytest.mark.parametrize(
    ("code", "marks"),
    [
        ("AMB0219", {"annotations": KUMA}),
        ("AMB0219", {"annotations": ISTIO}),
        ("AMB0403", {"annotations": ISTIO}),
        ("AMB0403", {"labels": {"sidecar.istio.io/inject": "true"}}),
        ("AMB0409", {}),
        ("AMB0411", {"annotations": KUMA}),
        ("AMB0413", {"labels": {"sidecar.istio.io/inject": "true"}}),
        ("AMB0601", {"annotations": CAPTURED}),
    ],
)
def test_what_has_ended_holds_nobody_up(
    world: Any, examine: Any, make: Any, code: str, marks: dict[str, Any], phase: str
) -> None:
    agent = make("DaemonSet", "istio-cni-node", "cni", labels={"k8s-app": "istio-cni-node"})
    base = [make("Namespace", "shop", labels={MODE: "ambient"}), agent]
    ended = pod(make, "nightly-1-x", phase, "Job", "nightly-1", **marks)
    running = pod(make, "web", **marks)

    assert examine(world(*base, ended), code, mesh=MESH).findings == []
    (finding,) = examine(world(*base, ended, running), code, mesh=MESH).findings
    assert "nightly" not in f"{finding.message} {finding.hint}"


def test_pods_that_look_right_cost_no_second_list(world: Any, examine: Any, make: Any) -> None:
    cluster = world(make("Namespace", "shop"), *(pod(make, f"web-{n}") for n in range(3)))
    examine(cluster, "AMB0219", "AMB0601", "AMB0413", mesh=MESH)

    assert {key: count for key, count in cluster.lists.items() if key[0] == "Pod"} == {("Pod", None): 1}


def test_an_owner_that_is_no_controller_makes_nothing_anew(make: Any) -> None:
    owned = pod(make, "p")
    owned["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "x-1"}]

    ((namespace, pods, words),) = by_way([owned])
    assert (namespace, len(pods)) == ("shop", 1)
    assert words.startswith("No controller")
