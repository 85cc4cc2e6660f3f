# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other meshes by their own charts, as far as a Go module brings them: rendered now, put into a real API server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from devcluster import golang
from real_charts import rendered, there

OWN_APISERVER = True  # the checks look at the whole cluster

Run = Callable[..., dict[str, Any]]
BASE = {"version": "1.31.0", "gateway_api": "install", "fail_on": "never", "phase": ["pre"]}


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


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.code)
def test_a_mesh_is_found_by_what_its_own_chart_brings(run_module: Run, client: Client, chart: Chart) -> None:
    directory = golang.module_at(chart.module, chart.version, chart.checksum) / chart.folder
    objects = list(rendered(directory))
    with there(client, objects):
        result = run_module("check", BASE)

    assert {finding["code"] for finding in result["findings"]} == {chart.code}
    found = {finding["object"].partition(" ")[2].rpartition("/")[2] for finding in result["findings"]}
    workloads = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "Deployment"}
    hooks = {obj["metadata"]["name"] for obj in objects if obj["kind"].endswith("WebhookConfiguration")}
    assert workloads & found
    assert not hooks or hooks & found
