# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes that no API server without nodes can show: logs, and what may not be read."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.reasons import why_not_ready
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity

WORKLOAD = Identity.parse("apps/v1", "Deployment", "web", "ns")
ENDED = {"terminated": {"reason": "Error", "exitCode": 7}}
CRASHING = {"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ENDED}
TOLD = "pod web-1: container main: CrashLoopBackOff: ended with Error, exit status 7"


class Cluster:
    """A client of a cluster with one Deployment and one pod that crashes."""

    def __init__(self, node_is: str = "True", readable: bool = True) -> None:
        self._node_is = node_is
        self._readable = readable

    def get(self, what: Any, kind: str = "", name: str = "", namespace: str = "") -> dict[str, Any]:
        """The Deployment, or the node."""
        if kind == "Node":
            self._refuse()
            return {"status": {"conditions": [{"type": "Ready", "status": self._node_is, "message": "no word"}]}}
        spec = {"selector": {"matchLabels": {"app": "web"}}}
        return {"kind": "Deployment", "metadata": {"name": "web", "namespace": "ns"}, "spec": spec}

    def list(self, api_version: str, kind: str, *dummy: Any, **options: Any) -> list[dict[str, Any]]:
        """The pod; no event."""
        if kind == "Event":
            self._refuse()
            return []
        metadata = {"name": "web-1", "namespace": "ns"}
        return [{"metadata": metadata, "spec": {"nodeName": "one"}, "status": {"containerStatuses": [CRASHING]}}]

    def logs(self, namespace: str, pod: str, container: str, *, tail: int, previous: bool) -> str:
        """The log of the run that crashed."""
        self._refuse()
        assert (namespace, pod, container, previous) == ("ns", "web-1", "main", True)
        return "starting\npanic:  no such   file\n\n"

    def _refuse(self) -> None:
        if not self._readable:
            raise ApiError("forbidden", status=403)


@pytest.mark.parametrize(
    ("cluster", "more"),
    [
        (Cluster(), "; its last line: panic: no such file"),
        (Cluster(node_is="Unknown"), "; node one is not ready: no word"),
        (Cluster(readable=False), ""),
    ],
    ids=["log", "sick node", "forbidden"],
)
def test_a_pod_that_crashes(cluster: Any, more: str) -> None:
    assert why_not_ready(cluster, WORKLOAD) == TOLD + more
