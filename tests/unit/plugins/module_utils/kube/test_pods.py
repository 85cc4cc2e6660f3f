# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods and nodes tell about why a pod is not ready."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.pods import claims, crashed, node_reason, pod_reason


def pod(status: dict[str, Any], spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A live pod."""
    return {"metadata": {"name": "p", **metadata}, "spec": spec or {}, "status": status}


def conditions(*found: tuple[str, str]) -> list[dict[str, str]]:
    """Conditions by type and status."""
    return [{"type": kind, "status": status, "message": "because"} for kind, status in found]


CRASHING = {
    "name": "main",
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=main"}},
    "lastState": {"terminated": {"reason": "Error", "exitCode": 1}},
}


def test_pods() -> None:
    gates = {"readinessGates": [{"conditionType": "lb/attached"}]}
    up = conditions(("ContainersReady", "True"), ("Ready", "False"))
    assert pod_reason(pod({"conditions": up}, gates)) == "readiness gate lb/attached is closed"
    assert pod_reason(pod({"phase": "Pending"}, {"nodeName": "one"})) == "not started yet on node one"
    assert pod_reason(pod({}, deletionTimestamp="2026-01-01T00:00:00Z")) == "is being deleted"
    tainted = "0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: gpu}."
    unscheduled = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": tainted}]
    assert pod_reason(pod({"phase": "Pending", "conditions": unscheduled})) == tainted
    reason = pod_reason(pod({"containerStatuses": [CRASHING]}))
    assert reason.startswith("container main: CrashLoopBackOff: back-off 40s") and reason.endswith("exit status 1")


def test_whose_log_tells_more() -> None:
    assert crashed(pod({"containerStatuses": [CRASHING]})) == ("main", True)
    ended = {"name": "init", "state": {"terminated": {"reason": "Error", "exitCode": 2}}}
    assert crashed(pod({"initContainerStatuses": [ended], "containerStatuses": [CRASHING]})) == ("init", False)
    told = {**ended, "state": {"terminated": {"reason": "Error", "exitCode": 2, "message": "no such file"}}}
    assert crashed(pod({"containerStatuses": [told]})) is None
    assert crashed(pod({"containerStatuses": [{"name": "main", "state": {"running": {}}}]})) is None


def test_claims() -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "persistentVolumeClaim": {"claimName": "data"}}]
    assert claims(pod({}, {"volumes": volumes})) == ["data"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([("Ready", "True")], ""),
        ([("Ready", "Unknown")], "node one is not ready: because"),
        ([], "node one is not ready: it does not report"),
        ([("Ready", "True"), ("DiskPressure", "True")], "node one has DiskPressure"),
        ([("Ready", "True"), ("DiskPressure", "False")], ""),
    ],
)
def test_nodes(found: list[tuple[str, str]], reason: str) -> None:
    assert node_reason({"status": {"conditions": conditions(*found)}}, "one") == reason


def test_a_node_that_is_gone() -> None:
    assert node_reason(None, "one") == "node one does not exist any more"
