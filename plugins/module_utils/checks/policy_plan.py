# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the objects of a cluster once a run is through: what it brings, what it changes, what it lets go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from ..authz.reading import overlay
from ..authz.world import KINDS
from ..manifests.identity import Identity
from ..manifests.items import Item
from ..manifests.labels import mesh_of
from ..mesh.policies import OURS

KIND_NAMES = frozenset(kind for _version, kind in KINDS)
_GATEWAY = "Gateway"
_READY = {"conditions": [{"type": "Programmed", "status": "True"}], "addresses": [{"value": "planned"}]}
#: What stays though it is no longer declared, until it is pruned: others may use it.
_STAY = (_GATEWAY, "Namespace", "Service", "ServiceAccount", "Deployment", "StatefulSet", "DaemonSet", "Pod")
_COMPILED, _MANIFESTS = "namespaces", "policies"  # the roles that they come from

Object = dict[str, Any]


def remaining(there: Sequence[Object], items: Sequence[Item], roles: frozenset[str]) -> Iterator[Object]:
    """What is there without policies and routes of ours that are no longer declared."""
    declared = {item.identity.key for item in items}
    for obj in there:
        role = _COMPILED if str(obj["metadata"].get("name")).startswith(OURS) else _MANIFESTS
        ours = role in roles and obj["kind"] not in _STAY and mesh_of(obj)
        if not ours or Identity.of(obj).key in declared:
            yield obj


def laid_over(there: Sequence[Object], items: Sequence[Item]) -> list[Object]:
    """The objects with what comes.

    It keeps the age of what is there. Waypoints that come are waited for, so that they count as ready. Labels that a
    patch held and does not set any more go.
    """
    found = {Identity.of(obj).key: obj for obj in there}
    for item in items:
        if item.patch and item.identity.key in found:
            found[item.identity.key] = _released(found[item.identity.key], item)
    planned = {item.identity.key for item in items if not item.patch}
    result = []
    for obj in overlay(list(found.values()), items):
        key = Identity.of(obj).key
        if key in planned:
            age = ((found.get(key) or {}).get("metadata") or {}).get("creationTimestamp")
            metadata = {**obj["metadata"], **({"creationTimestamp": age} if age else {})}
            obj = {**obj, "metadata": metadata, **({"status": _READY} if obj["kind"] == _GATEWAY else {})}
        result.append(obj)
    return result


def _released(obj: Object, item: Item) -> Object:
    """Without the labels that only the patch's manager holds and that the patch does not set."""
    changed = obj
    for way in (("metadata", "labels"), ("spec", "template", "metadata", "labels")):
        wanted = _at(item.object, way)
        gone = [key for key in _at(obj, way) if key not in wanted and _holders(obj, way, key) == {item.manager}]
        if gone:
            changed = deepcopy(changed)
            labels = _at(changed, way)
            for key in gone:
                del labels[key]
    return changed


def _holders(obj: Object, way: Sequence[str], label: str) -> set[str]:
    entries = obj["metadata"].get("managedFields") or []
    fields = [f"f:{step}" for step in way]
    return {str(entry.get("manager")) for entry in entries if f"f:{label}" in _at(entry.get("fieldsV1") or {}, fields)}


def _at(obj: Mapping[str, Any], way: Sequence[str]) -> dict[str, Any]:
    found: Any = obj
    for step in way:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else {}
