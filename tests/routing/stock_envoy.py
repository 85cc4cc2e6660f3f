# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a waypoint with a stock Envoy needs beside its Gateway: objects that take away what that Envoy lacks.

They are those of tests/environment/waypoint/waypoint.yaml, for any waypoint.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import toolchain
import yaml
from devcluster.kubectl import Kubectl

MANIFEST = Path(toolchain.__file__).parent / "waypoint/waypoint.yaml"


def objects(waypoint: str, namespace: str) -> list[dict[str, Any]]:
    """The Telemetry and the EnvoyFilter for this waypoint; they may be there before it."""
    items: list[dict[str, Any]] = yaml.safe_load(MANIFEST.read_text())["items"]
    return [_retargeted(item, waypoint, namespace) for item in items if item["kind"] != "Gateway"]


def _retargeted(item: dict[str, Any], waypoint: str, namespace: str) -> dict[str, Any]:
    out = copy.deepcopy(item)
    out["metadata"] = {"name": f"stock-envoy-{waypoint}", "namespace": namespace}
    for target in out["spec"]["targetRefs"]:
        target["name"] = waypoint
    return out


def gateway(waypoint: str, namespace: str, waypoint_for: str = "service") -> dict[str, Any]:
    """The Gateway of a waypoint, for tests that make one without the collection."""
    items: list[dict[str, Any]] = yaml.safe_load(MANIFEST.read_text())["items"]
    (found,) = [item for item in items if item["kind"] == "Gateway"]
    labels = {"istio.io/waypoint-for": waypoint_for}
    return {**found, "metadata": {"name": waypoint, "namespace": namespace, "labels": labels}}


def apply(kubectl: Kubectl, waypoint: str, namespace: str) -> None:
    """Apply them; the namespace must be there."""
    items = objects(waypoint, namespace)
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": items}, manager="stock-envoy")
