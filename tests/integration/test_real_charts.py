# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other meshes by their own charts, as far as a Go module brings them: rendered now, put into a real API server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import toolchain
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from devcluster import golang

OWN_APISERVER = True  # the checks look at the whole cluster

Object = dict[str, Any]
NAMESPACE = "other-mesh"
BASE = {"version": "1.31.0", "gateway_api": "install", "fail_on": "never", "phase": ["pre"]}
KINDS = (
    "CustomResourceDefinition",
    "Deployment",
    "DaemonSet",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ClusterRole",
)


@dataclass(frozen=True)
class Chart:
    """A chart inside a Go module, and the code that its mesh is refused with."""

    code: str
    module: str
    version: str
    checksum: str
    folder: str


CHARTS = (
    Chart(
        "AMB0209",
        "github.com/kumahq/kuma",
        "v1.8.1",
        "h1:O310SC7+SFY3nvPvfG6Mb42pP51JN0QurK8ig/6UWdg=",
        "deployments/charts/kuma",
    ),
    Chart(
        "AMB0215",
        "github.com/openservicemesh/osm",
        "v1.2.4",
        "h1:WBSoLWehnxedIxXHysKOR49DQVbGLW5qBdh6UD8NAUA=",
        "charts/osm",
    ),
    Chart(
        "AMB0216",
        "github.com/nginxinc/nginx-service-mesh",
        "v1.7.0",
        "h1:oxKr+Jdbxkos10VTy5xF2UHCcmfIhqWNlsOK/zPnZDM=",
        "helm-chart",
    ),
)


def rendered(chart: Chart) -> Iterator[Object]:
    """What the chart brings of the kinds that the checks look at; webhooks that concern nothing here."""
    directory = golang.module_at(chart.module, chart.version, chart.checksum) / chart.folder
    helm = toolchain.binaries("helm")["helm"]
    command = [
        helm,
        "template",
        "other",
        directory,
        "--include-crds",
        "--namespace",
        NAMESPACE,
        "--kube-version",
        "1.34",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for obj in yaml.safe_load_all(done.stdout):
        if obj and obj["kind"] in KINDS:
            metadata = obj["metadata"]
            metadata.pop("namespace", None)
            if obj["kind"] in ("Deployment", "DaemonSet"):
                metadata["namespace"] = NAMESPACE
            for hook in obj.get("webhooks") or []:
                hook["failurePolicy"] = "Ignore"
                hook["namespaceSelector"] = {"matchLabels": {"none.invalid/no-such-namespace": "true"}}
                hook["clientConfig"].pop("caBundle", None)
            yield obj


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.code)
def test_a_mesh_is_found_by_what_its_own_chart_brings(
    run_module: Callable[..., dict[str, Any]], client: Client, chart: Chart
) -> None:
    objects = list(rendered(chart))
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, "tests")
    try:
        for obj in objects:
            client.apply(obj, "tests")
        result = run_module("check", BASE)
    finally:
        for obj in reversed(objects):
            client.delete(Identity.of(obj))
        deadline = time.monotonic() + 30
        while any(client.get(Identity.of(obj)) for obj in objects) and time.monotonic() < deadline:
            time.sleep(0.2)  # CRDs go in two steps

    assert {finding["code"] for finding in result["findings"]} == {chart.code}
    found = {finding["object"].partition(" ")[2].rpartition("/")[2] for finding in result["findings"]}
    workloads = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "Deployment"}
    hooks = {obj["metadata"]["name"] for obj in objects if obj["kind"].endswith("WebhookConfiguration")}
    assert workloads & found
    assert not hooks or hooks & found
