# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an object is ready, and why a pod is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.pods import pod_reason
from ansible_collections.alauda.ambient.plugins.module_utils.kube.ready import Verdict, judge, waits


def obj(kind: str, status: dict[str, Any], spec: dict[str, Any] | None = None, generation: int = 2) -> dict[str, Any]:
    """A live object."""
    group, _dummy, kind = kind.rpartition("/")
    metadata = {"name": "x", "namespace": "ns", "generation": generation}
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "spec": spec or {}, "status": status}


def conditions(**values: str) -> dict[str, Any]:
    """A status with these conditions."""
    return {"conditions": [{"type": kind, "status": value, "message": "because"} for kind, value in values.items()]}


ROLLED = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
SPREAD = {"observedGeneration": 2, "desiredNumberScheduled": 2, "numberAvailable": 2, "updatedNumberScheduled": 2}
SET = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3}
PARTITION = {"rollingUpdate": {"partition": 2}}


@pytest.mark.parametrize(
    ("live", "missing"),
    [
        (obj("apps/Deployment", ROLLED, {"replicas": 2}), ""),
        (
            obj("apps/Deployment", {**ROLLED, "observedGeneration": 1}, {"replicas": 2}),
            "not yet seen by its controller",
        ),
        (obj("apps/Deployment", {**ROLLED, "availableReplicas": 1}, {"replicas": 2}), "1/2 ready"),
        (obj("apps/Deployment", {**ROLLED, "updatedReplicas": 0}, {"replicas": 2}), "0/2 ready"),
        (obj("apps/Deployment", {**ROLLED, "replicas": 3}, {"replicas": 2}), "1 old pods to go"),
        (obj("apps/Deployment", {"observedGeneration": 2}, {"replicas": 0}), ""),
        (obj("apps/DaemonSet", SPREAD), ""),
        (obj("apps/DaemonSet", {**SPREAD, "numberAvailable": 1}), "1/2 ready"),
        (obj("apps/DaemonSet", {**SPREAD, "updatedNumberScheduled": 1}), "1/2 ready"),
        (obj("apps/DaemonSet", {**SPREAD, "updatedNumberScheduled": 0}, {"updateStrategy": {"type": "OnDelete"}}), ""),
        (obj("apps/DaemonSet", {}), "not yet seen by its controller"),
        (obj("apps/StatefulSet", {"observedGeneration": 2, "updatedReplicas": 1, "readyReplicas": 1}), ""),
        (obj("apps/StatefulSet", {"observedGeneration": 2, "updatedReplicas": 1}), "0/1 ready"),
        (
            obj("apiextensions.k8s.io/CustomResourceDefinition", conditions(NamesAccepted="True", Established="True")),
            "",
        ),
        (obj("apiextensions.k8s.io/CustomResourceDefinition", conditions(NamesAccepted="True")), "not yet Established"),
        (
            obj("apiextensions.k8s.io/CustomResourceDefinition", conditions(NamesAccepted="False")),
            "not NamesAccepted: because",
        ),
        (obj("gateway.networking.k8s.io/Gateway", conditions(Programmed="True")), ""),
        (
            obj(
                "gateway.networking.k8s.io/Gateway",
                {"conditions": [{"type": "Programmed", "status": "True", "observedGeneration": 1}]},
            ),
            "not yet Programmed",
        ),
        (obj("batch/Job", conditions(Complete="True")), ""),
        (obj("batch/Job", conditions(Failed="True")), "failed: because"),
        (obj("batch/Job", {}), "not yet Complete"),
        (obj("apps/Deployment", {"observedGeneration": 2}, {"paused": True}), "0/1 ready, its roll-out is paused"),
        (obj("apps/StatefulSet", {**SET, "updatedReplicas": 1}, {"replicas": 3}), "1/3 updated"),
        (obj("apps/StatefulSet", {**SET, "updatedReplicas": 1}, {"replicas": 3, "updateStrategy": PARTITION}), ""),
        (obj("apps/StatefulSet", SET, {"replicas": 3, "updateStrategy": PARTITION}), "0/1 updated"),
        (obj("apps/StatefulSet", SET, {"replicas": 3, "updateStrategy": {"type": "OnDelete"}}), ""),
        (obj("apps/StatefulSet", SET, {"replicas": 2, "updateStrategy": {"type": "OnDelete"}}), "1 old pods to go"),
        (obj("apps/StatefulSet", SET, {"replicas": 3, "minReadySeconds": 9}), "0/3 ready"),
        (obj("apiregistration.k8s.io/APIService", conditions(Available="False")), "not Available: because"),
        (obj("batch/Job", {}, {"suspend": True}), ""),
        (obj("gateway.networking.k8s.io/Gateway", conditions(Accepted="False")), "not Accepted: because"),
        (obj("gateway.networking.k8s.io/Gateway", conditions(Accepted="True")), "not yet Programmed"),
        (obj("networking.istio.io/Gateway", {}), ""),
        (obj("gateway.networking.k8s.io/GatewayClass", conditions(Accepted="Unknown")), "not Accepted: because"),
        (obj("gateway.networking.k8s.io/GatewayClass", conditions(Accepted="True")), ""),
        (obj("/PersistentVolumeClaim", {"phase": "Bound"}), ""),
        (obj("/PersistentVolumeClaim", {}), "not bound to a volume"),
        (obj("/Namespace", {"phase": "Active"}), ""),
        (obj("/Namespace", {"phase": "Terminating"}), "is being deleted"),
        (obj("/ConfigMap", {}), ""),
    ],
)
def test_readiness(live: dict[str, Any], missing: str) -> None:
    assert judge(live).missing == missing


