# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Gateways are waypoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WAYPOINT_CLASS = "istio-waypoint"
_WAYPOINT_CLASSES = (WAYPOINT_CLASS, "istio-agentgateway-waypoint")
#: Istio's own that are none of waypoints.
_OTHER_CLASSES = ("istio", "istio-remote", "istio-east-west", "istio-agentgateway")
_HBONE = ("HBONE", 15008)


def is_waypoint(gateway: Mapping[str, Any]) -> bool:
    """Whether a Gateway is a waypoint: of a class of Istio's for them, or of another with their listener."""
    spec = gateway.get("spec")
    name = spec.get("gatewayClassName") if isinstance(spec, Mapping) else None
    return name in _WAYPOINT_CLASSES or (name not in _OTHER_CLASSES and bool(hbone_listeners(gateway)))


def hbone_listeners(gateway: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The listeners by which waypoints are called; none where a manifest has another shape."""
    spec = gateway.get("spec")
    listeners = spec.get("listeners") if isinstance(spec, Mapping) else None
    every = listeners if isinstance(listeners, list) else []
    return [each for each in every if isinstance(each, Mapping) and (each.get("protocol"), each.get("port")) == _HBONE]
