# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the objects of a cluster once a run is through: what it brings, what it changes, what it lets go."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from ..authz.reading import overlay
from ..authz.world import KINDS
from ..manifests.dry_run import with_dry_run_of
from ..manifests.identity import Identity
from ..manifests.items import DEFAULT_MANAGER, Item
from ..manifests.labels import mesh_of
from ..mesh.patches import ENROLMENT_MANAGER
from ..mesh.policies import OURS

KIND_NAMES = frozenset(kind for _version, kind in KINDS)
_GATEWAY, _POLICY = "Gateway", "AuthorizationPolicy"
_READY = {"conditions": [{"type": "Programmed", "status": "True"}], "addresses": [{"value": "planned"}]}
#: What stays though it is no longer declared, until it is pruned: others may use it.
_STAY = (_GATEWAY, "Namespace", "ServiceAccount", "Pod")
_BOUND = ("Service", "Deployment", "StatefulSet", "DaemonSet")
_COMPILED, _MANIFESTS = "namespaces", "policies"  # the roles that they come from

Object = dict[str, Any]


def remaining(there: Sequence[Object], items: Sequence[Item], roles: frozenset[str]) -> Iterator[Object]:
    """What is there without policies and routes of ours that are no longer declared, and without labels of that kind.

    Namespaces that left the declaration stay as they are until they are pruned.
    """
    declared = {item.identity.key for item in items}
    spaces = {item.identity.name for item in items if item.identity.kind == "Namespace" and item.patch}
    for obj in there:
        if Identity.of(obj).key in declared:
            yield obj
        elif obj["kind"] in _BOUND:
            bound = _COMPILED in roles and obj["metadata"].get("namespace") in spaces
            yield _released(obj, {}, ENROLMENT_MANAGER) if bound else obj
        elif obj["kind"] in _STAY or not mesh_of(obj) or not _goes(obj, spaces, roles):
            yield obj


def _goes(obj: Object, spaces: Collection[str], roles: Collection[str]) -> bool:
    if str(obj["metadata"].get("name")).startswith(OURS):
        return _COMPILED in roles and obj["metadata"].get("namespace") in spaces
    return _MANIFESTS in roles


def laid_over(there: Sequence[Object], items: Sequence[Item]) -> list[Object]:
    """The objects with what comes.

    It keeps the age of what is there, and the dry run that others hold. Waypoints that come are waited for, so that
    they count as ready. Labels that a patch held and does not set any more go.
    """
    found = {Identity.of(obj).key: obj for obj in there}
    for item in items:
        if item.patch and item.identity.key in found:
            found[item.identity.key] = _released(found[item.identity.key], item.object, item.manager)
    planned = {item.identity.key for item in items if not item.patch}
    result = []
    for obj in overlay(list(found.values()), items):
        key = Identity.of(obj).key
        if key in planned:
            there_now = found.get(key)
            if there_now and obj["kind"] == _POLICY:
                obj = with_dry_run_of(there_now, obj, DEFAULT_MANAGER)
            age = ((there_now or {}).get("metadata") or {}).get("creationTimestamp")
            metadata = {**obj["metadata"], **({"creationTimestamp": age} if age else {})}
            obj = {**obj, "metadata": metadata, **({"status": _READY} if obj["kind"] == _GATEWAY else {})}
        result.append(obj)
    return result


def _released(obj: Object, patch: Object, manager: str) -> Object:
    """Without the labels that only this manager holds and that its patch does not set."""
    changed = obj
    for way in (("metadata", "labels"), ("spec", "template", "metadata", "labels")):
        wanted = _at(patch, way)
        gone = [key for key in _at(obj, way) if key not in wanted and _holders(obj, way, key) == {manager}]
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