def test_what_waits() -> None:
    assert waits("apps", "Deployment") and not waits("", "ConfigMap")
    assert waits("gateway.networking.k8s.io", "Gateway") and not waits("networking.istio.io", "Gateway")


def test_what_is_being_deleted_is_not_ready() -> None:
    live = obj("apps/Deployment", ROLLED, {"replicas": 2})
    live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert judge(live).missing == "is being deleted"


def test_what_waiting_does_not_mend() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}
    stuck = obj("apps/Deployment", {"observedGeneration": 2, "conditions": [late]})
    assert judge(stuck) == Verdict("0/1 ready: too slow", final=True, may_recover=True)
    stuck["status"].update(ROLLED)
    assert judge(stuck) == Verdict()
    assert judge(obj("batch/Job", conditions(Failed="True"))).final
    assert judge(obj("/PersistentVolumeClaim", {"phase": "Lost"})) == Verdict("its volume is lost", final=True)


GATEWAY = {"name": "gw"}
SERVICE = {"group": "", "kind": "Service", "name": "svc", "namespace": "other"}


def report(parent: dict[str, Any], generation: int = 2, **values: str) -> dict[str, Any]:
    """What a controller says of a route on one parent."""
    found = conditions(**values)["conditions"]
    return {"parentRef": parent, "conditions": [{**each, "observedGeneration": generation} for each in found]}


GOOD = {"Accepted": "True", "ResolvedRefs": "True"}


@pytest.mark.parametrize(
    ("parents", "reports", "missing", "unheard"),
    [
        ([], [], "", False),
        ([GATEWAY], [], "no controller has reported on its parent Gateway ns/gw", True),
        ([GATEWAY], [report(GATEWAY, **GOOD)], "", False),
        ([GATEWAY], [report({**GATEWAY, "namespace": "ns", "kind": "Gateway"}, **GOOD)], "", False),
        ([GATEWAY], [report({**GATEWAY, "namespace": "ns2"}, **GOOD)], "no controller has reported", True),
        ([GATEWAY], [report(GATEWAY, generation=1, **GOOD)], "not yet Accepted by Gateway ns/gw", False),
        ([GATEWAY], [report(GATEWAY)], "not yet Accepted by Gateway ns/gw", False),
        ([GATEWAY], [report(GATEWAY, Accepted="True")], "", False),
        ([GATEWAY], [report(GATEWAY, Accepted="False")], "not Accepted by Gateway ns/gw: because", False),
        (
            [GATEWAY, SERVICE],
            [report(GATEWAY, **GOOD), report(SERVICE, Accepted="True", ResolvedRefs="False")],
            "not ResolvedRefs by Service other/svc: because",
            False,
        ),
        ([GATEWAY, SERVICE], [report(GATEWAY, **GOOD)], "no controller has reported on its parent Service", True),
        ([SERVICE, GATEWAY], [report(GATEWAY, Accepted="False")], "not Accepted by Gateway ns/gw", False),
        ([{**GATEWAY, "sectionName": "a"}], [report({**GATEWAY, "sectionName": "b"}, **GOOD)], "no controller", True),
        ([GATEWAY], [report(GATEWAY, **GOOD), report({"name": "former"}, Accepted="False")], "", False),
    ],
)
def test_routes(parents: list[Any], reports: list[Any], missing: str, unheard: bool) -> None:
    verdict = judge(obj("gateway.networking.k8s.io/HTTPRoute", {"parents": reports}, {"parentRefs": parents}))
    assert verdict.missing.startswith(missing) and bool(verdict.missing) == bool(missing)
    assert verdict.unheard == unheard


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
