# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each option of a waypoint, and where it goes: to the Gateway, or to what istiod merges into what it makes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.waypoints import waypoint_items

OURS = {"ambient.alauda.io/mesh": "default"}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}


def made(**options: Any) -> list[Object]:
    found = waypoint_items(parse_mesh({"waypoints": [{"name": "waypoint", "namespace": "shop", **options}]}))
    assert {(item.wave, item.patch, item.role) for item in found} <= {(30, False, "waypoints")}
    return [item.object for item in found]


def test_a_plain_waypoint_is_a_gateway_and_nothing_else() -> None:
    assert made() == [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {
                "name": "waypoint",
                "namespace": "shop",
                "labels": {"istio.io/waypoint-for": "service", **OURS},
            },
            "spec": {
                "gatewayClassName": "istio-waypoint",
                "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}],
            },
        }
    ]


@pytest.mark.parametrize("serves", ["service", "workload", "all", "none"])
def test_for_is_a_label(serves: str) -> None:
    (gateway,) = made(**{"for": serves, "lock_down": False})
    assert gateway["metadata"]["labels"] == {"istio.io/waypoint-for": serves, **OURS}


def test_revision_is_a_label() -> None:
    (gateway,) = made(revision="1-31")
    assert gateway["metadata"]["labels"]["istio.io/rev"] == "1-31"


@pytest.mark.parametrize(
    ("allowed", "routes"),
    [
        ("all", {"from": "All"}),
        ({"team": "shop"}, {"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}),
    ],
)
def test_who_may_use_it_stands_in_the_listener(allowed: Any, routes: dict[str, Any]) -> None:
    (gateway,) = made(allowed_namespaces=allowed)
    assert gateway["spec"]["listeners"][0]["allowedRoutes"] == {"namespaces": routes}


SPREAD = {
    "maxSkew": 1,
    "topologyKey": "zone",
    "whenUnsatisfiable": "ScheduleAnyway",
    "labelSelector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "waypoint"}},
}
LIMITS = {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m"}}


@pytest.mark.parametrize(
    ("options", "merged"),
    [
        ({"replicas": 3}, {"deployment": {"spec": {"replicas": 3}}}),
        (
            {"resources": LIMITS},
            {
                "deployment": {
                    "spec": {"template": {"spec": {"containers": [{"name": "istio-proxy", "resources": LIMITS}]}}}
                }
            },
        ),
        (
            {"spread": ["zone"], "replicas": 2},
            {"deployment": {"spec": {"replicas": 2, "template": {"spec": {"topologySpreadConstraints": [SPREAD]}}}}},
        ),
        (
            {"autoscaling": {"min": 2, "max": 5, "cpu": 70}},
            {"horizontalPodAutoscaler": {"spec": {"minReplicas": 2, "maxReplicas": 5, "metrics": [CPU]}}},
        ),
        ({"disruption_budget": {"min_available": 1}}, {"podDisruptionBudget": {"spec": {"minAvailable": 1}}}),
        (
            {"disruption_budget": {"max_unavailable": "50%"}},
            {"podDisruptionBudget": {"spec": {"maxUnavailable": "50%"}}},
        ),
    ],
)
def test_sizes_are_merged_by_istiod(options: dict[str, Any], merged: dict[str, Any]) -> None:
    config, gateway = made(**options)

    assert (config["kind"], config["metadata"]) == (
        "ConfigMap",
        {"name": "waypoint-waypoint-options", "namespace": "shop", "labels": OURS},
    )
    assert {key: json.loads(text) for key, text in config["data"].items()} == merged
    assert gateway["spec"]["infrastructure"] == {
        "parametersRef": {"group": "", "kind": "ConfigMap", "name": "waypoint-waypoint-options"}
    }


def test_somebody_elses_waypoint_is_not_made() -> None:
    assert made(existing=True) == []
