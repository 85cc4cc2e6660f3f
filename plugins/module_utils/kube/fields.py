# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns which field of a live object, and what changed between two states of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..manifests.identity import Identity, Object

Fields = Mapping[str, Any]
_MAX_PATHS = 20
_UNKNOWN = object()
_OPEN = "\0open"
_MISSING = "\0missing"
_SERVER_METADATA = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


def digest(value: Any) -> str:
    """A short digest of any JSON value; equal values, equal digest."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def seal(value: str, identity: Identity, live: Mapping[str, Any]) -> str:
    """The digest as a record keeps it. That of a Secret is bound to its UID, which only those know who may read it:

    else whoever reads the inventory could try out short passwords until one fits.
    """
    if not value or (identity.group, identity.kind) != ("", "Secret"):
        return value
    return digest([value, str(live["metadata"].get("uid"))])


def apply_entry(obj: Mapping[str, Any], manager: str) -> Fields | None:
    """The managedFields entry of what a manager applied to the object itself, None where it applied nothing."""
    for entry in obj["metadata"].get("managedFields") or []:
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            found: Fields = entry
            return found
    return None


def owned_digest(obj: Mapping[str, Any], manager: str, sent: Mapping[str, Any] | None = None) -> str:
    """The digest of the live values at the paths that a manager owns; "" where it owns none.

    `sent` is the manifest that the manager applied: where it holds nothing (`annotations: {}`, `env: []`), what
    others put there is theirs.
    """
    entry = apply_entry(obj, manager)
    return digest(_project(obj, entry.get("fieldsV1") or {}, _UNKNOWN if sent is None else sent)) if entry else ""


def holders(obj: Mapping[str, Any], path: Sequence[str]) -> list[str]:
    """The managers that own the field at this path of field names, such as ("metadata", "labels", "x")."""
    found = []
    for entry in obj["metadata"].get("managedFields") or []:
        node: Any = entry.get("fieldsV1") or {}
        for name in path:
            node = node.get(f"f:{name}") if isinstance(node, Mapping) else None
        if node is not None and entry.get("manager") not in found:
            found.append(str(entry.get("manager")))
    return found


def changed_paths(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    """The paths at which two states differ, without what the server keeps for itself; at most 20."""
    if before is None:
        return []
    found: list[str] = []
    for path in _differences(comparable(before), comparable(after), ""):
        if len(found) == _MAX_PATHS:
            found.append("…")
            break
        found.append(path)
    return found


def same_ownership(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether both states have the same owners of the same fields, whenever they wrote them."""

    def timeless(obj: Mapping[str, Any]) -> list[str]:
        entries = obj["metadata"].get("managedFields") or []
        return sorted(digest({**entry, "time": None}) for entry in entries)

    return timeless(before) == timeless(after)


def comparable(obj: Mapping[str, Any]) -> Object:
    """An object without status and without the metadata that the server writes."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_METADATA}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def _project(value: Any, fields: Fields, sent: Any) -> Any:
    """The part of a value that `fields` (the fieldsV1 notation) names."""
    if not fields:
        return _OPEN if _holds_nothing(sent) else value
    projected: dict[str, Any] = {}
    for key, below in fields.items():
        if key == ".":
            continue
        given = _sent_child(sent, key)
        found = [_project(child, below, given) for child in _children(value, key)]
        if found:
            projected[key] = found[0] if len(found) == 1 else found
        else:
            projected[key] = _OPEN if not below and _holds_nothing(given) else _MISSING
    return projected


def _holds_nothing(sent: Any) -> bool:
    return sent is None or (isinstance(sent, (Mapping, list)) and not sent)


def _children(value: Any, key: str) -> list[Any]:
    """What a step of the fieldsV1 notation leads to: one value, none, or several where a list has doubles."""
    sign, _sep, name = key.partition(":")
    if sign == "f":
        return [value[name]] if isinstance(value, Mapping) and name in value else []
    if not isinstance(value, list):
        return []
    wanted = json.loads(name)
    if sign == "k":
        return [
            element
            for element in value
            if isinstance(element, Mapping) and all(element.get(field) == wanted[field] for field in wanted)
        ]
    if sign == "v":
        return [element for element in value if element == wanted]
    return [value[wanted]] if sign == "i" and wanted < len(value) else []


def _sent_child(sent: Any, key: str) -> Any:
    """The same step in what was sent, where keys that the API server fills in may be missing."""
    found = _children(sent, key)
    if not found and key.startswith("k:") and isinstance(sent, list):
        wanted = json.loads(key[2:])
        found = [
            element
            for element in sent
            if isinstance(element, Mapping)
            and all(element.get(field, wanted[field]) == wanted[field] for field in wanted)
        ]
    return found[0] if found else _UNKNOWN


def _differences(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            step = f"{path}.{key}" if path else str(key)
            if "." in str(key) or "/" in str(key):
                step = f"{path}[{key}]"
            yield from _differences(before.get(key), after.get(key), step)
    elif isinstance(before, list) and isinstance(after, list) and _names(before) == (names := _names(after)) and names:
        for name, one, other in zip(names, before, after, strict=True):
            yield from _differences(one, other, f"{path}[{name}]")
    elif digest(before) != digest(after):  # not `!=`: True is not 1
        yield path or "."


def _names(values: list[Any]) -> list[str] | None:
    """The names of a list's elements, where all have one."""
    names = [value.get("name") for value in values if isinstance(value, Mapping)]
    return [str(name) for name in names] if len(names) == len(values) and all(names) else None
