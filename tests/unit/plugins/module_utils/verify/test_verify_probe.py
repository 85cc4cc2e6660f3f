# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe and the active verifications, on a cluster that behaves, misbehaves, or only pretends."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.verify import active, active_waypoint, facts, run
from ansible_collections.alauda.ambient.plugins.module_utils.verify.declared import Declared
from ansible_collections.alauda.ambient.plugins.module_utils.verify.observations import Observations
from ansible_collections.alauda.ambient.plugins.module_utils.verify.probe_objects import INSIDE, OUTSIDE, choose_nodes
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import Seen, outcome
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import run as judge
from ansible_collections.alauda.ambient.plugins.module_utils.verify.ztunnel import STAND_IN
from unit.plugins.module_utils.verify.verify_cluster import World, broken, plan, probe
from unit.plugins.module_utils.verify.verify_world import NOW, STAND_IN_IMAGE, ZTUNNEL_IMAGE, node


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "utc_now", lambda: NOW)


# What takes a real ztunnel to prove.
WITH_ZTUNNEL = {
    "probe-identities",
    "probe-strict",
    "probe-methods",
    "probe-lock-down",
    "probe-waypoint-restart",
    "probe-ztunnel-restart",
}

BROKEN: list[tuple[str, World, str]] = [
    ("probe-plain", broken("pull"), "ErrImagePull: no such image"),
    ("probe-plain", broken("network"), "dial tcp: i/o timeout"),
    ("probe-enrolled", broken("never"), "no annotation"),
    ("probe-certificates", broken("unsigned"), "ztunnel has no certificate"),
    ("probe-certificates", broken("unknown"), "istiod does not list"),
    ("probe-strict", broken("strict"), "got 200 from server-abc, from outside"),
    ("probe-kubelet", broken("probes"), "was restarted 2 times"),
    ("probe-unenrolled", broken("forever"), "ambient.istio.io/redirection: enabled"),
    ("probe-removed", broken("stuck"), INSIDE),
]


def test_a_real_ztunnel_proves_everything() -> None:
    world = World()
    checked = probe(world)
    assert [item.verdict.result for item in checked.values()] == ["pass"] * len(active.CHECKS), list(checked.values())
    assert outcome(checked.values()) == "verified"
    assert "connection reset by peer" in checked["probe-strict"].verdict.evidence


@pytest.mark.parametrize(("name", "world", "evidence"), BROKEN)
def test_a_broken_subject_fails(name: str, world: World, evidence: str) -> None:
    verdict = probe(world)[name].verdict
    assert verdict.result == "fail"
    assert evidence in verdict.evidence
    assert verdict.advice


@pytest.mark.parametrize(
    "world", [World(carries=False, image=STAND_IN_IMAGE), World(carries=False, readiness="ztunnel stand-in: ready")]
)
def test_with_the_stand_in_encryption_is_not_proven(world: World) -> None:
    checked = probe(world)
    unproven = {name: item.verdict.evidence for name, item in checked.items() if item.verdict.result != "pass"}
    assert set(unproven) == WITH_ZTUNNEL
    assert all(unproven[name].startswith(STAND_IN) for name in ("probe-identities", "probe-strict"))
    assert all("the ztunnel stand-in carries the traffic" in evidence for evidence in unproven.values())
    assert outcome(checked.values()) == "partly-proven"


def test_a_stand_in_that_hides_fails() -> None:
    checked = probe(World(carries=False, image=ZTUNNEL_IMAGE))
    failing = {name for name, item in checked.items() if item.verdict.result == "fail"}
    assert failing == {"probe-identities", "probe-strict", "probe-methods", "probe-lock-down"}
    assert "200" in checked["probe-strict"].verdict.evidence


def test_a_log_without_identities_fails() -> None:
    world = World()
    real = world.exec

    def plain(*arguments: Any) -> tuple[int, str, str]:
        answer = real(*arguments)
        world.log = [line.replace("src.identity", "nothing") for line in world.log]
        return answer

    world.exec = plain  # type: ignore[method-assign]
    verdict = probe(world)["probe-identities"].verdict
    assert verdict.result == "fail"
    assert "src.workload=client-abc" in verdict.evidence


def test_one_lost_request_is_no_refusal() -> None:
    world = World(carries=False)
    real, lost = world.exec, []

    def lossy(namespace: str, *rest: Any) -> tuple[int, str, str]:
        if namespace == OUTSIDE and world._mode() == "STRICT" and len(lost) < 2:
            lost.append(namespace)
            return 1, "", "i/o timeout"
        return real(namespace, *rest)

    world.exec = lossy  # type: ignore[method-assign, assignment]
    assert probe(world)["probe-strict"].verdict.result == "fail"
    assert len(lost) == 2


def test_pods_that_vanish_prove_nothing() -> None:
    world = World()
    real = world.exec

    def evict(*arguments: Any) -> tuple[int, str, str]:
        answer = real(*arguments)
        if world._mode() == "STRICT":
            world.objects = {key: found for key, found in world.objects.items() if "server" not in key[2]}
        return answer

    world.exec = evict  # type: ignore[method-assign]
    checked = probe(world)
    for name in ("probe-kubelet", "probe-unenrolled"):
        assert (checked[name].verdict.result, "1 of the probe's 2 pods" in checked[name].verdict.evidence) == (
            "not-proven",
            True,
        )


