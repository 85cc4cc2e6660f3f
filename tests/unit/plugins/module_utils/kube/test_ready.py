# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an object is ready, and why a pod is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.ready import not_ready_because, waits
from ansible_collections.alauda.ambient.plugins.module_utils.kube.reasons import pod_reason


def obj(kind: str, status: dict[str, Any], spec: dict[str, Any] | None = None, generation: int = 2) -> dict[str, Any]:
    """A live object."""
    return {"kind": kind, "metadata": {"name": "x", "generation": generation}, "spec": spec or {}, "status": status}


def conditions(**values: str) -> dict[str, Any]:
    """A status with these conditions."""
    return {"conditions": [{"type": kind, "status": value, "message": "because"} for kind, value in values.items()]}


ROLLED = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
SPREAD = {"observedGeneration": 2, "desiredNumberScheduled": 2, "numberAvailable": 2, "updatedNumberScheduled": 2}


@pytest.mark.parametrize(
    ("live", "missing"),
    [
        (obj("Deployment", ROLLED, {"replicas": 2}), ""),
        (obj("Deployment", {**ROLLED, "observedGeneration": 1}, {"replicas": 2}), "not yet seen by its controller"),
        (obj("Deployment", {**ROLLED, "availableReplicas": 1}, {"replicas": 2}), "1/2 ready"),
        (obj("Deployment", {**ROLLED, "updatedReplicas": 0}, {"replicas": 2}), "0/2 ready"),
        (obj("Deployment", {**ROLLED, "replicas": 3}, {"replicas": 2}), "1 old pods to go"),
        (obj("Deployment", {"observedGeneration": 2}, {"replicas": 0}), ""),
        (obj("DaemonSet", SPREAD), ""),
        (obj("DaemonSet", {**SPREAD, "numberAvailable": 1}), "1/2 ready"),
        (obj("DaemonSet", {**SPREAD, "updatedNumberScheduled": 1}), "1/2 ready"),
        (obj("DaemonSet", {**SPREAD, "updatedNumberScheduled": 0}, {"updateStrategy": {"type": "OnDelete"}}), ""),
        (obj("DaemonSet", {}), "not yet seen by its controller"),
        (obj("StatefulSet", {"observedGeneration": 2, "updatedReplicas": 1, "readyReplicas": 1}), ""),
        (obj("StatefulSet", {"observedGeneration": 2, "updatedReplicas": 1}), "0/1 ready"),
        (obj("CustomResourceDefinition", conditions(NamesAccepted="True", Established="True")), ""),
        (obj("CustomResourceDefinition", conditions(NamesAccepted="True")), "not yet Established"),
        (obj("CustomResourceDefinition", conditions(NamesAccepted="False")), "not NamesAccepted: because"),
        (obj("Gateway", conditions(Programmed="True")), ""),
        (
            obj("Gateway", {"conditions": [{"type": "Programmed", "status": "True", "observedGeneration": 1}]}),
            "not yet Programmed",
        ),
        (obj("Job", conditions(Complete="True")), ""),
        (obj("Job", conditions(Failed="True")), "failed: because"),
        (obj("Job", {}), "not yet Complete"),
        (obj("Namespace", {"phase": "Active"}), ""),
        (obj("Namespace", {"phase": "Terminating"}), "is being deleted"),
        (obj("ConfigMap", {}), ""),
    ],
)
def test_readiness(live: dict[str, Any], missing: str) -> None:
    assert not_ready_because(live) == missing


def test_what_waits() -> None:
    assert waits("Deployment") and not waits("ConfigMap")


def container(**state: Any) -> dict[str, Any]:
    """The status of a container."""
    return {"name": "main", "ready": False, "state": state}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"phase": "Running", **conditions(Ready="True")}, ""),
        ({"phase": "Succeeded"}, ""),
        (
            {"containerStatuses": [container(waiting={"reason": "ErrImagePull", "message": "no such image"})]},
            "container main: ErrImagePull: no such image",
        ),
        (
            {
                "containerStatuses": [
                    {
                        **container(waiting={"reason": "CrashLoopBackOff"}),
                        "lastState": {"terminated": {"reason": "Error", "exitCode": 3, "message": "a  b"}},
                    }
                ]
            },
            "container main: CrashLoopBackOff: ended with Error, exit status 3 (a b)",
        ),
        (
            {"initContainerStatuses": [container(terminated={"reason": "OOMKilled", "exitCode": 137})]},
            "container main: ended with OOMKilled, exit status 137",
        ),
        (conditions(PodScheduled="False"), "because"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"containerStatuses": [container(running={})]}, "container main runs but is not ready"),
        (
            {"containerStatuses": [container(waiting={"reason": "ContainerCreating"})]},
            "container main is being created",
        ),
        ({}, "not started yet"),
    ],
)
def test_why_a_pod_is_not_ready(status: dict[str, Any], reason: str) -> None:
    assert pod_reason({"metadata": {"name": "p"}, "status": status}) == reason
