# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of the fake API server, with the least of server-side apply that an engine can live with.

Every list is atomic. Nothing is defaulted and nothing is validated.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Path = tuple[str, ...]
Key = tuple[str, str, str]  # resource, namespace, name
_NOT_OWNED = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid")}
_KEPT = ("managedFields", "resourceVersion", "uid", "creationTimestamp")


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(
        self, status: int, reason: str, message: str, causes: tuple[dict[str, str], ...] = (), retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.code = status
        self.retry_after = retry_after
        self.status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": status,
            "reason": reason,
            "message": message,
            "details": {"causes": list(causes)},
        }


@dataclass(frozen=True)
class Event:
    """One entry of what a watch tells."""

    version: int
    type: str
    key: Key
    object: Object


class Store:
    """Objects by resource, namespace and name. Safe to use from several threads."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.events: list[Event] = []
        self._objects: dict[Key, Object] = {}
        self._version = 100

    @property
    def version(self) -> int:
        """The resourceVersion of the whole."""
        return self._version

    def get(self, key: Key) -> Object:
        """The object; RefusedError where there is none."""
        with self.changed:
            if key not in self._objects:
                raise RefusedError(404, "NotFound", f'{key[0]} "{key[2]}" not found')
            return copy.deepcopy(self._objects[key])

    def all(self, resource: str, namespace: str) -> list[Object]:
        """All objects of a resource, in order; of all namespaces where none is given."""
        with self.changed:
            keys = sorted(key for key in self._objects if key[0] == resource and namespace in ("", key[1]))
            return [self._objects[key] for key in keys]

    def create(self, key: Key, obj: Object, manager: str) -> Object:
        """As POST."""
        with self.changed:
            if key in self._objects:
                raise RefusedError(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
            return self._put(key, None, obj, [_entry(manager, "Update", obj, set(dict(_leaves(obj))))])

    def replace(self, key: Key, obj: Object, manager: str) -> Object:
        """As PUT; RefusedError where the object's resourceVersion is not the live one."""
        with self.changed:
            live = self.get(key)
            version = obj["metadata"].get("resourceVersion")
            if version and version != live["metadata"]["resourceVersion"]:
                raise conflict(key)
            before = dict(_leaves(live))
            touched = {path for path, value in _leaves(obj) if before.get(path, obj) != value}
            if not touched and set(before) == set(dict(_leaves(obj))):
                return live
            entries = _without(live, touched, but=(manager, "Update"))
            mine = touched | _owned(live, (manager, "Update"))
            return self._put(key, live, obj, [*entries, _entry(manager, "Update", obj, mine)])

    def apply(self, key: Key, obj: Object, manager: str, force: bool, dry_run: bool) -> Object:
        """As PATCH with server-side apply."""
        with self.changed:
            live = copy.deepcopy(self._objects.get(key))
            wanted = dict(_leaves(obj))
            base: Object = live or {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": {}}
            values = dict(_leaves(base))
            rivals = {path for path, value in wanted.items() if values.get(path, value) != value}
            conflicts = _conflicts(base, rivals, manager)
            if conflicts and not force:
                text = f"Apply failed with {len(conflicts)} conflict: {conflicts[0]['message']}"
                raise RefusedError(409, "Conflict", text, tuple(conflicts))
            mine = _owned(base, (manager, "Apply"))
            entries = _without(base, rivals, but=(manager, "Apply"))
            others = {path for entry in entries for path in _paths(entry["fieldsV1"])}
            new = copy.deepcopy(base)
            for path in mine - set(wanted) - others:
                _remove(new, path)
            for path, value in wanted.items():
                _set(new, path, copy.deepcopy(value))
            for name in ("name", "namespace"):
                if obj["metadata"].get(name):
                    new["metadata"][name] = obj["metadata"][name]
            entries.append(_entry(manager, "Apply", obj, set(wanted)))
            if dry_run:
                return {**new, "metadata": {**new["metadata"], "managedFields": entries, "uid": "dry-run"}}
            return self._put(key, live, new, entries)

    def delete(self, key: Key, preconditions: Mapping[str, str]) -> Object:
        """As DELETE; nothing is ever finalized."""
        with self.changed:
            live = self.get(key)
            for name, value in preconditions.items():
                if live["metadata"].get(name) != value:
                    raise conflict(key)
            del self._objects[key]
            self._tell("DELETED", key, live)
            return live

    def _put(self, key: Key, live: Object | None, obj: Object, entries: list[Object]) -> Object:
        metadata = {name: value for name, value in obj["metadata"].items() if name not in _KEPT}
        metadata["uid"] = live["metadata"]["uid"] if live else str(uuid.uuid4())
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
        metadata["managedFields"] = sorted(entries, key=lambda entry: (entry["manager"], entry["operation"]))
        new = {**obj, "metadata": metadata}
        if live is not None:
            metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
        if new == live:
            return live
        self._tell("MODIFIED" if live else "ADDED", key, new)
        self._objects[key] = new
        return copy.deepcopy(new)

    def _tell(self, kind: str, key: Key, obj: Object) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self.events.append(Event(self._version, kind, key, copy.deepcopy(obj)))
        self.changed.notify_all()


def conflict(key: Key) -> RefusedError:
    """What a write gets that came too late."""
    text = (
        f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been modified; please apply your changes'
    )
    return RefusedError(409, "Conflict", f"{text} to the latest version and try again")


def _leaves(obj: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(obj, dict) and obj:
        for name, value in obj.items():
            here = (*path, str(name))
            if here not in _NOT_OWNED and not (path == ("metadata",) and name in _KEPT):
                yield from _leaves(value, here)
    elif path:
        yield path, obj


def _entry(manager: str, operation: str, obj: Object, paths: set[Path]) -> Object:
    fields: Object = {}
    for path in sorted(paths):
        node = fields
        for name in path:
            node = node.setdefault(f"f:{name}", {})
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": obj["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def _paths(fields: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    for name, below in fields.items():
        here = (*path, name.removeprefix("f:"))
        if below:
            yield from _paths(below, here)
        else:
            yield here


def _entries(obj: Object) -> list[Object]:
    return list(obj["metadata"].get("managedFields") or [])


def _who(entry: Object) -> tuple[str, str]:
    return entry["manager"], entry["operation"]


def _owned(obj: Object, who: tuple[str, str]) -> set[Path]:
    return {path for entry in _entries(obj) if _who(entry) == who for path in _paths(entry["fieldsV1"])}


def _without(obj: Object, lost: set[Path], but: tuple[str, str]) -> list[Object]:
    """The entries of all others, without the fields that they have lost."""
    left = []
    for entry in _entries(obj):
        paths = set(_paths(entry["fieldsV1"])) - lost
        if _who(entry) != but and paths:
            left.append(_entry(*_who(entry), entry, paths))
    return left


def _conflicts(obj: Object, rivals: set[Path], manager: str) -> list[dict[str, str]]:
    found = []
    for entry in _entries(obj):
        if _who(entry) == (manager, "Apply"):
            continue
        for path in sorted(rivals & set(_paths(entry["fieldsV1"]))):
            text = f'conflict with "{entry["manager"]}"'
            found.append({"reason": "FieldManagerConflict", "field": f".{'.'.join(path)}", "message": text})
    return found


def _set(obj: Object, path: Path, value: Any) -> None:
    node = obj
    for name in path[:-1]:
        below = node.get(name)
        if not isinstance(below, dict):
            below = node[name] = {}
        node = below
    node[path[-1]] = value


def _remove(obj: Object, path: Path) -> None:
    parents = [obj]
    for name in path[:-1]:
        below = parents[-1].get(name)
        if not isinstance(below, dict):
            return
        parents.append(below)
    parents[-1].pop(path[-1], None)
    for parent, name in zip(reversed(parents[:-1]), reversed(path[:-1]), strict=True):
        if parent[name] == {}:
            del parent[name]