def test_old_log_lines_prove_nothing() -> None:
    world = World(carries=False)
    spaces = 'src.namespace="ambient-verify" dst.namespace="ambient-verify"'
    world.log = [f'info access connection complete {spaces} src.workload="client-old" dst.workload="server-old"']
    assert "no line about the request" in probe(world)["probe-identities"].verdict.evidence


def test_a_refusal_proves_nothing_when_the_client_could_not_get_through_before() -> None:
    verdict = probe(broken("outside"))["probe-strict"].verdict
    assert verdict.result == "not-proven"
    assert "before STRICT either" in verdict.evidence


def test_after_a_failed_start_nothing_else_is_proven() -> None:
    checked = probe(broken("pull"))
    others = [item for name, item in checked.items() if name not in ("probe-plain", "probe-removed")]
    assert {item.verdict.result for item in others} == {"not-proven"}


def test_nothing_is_left_behind() -> None:
    world = World()
    probe(world)
    assert not world.objects


def test_nothing_is_left_behind_after_a_crash() -> None:
    world = broken("crash")
    with pytest.raises(KeyboardInterrupt):
        probe(world)
    assert not world.objects


def test_leftovers_of_a_killed_run_are_removed_first() -> None:
    world = World()
    labels = {"ambient.alauda.io/probe": "verify"}
    world.objects[("Namespace", "", INSIDE)] = {"kind": "Namespace", "metadata": {"name": INSIDE, "labels": labels}}
    assert probe(world)["probe-removed"].verdict.result == "pass"
    assert world.written[0] == f"delete {INSIDE}"


@pytest.mark.parametrize("name", [INSIDE, OUTSIDE])
def test_a_namespace_of_someone_else_is_never_touched(name: str) -> None:
    world = World()
    world.objects[("Namespace", "", name)] = {"kind": "Namespace", "metadata": {"name": name}}
    with pytest.raises(AmbientError, match=f"Namespace {name}: .*not the probe's"):
        probe(world)
    assert world.written == []


def test_on_a_single_node_it_says_so() -> None:
    verdict = probe(World(), client_node="node-a")["probe-across-nodes"].verdict
    assert (verdict.result, verdict.evidence) == ("skipped", "node-a is the only node that takes pods")


def test_untainted_nodes_come_first_and_unfit_ones_never() -> None:
    master = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    gpu = {"key": "gpu", "effect": "NoSchedule"}
    down = node("down")
    down["status"]["conditions"][0]["status"] = "False"
    nodes = [node("a", taints=[master]), node("b"), node("c", taints=[gpu]), node("d", unschedulable=True), down]
    assert choose_nodes(nodes) == ["b", "a"]


def test_check_mode_makes_no_pods() -> None:
    world = World()
    request = run.Request("active", "default", Declared(), "app:1", 60, settle=0, write_nothing=True)
    answer = run.verify(world, request, run.Progress(None))
    assert world.written == []
    assert {c["result"] for c in answer.data["checks"] if c["id"].startswith("probe-")} == {"skipped"}


def test_every_verification_can_fail() -> None:
    here = {"probe-identities", "probe-request", "probe-across-nodes", "probe-new-pods"}
    here |= {check.id for check in active_waypoint.CHECKS}  # in test_verify_probe_waypoint.py
    assert {case[0] for case in BROKEN} | here == {check.id for check in active.CHECKS}


def test_a_request_that_is_not_answered_in_the_mesh_fails() -> None:
    world = World()
    real = world.exec

    def deaf(namespace: str, *rest: Any) -> tuple[int, str, str]:
        return (1, "", "connection reset") if world._marked() else real(namespace, *rest)

    world.exec = deaf  # type: ignore[method-assign, assignment]
    checked = probe(world)
    for name in ("probe-request", "probe-across-nodes", "probe-identities"):
        assert checked[name].verdict.result == "fail"


def test_unseen_parts_of_the_probe_are_not_proven() -> None:
    seen = Observations(plan(disrupt=True), "cluster.local", Seen(""), started=Seen(why="403: pods is forbidden"))
    assert {item.verdict.result for item in judge(active.CHECKS, seen)} == {"not-proven"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('2026\tfatal\tError 1/1 requests had errors; first error: Get "http:/": EOF\n\n', "EOF"),
        (
            "first error: dial tcp 10.0.0.1:80: connect: connection refused",
            "dial tcp 10.0.0.1:80: connect: connection refused",
        ),
        ("", "exit status 137"),
    ],
)
def test_the_cause_of_a_refused_request_is_what_is_shown(said: str, expected: str) -> None:
    world = World()
    world.exec = lambda *dummy: (137, "", said)  # type: ignore[method-assign]
    assert probe(world)["probe-plain"].verdict.evidence.count(f": {expected}") == 2


def test_ztunnels_reason_for_a_refusal_is_evidence() -> None:
    world = World()
    real = world.exec

    def refuse(namespace: str, pod: str, *rest: Any) -> tuple[int, str, str]:
        answer = real(namespace, pod, *rest)
        if answer[0]:
            world.log.append(
                f'error access connection complete src.namespace="{namespace}" src.workload="{pod}" '
                f'dst.namespace="{INSIDE}" dst.workload="server-abc" error="explicitly denied by: static_strict"'
            )
        return answer

    world.exec = refuse  # type: ignore[method-assign, assignment]
    assert "(ztunnel logged: explicitly denied by: static_strict)" in probe(world)["probe-strict"].verdict.evidence
