# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The waypoints themselves: a Gateway each, and the options by which istiod sizes what it makes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..manifests import waves
from ..manifests.gateways import WAYPOINT_CLASS
from ..manifests.identity import Object
from ..manifests.items import Item
from ..manifests.labels import own
from .spec import Autoscaling, MeshSpec, WaypointSpec

ROLE = "waypoints"
WAYPOINT_FOR = "istio.io/waypoint-for"
REVISION = "istio.io/rev"
_NAME_LABEL = "gateway.networking.k8s.io/gateway-name"
_CONTAINER = "istio-proxy"


def waypoint_items(mesh: MeshSpec) -> list[Item]:
    """The objects of every waypoint that is ours to make, in the order of waves."""
    items = []
    for waypoint in mesh.waypoints:
        if waypoint.existing:
            continue
        options = _options(waypoint)
        if options:
            items.append(Item(own(_config_map(waypoint, options), mesh.name), waves.WAYPOINTS, role=ROLE))
        items.append(Item(own(_gateway(waypoint, bool(options)), mesh.name), waves.WAYPOINTS, role=ROLE))
    return sorted(items, key=Item.order)


def options_name(waypoint: WaypointSpec) -> str:
    """The ConfigMap beside the Gateway."""
    return f"{waypoint.name}-waypoint-options"


def _gateway(waypoint: WaypointSpec, has_options: bool) -> Object:
    labels = {WAYPOINT_FOR: waypoint.serves.value}
    if waypoint.revision:
        labels[REVISION] = waypoint.revision
    listener: dict[str, Any] = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
    if waypoint.allowed != "same":
        listener["allowedRoutes"] = {"namespaces": _allowed(waypoint.allowed)}
    spec: dict[str, Any] = {"gatewayClassName": WAYPOINT_CLASS, "listeners": [listener]}
    if has_options:
        parameters = {"group": "", "kind": "ConfigMap", "name": options_name(waypoint)}
        spec["infrastructure"] = {"parametersRef": parameters}
    metadata = {"name": waypoint.name, "namespace": waypoint.namespace, "labels": labels}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}


def _allowed(allowed: str | Mapping[str, str]) -> dict[str, Any]:
    if isinstance(allowed, str):
        return {"from": "All"}
    return {"from": "Selector", "selector": {"matchLabels": dict(allowed)}}


def _config_map(waypoint: WaypointSpec, options: Mapping[str, Any]) -> Object:
    metadata = {"name": options_name(waypoint), "namespace": waypoint.namespace}
    data = {key: json.dumps(value, indent=2, sort_keys=True) for key, value in options.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _options(waypoint: WaypointSpec) -> dict[str, Any]:
    """What istiod merges into what it renders; JSON is YAML, too."""
    options: dict[str, Any] = {}
    pod: dict[str, Any] = {}
    if waypoint.resources:
        pod["containers"] = [{"name": _CONTAINER, "resources": dict(waypoint.resources)}]
    if waypoint.spread:
        pod["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {_NAME_LABEL: waypoint.name}},
            }
            for key in waypoint.spread
        ]
    deployment: dict[str, Any] = {"template": {"spec": pod}} if pod else {}
    if waypoint.replicas is not None:
        deployment["replicas"] = waypoint.replicas
    if deployment:
        options["deployment"] = {"spec": deployment}
    if waypoint.autoscaling:
        options["horizontalPodAutoscaler"] = {"spec": _autoscaler(waypoint.autoscaling)}
    if waypoint.disruption_budget:
        options["podDisruptionBudget"] = {"spec": dict(waypoint.disruption_budget)}
    return options


def _autoscaler(wanted: Autoscaling) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": wanted.cpu}
    return {
        "minReplicas": wanted.min,
        "maxReplicas": wanted.max,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
