# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who would be refused under STRICT: by ztunnel's counts, else by who stays outside the mesh."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.callers import callers_of, plain_callers
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh

MESH = parse_mesh({"namespaces": [{"name": "shop", "state": "l4-strict"}]})


def opened(source: str, *, policy: str = "unknown", reporter: str = "destination", to: str = "shop") -> str:
    namespace, _slash, workload = source.partition("/")
    labels = {
        "reporter": reporter,
        "source_workload": workload,
        "source_workload_namespace": namespace,
        "destination_workload_namespace": to,
        "connection_security_policy": policy,
    }
    text = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"istio_tcp_connections_opened_total{{{text}}} 3\n"


class Cluster:
    """A ztunnel with these metrics (None: they cannot be read), and some namespaces."""

    def __init__(self, metrics: str | None, image: str = "istio/ztunnel:1.31.0") -> None:
        self.metrics, self.image = metrics, image

    def get(self, dummy_version: str, dummy_kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        return {"metadata": {"name": name, "namespace": namespace}, "spec": {"selector": {"matchLabels": {"a": "z"}}}}

    def list(self, dummy_version: str, kind: str, *dummy: Any) -> list[dict[str, Any]]:
        if kind == "Namespace":
            names = {"shop": {}, "legacy": {}, "kube-system": {}, "bank": {"istio.io/dataplane-mode": "ambient"}}
            return [{"metadata": {"name": name, "labels": labels}} for name, labels in names.items()]
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        spec = {"containers": [{"name": "istio-proxy", "image": self.image}]}
        return [{"metadata": {"name": "ztunnel-1", "namespace": "ztunnel"}, "spec": spec, "status": ready}]

    def http_get(self, dummy_namespace: str, dummy_pod: str, port: int, dummy_path: str) -> tuple[int, str]:
        if port != 15020:
            return 200, "ready"
        if self.metrics is None:
            raise AmbientError("the port is closed")
        return 200, self.metrics


def test_only_plain_calls_to_the_namespace_count() -> None:
    counted: dict[str, set[str]] = {}
    text = opened("web/front") + opened("web/safe", policy="mutual_tls") + opened("web/x", reporter="source")
    plain_callers(text + opened("web/front") + opened("ops/probe", to="bank"), counted)

    assert counted == {"shop": {"web/front"}, "bank": {"ops/probe"}}


@pytest.mark.parametrize(
    ("cluster", "line"),
    [
        (Cluster(opened("web/front")), "of namespace shop will be refused, ztunnel saw: web/front"),
        (Cluster(opened("web/x", to="bank")), "of namespace shop will be refused; ztunnel saw none so far"),
        (
            Cluster(None),
            "of shop will be refused (ztunnel's telemetry cannot be read: the port is closed); that could be pods of "
            "these namespaces, which stay outside the mesh: legacy",
        ),
        (
            Cluster("", "ambient.local/ztunnel-standin:1"),
            "of shop will be refused (the stand-in for ztunnel counts nothing); that could be pods of these "
            "namespaces, which stay outside the mesh: legacy",
        ),
    ],
)
def test_a_namespace_that_turns_strict_gets_one_line(cluster: Any, line: str) -> None:
    assert callers_of(cluster, MESH, ["shop"]) == [f"plain-text callers {line}"]
    assert callers_of(cluster, MESH, []) == []
