# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one entry of `ambient_mesh.waypoints`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .names import why_protected
from .reader import Reader, shown
from .spec import Autoscaling, Serves, WaypointSpec

_KEYS = (
    "name",
    "namespace",
    "for",
    "replicas",
    "autoscaling",
    "resources",
    "disruption_budget",
    "spread",
    "revision",
    "allowed_namespaces",
    "lock_down",
    "existing",
)
#: What only the one who makes a waypoint can say.
_OF_THE_MAKER = ("autoscaling", "disruption_budget", "replicas", "resources", "revision", "spread")
_NO_WAYPOINT = "none"
_MOST_PODS = 1000
_LONGEST_NAME = 45  # the names of the objects beside it, such as its options, need room for their endings
_REVISION = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
_BUDGETS = {"min_available": "minAvailable", "max_unavailable": "maxUnavailable"}
_PERCENT = re.compile(r"(100|[1-9]?[0-9])%")
_TOPOLOGY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def read_waypoint(reader: Reader, path: str, value: Any) -> WaypointSpec:
    """The waypoint that the entry declares; its errors go to the reader."""
    fields = reader.entry(path, value, _KEYS, "{name: waypoint, namespace: shop}")
    if not fields:
        return WaypointSpec(name="", namespace="")
    name, namespace = fields.get("name", ""), fields.get("namespace", "")
    if reader.name(f"{path}.name", name):
        if len(name) > _LONGEST_NAME:
            reader.error(f"{path}.name", f"{shown(name)} has {len(name)} characters", f"Use at most {_LONGEST_NAME}")
        if name == _NO_WAYPOINT:
            reader.error(f"{path}.name", "none means no waypoint to Istio", "Choose another name")
    if reader.name(f"{path}.namespace", namespace) and why_protected(namespace):
        reader.error(
            f"{path}.namespace",
            f"{namespace} takes no waypoint: {why_protected(namespace)}",
            "Use a namespace of yours",
        )
    existing = reader.flag(path, fields, "existing", False)
    for key in _OF_THE_MAKER if existing else ():
        if key in fields:
            reader.error(f"{path}.{key}", "an existing waypoint is not made here", f"Take {key} or existing out")
    serves = reader.word(f"{path}.for", fields.get("for", "service"), Serves, "traffic of a waypoint", Serves.SERVICE)
    autoscaling = _autoscaling(reader, f"{path}.autoscaling", fields.get("autoscaling"))
    if autoscaling and "replicas" in fields:
        reader.error(f"{path}.replicas", "autoscaling decides how many there are", "Take replicas or autoscaling out")
    return WaypointSpec(
        name=str(name),
        namespace=str(namespace),
        serves=serves,
        replicas=reader.whole(f"{path}.replicas", fields["replicas"], 1, _MOST_PODS) if "replicas" in fields else None,
        autoscaling=autoscaling,
        resources=_resources(reader, f"{path}.resources", fields.get("resources")),
        disruption_budget=_budget(reader, f"{path}.disruption_budget", fields.get("disruption_budget")),
        spread=_spread(reader, f"{path}.spread", fields.get("spread")),
        revision=_revision(reader, f"{path}.revision", fields.get("revision", "")),
        allowed=_allowed(reader, f"{path}.allowed_namespaces", fields.get("allowed_namespaces", "same")),
        lock_down=_lock_down(reader, path, fields, serves),
        existing=existing,
    )


def _lock_down(reader: Reader, path: str, fields: Mapping[str, Any], serves: Serves) -> bool:
    if serves is Serves.WORKLOAD and "lock_down" not in fields:
        reader.error(
            f"{path}.lock_down",
            "a waypoint for workloads sees no calls to Services, and a lock-down would refuse these",
            "Say lock_down: false, or for: all",
        )
    return reader.flag(path, fields, "lock_down", True)


def _autoscaling(reader: Reader, path: str, value: Any) -> Autoscaling | None:
    if value is None:
        return None
    fields = reader.mapping(path, value, ("min", "max", "cpu"))
    if "max" not in fields:
        if fields or isinstance(value, Mapping):
            reader.error(f"{path}.max", "the number is missing", f"Give a number from 1 to {_MOST_PODS}")
        return None
    low = reader.whole(f"{path}.min", fields.get("min", 1), 1, _MOST_PODS)
    high = reader.whole(f"{path}.max", fields["max"], 1, _MOST_PODS)
    if low > high:
        reader.error(f"{path}.min", f"{low} is more than max, {high}", "Make min the smaller one")
    return Autoscaling(low, high, reader.whole(f"{path}.cpu", fields.get("cpu", 80), 1, 1000))


def _resources(reader: Reader, path: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    fields = reader.mapping(path, value, ("limits", "requests"))
    return {
        key: reader.quantities(f"{path}.{key}", fields[key], ("cpu", "memory"))
        for key in ("limits", "requests")
        if key in fields
    }


def _budget(reader: Reader, path: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    fields = reader.mapping(path, value, tuple(_BUDGETS))
    if len(fields) != 1:
        if isinstance(value, Mapping):
            reader.error(path, "takes one of min_available and max_unavailable", "Write {min_available: 1}")
        return {}
    ((key, amount),) = fields.items()
    if key not in _BUDGETS:
        return {}
    if isinstance(amount, str) and _PERCENT.fullmatch(amount):
        return {_BUDGETS[key]: amount}
    return {_BUDGETS[key]: reader.whole(f"{path}.{key}", amount, 0, _MOST_PODS)}


def _spread(reader: Reader, path: str, value: Any) -> tuple[str, ...]:
    keys = reader.entries(path, value, "[topology.kubernetes.io/zone]")
    for where, key in keys:
        if not isinstance(key, str) or not _TOPOLOGY.fullmatch(key):
            reader.error(where, f"{shown(key)} is not a label of nodes", "Write topology.kubernetes.io/zone")
    return tuple(str(key) for _where, key in keys)


def _revision(reader: Reader, path: str, value: Any) -> str:
    if value and not (isinstance(value, str) and _REVISION.fullmatch(value)):
        reader.error(
            path, f"{shown(value)} is not a revision", "Write it in quotes, as istiod has it, such as '1-31-0'"
        )
    return str(value or "")


def _allowed(reader: Reader, path: str, value: Any) -> str | dict[str, str]:
    if value in ("same", "all"):
        return str(value)
    if not isinstance(value, Mapping):
        reader.error(path, f"{shown(value)} does not say which namespaces", "Say same, all, or labels: {team: shop}")
        return "same"
    if not value:
        reader.error(path, "no labels are given", "Say all, or labels: {team: shop}")
    return reader.labels(path, value)
