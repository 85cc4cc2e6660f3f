# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's waypoint, its new pod and its restarts, on a cluster that behaves, misbehaves, or only pretends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.verify import (
    active_waypoint,
    facts,
    probe_waypoint_objects,
)
from ansible_collections.alauda.ambient.plugins.module_utils.verify.probe_objects import INSIDE, OUTSIDE
from unit.plugins.module_utils.verify.verify_cluster import World, broken, plan, probe
from unit.plugins.module_utils.verify.verify_world import NOW, STAND_IN_IMAGE


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "utc_now", lambda: NOW)


class Unserved(World):
    """A cluster without the Gateway API."""

    def apply(self, obj: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """As ever, but for Gateways."""
        if obj["kind"] == "Gateway":
            raise AmbientError("the API server does not serve Gateway")
        return super().apply(obj, manager)


class Deaf(World):
    """A cluster in which new pods do not answer."""

    def exec(self, namespace: str, pod: str, container: str, command: Any) -> tuple[int, str, str]:
        """As ever, but for the new pod."""
        late = "10.1.0.7" in command[-1]
        return (1, "", "connection refused") if late else super().exec(namespace, pod, container, command)


BROKEN: list[tuple[str, World, str]] = [
    ("probe-new-pods", Deaf(), "no answer from late-abc: connection refused"),
    ("probe-waypoint", broken("unprogrammed"), "ambient-verify/waypoint is not programmed: Said istiod says so"),
    ("probe-waypoint", broken("unready"), "has no ready pod"),
    ("probe-waypoint", broken("no-pod"), "has no pod: istiod has made no Deployment"),
    ("probe-waypoint", broken("unbound"), "the Service was not bound: Said"),
    ("probe-methods", broken("lenient"), "POST ambient-verify/client-abc got 200"),
    ("probe-methods", broken("uncounted"), "the waypoint has seen neither"),
    ("probe-lock-down", broken("open"), "by its pod's address ambient-verify/client-abc got 200"),
    ("probe-lock-down", broken("shut"), "nothing passes through the waypoint either"),
    ("probe-waypoint-restart", broken("stays"), "after 60 s no new pod has taken over"),
    ("probe-ztunnel-restart", broken("stays"), "after 60 s no new pod has taken over"),
]


@pytest.mark.parametrize(("name", "world", "evidence"), BROKEN)
def test_a_broken_subject_fails(name: str, world: World, evidence: str) -> None:
    verdict = probe(world)[name].verdict
    assert (verdict.result, evidence in verdict.evidence) == ("fail", True), verdict
    assert verdict.advice
    assert not world.objects


def test_every_verification_can_fail() -> None:
    assert {case[0] for case in BROKEN} - {"probe-new-pods"} == {check.id for check in active_waypoint.CHECKS}


def test_a_real_ztunnel_proves_it_all() -> None:
    world = World()
    checked = probe(world)
    assert checked["probe-methods"].verdict.evidence == (
        "GET got 200, POST got 403; the waypoint counts 4 requests allowed and 2 denied by its policy"
    )
    assert checked["probe-lock-down"].verdict.evidence.startswith(
        "refused: its pod's address, another port, a headless Service, another namespace's waypoint; through its own"
    )
    assert "0 of " in checked["probe-ztunnel-restart"].verdict.evidence
    assert "requests failed (0.0 %)" in checked["probe-waypoint-restart"].verdict.evidence
    assert [line for line in world.written if line.startswith("restart ")] == ["restart ztunnel/ztunnel-node-a"]


def test_without_its_counts_the_refusal_itself_is_the_evidence() -> None:
    evidence = probe(broken("mute"))["probe-methods"].verdict.evidence
    assert evidence == "GET got 200, POST got 403; the refusal says RBAC: access denied"


def test_the_stand_in_shows_what_it_can() -> None:
    world = World(carries=False, image=STAND_IN_IMAGE)
    checked = probe(world)
    assert {name: checked[name].verdict.result for name in ("probe-new-pods", "probe-waypoint")} == {
        "probe-new-pods": "pass",
        "probe-waypoint": "pass",
    }
    assert checked["probe-methods"].verdict.evidence.endswith("GET got 200, POST got 200")
    assert "its pod's address: 200" in checked["probe-lock-down"].verdict.evidence
    assert "requests failed" in checked["probe-ztunnel-restart"].verdict.evidence
    assert not world.objects


def test_without_the_gateway_api_waypoints_are_not_proven() -> None:
    checked = probe(Unserved())
    for check in active_waypoint.CHECKS:
        if check.id != "probe-ztunnel-restart":
            verdict = checked[check.id].verdict
            assert (verdict.result, "does not serve Gateway" in verdict.evidence) == ("not-proven", True)
    assert checked["probe-unenrolled"].verdict.result == "pass"


def test_ways_that_were_closed_before_prove_no_lock_down() -> None:
    class Closed(World):
        def exec(self, namespace: str, pod: str, container: str, command: Any) -> tuple[int, str, str]:
            other = ":8081" in command[-1]
            return (1, "", "refused") if other else super().exec(namespace, pod, container, command)

    verdict = probe(Closed())["probe-lock-down"].verdict
    assert (verdict.result, "closed without lock-down, too: another port" in verdict.evidence) == ("not-proven", True)


def test_on_request_no_waypoint_is_made() -> None:
    world = World()
    checked = probe(world, waypoint=False)
    assert "Gateway waypoint" not in world.written
    left_out = {check.id for check in active_waypoint.CHECKS} - {"probe-ztunnel-restart"}
    for name in left_out:
        verdict = checked[name].verdict
        assert (verdict.result, verdict.evidence, verdict.asked) == (
            "skipped",
            "ambient_verify_waypoint is false",
            False,
        )


def test_nothing_is_restarted_unless_asked() -> None:
    world = World()
    checked = probe(world, disrupt=False)
    for name in ("probe-ztunnel-restart", "probe-waypoint-restart"):
        verdict = checked[name].verdict
        assert (verdict.result, verdict.asked) == ("skipped", False)
        assert "ambient_verify_disrupt is false" in verdict.evidence
    assert not [line for line in world.written if "restart" in line or "Deployment" in line]


@pytest.mark.parametrize(("how", "share"), [("loss", "30.0 %"), ("faults", "10.0 %")])
def test_failed_requests_are_counted(how: str, share: str) -> None:
    checked = probe(broken(how))
    for name in ("probe-ztunnel-restart", "probe-waypoint-restart"):
        verdict = checked[name].verdict
        assert (verdict.result, f"requests failed ({share})" in verdict.evidence) == ("pass", True)


def test_a_crash_while_the_waypoint_is_used_leaves_nothing() -> None:
    class Crash(World):
        def exec(self, namespace: str, pod: str, container: str, command: Any) -> tuple[int, str, str]:
            if "POST" in command:
                raise KeyboardInterrupt
            return super().exec(namespace, pod, container, command)

    world = Crash()
    with pytest.raises(KeyboardInterrupt):
        probe(world)
    assert not world.objects


def test_the_waypoint_goes_after_what_leads_to_it() -> None:
    world = World()
    probe(world, disrupt=False)
    last = [line for line in world.written if line in ("Service server", "delete Gateway waypoint")]
    assert last == ["Service server", "Service server", "Service server", *["delete Gateway waypoint"] * 4][: len(last)]
    assert world.written.index("delete AuthorizationPolicy probe-only-waypoint") < world.written.index(
        "delete Gateway waypoint"
    )


def test_further_manifests_come_before_the_gateway_in_its_namespace() -> None:
    extra = {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": {"name": "t", "namespace": "x"}}
    found = list(probe_waypoint_objects.gateway(plan(waypoint_manifests=[extra]), OUTSIDE))
    assert [item["kind"] for item in found] == ["Telemetry", "ConfigMap", "Gateway"]
    assert {item["metadata"]["namespace"] for item in found} == {OUTSIDE}
    assert extra["metadata"] == {"name": "t", "namespace": "x"}


def test_the_waypoint_fits_the_pod_security_level_of_its_namespace() -> None:
    options = next(probe_waypoint_objects.gateway(plan(), INSIDE))
    spec = yaml.safe_load(options["data"]["deployment"])["spec"]["template"]["spec"]
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}


@pytest.mark.parametrize("api_version", ["v1", "rbac.authorization.k8s.io/v1", "istio.io.evil/v1"])
def test_further_manifests_that_would_stay_are_refused(api_version: str) -> None:
    with pytest.raises(AmbientError, match=r"verify_waypoint_manifests\[1\]"):
        probe_waypoint_objects.check_extra(
            [{"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": api_version, "kind": "ClusterRole"}]
        )
