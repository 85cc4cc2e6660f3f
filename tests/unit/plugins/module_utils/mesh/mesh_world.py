# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations and facts in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import (
    Facts,
    NamespaceFacts,
    Policy,
    Service,
    Workload,
)
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh

SHOP = {"name": "waypoint", "namespace": "shop"}
EDGE = {"name": "edge", "namespace": "edge", "allowed_namespaces": "all"}


def declared(*namespaces: dict[str, Any], waypoints: Any = (SHOP, EDGE)) -> dict[str, Any]:
    return {
        "waypoints": list(waypoints),
        "namespaces": [{"name": "shop", "state": "l4", **each} for each in namespaces],
    }


def seen(services: Any = (), workloads: Any = (), policies: Any = (), root: Any = ()) -> Facts:
    return Facts({"shop": NamespaceFacts(tuple(services), tuple(workloads), tuple(policies))}, tuple(root))


def service(name: str, **selector: str) -> Service:
    return Service(name, selector or {"app": name})


def workload(name: str, account: str = "default", kind: str = "Deployment", owner: str = "", **labels: str) -> Workload:
    pods = labels or {"app": name}
    return Workload("v1" if kind == "Pod" else "apps/v1", kind, name, account, pods, pods, 1, owner)


def policy(name: str, action: str = "ALLOW", rules: Any = ({},), namespace: str = "shop", **selector: str) -> Policy:
    return Policy(namespace, name, action, selector, tuple(rules))


def calls_from(**source: Any) -> dict[str, Any]:
    return {"from": [{"source": source}]}


def items(value: Mapping[str, Any], facts: Facts | None = None, trust: str = "cluster.local") -> list[Item]:
    return namespace_items(parse_mesh(value), [], facts, trust)


def specs(found: list[Item], prefix: str) -> dict[str, Any]:
    """The specs of the objects whose names begin so, by name without what is not told in advance."""
    return {
        item.identity.name: item.object["spec"]
        for item in found
        if item.identity.name.startswith(prefix) and not item.patch
    }


def patched(found: list[Item]) -> dict[str, Any]:
    """What is set on whom in the waves of the labels."""
    return {
        f"{item.identity.kind} {item.identity.name}": (
            item.object["spec"]["template"]["metadata"]["labels"]
            if "spec" in item.object
            else item.object["metadata"].get("labels", {})
        )
        for item in found
        if item.patch and item.wave >= 45
    }


def refused(value: Mapping[str, Any], facts: Facts | None = None) -> str:
    with pytest.raises(AmbientError) as caught:
        items(value, facts)
    return str(caught.value)
