# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an object in hand by now: us, or another manager that has taken it over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..manifests.labels import MESH_LABEL, mesh_of
from .fields import Fields, apply_entry, holders
from .record import Record

_US = "alauda.ambient"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_MESH_LABEL = ("f:metadata", "f:labels", f"f:{MESH_LABEL}")

Leaf = tuple[str, ...]


def taken_over(live: Mapping[str, Any], record: Record, mesh: str) -> str:
    """Why an object that we have applied is no longer ours, "" where it is. Names who has it.

    `live` needs the metadata only.
    """
    others = _others(live)
    entry = apply_entry(live, record.manager)
    owned_nothing = bool(record.sent) and not record.live  # a manifest may say no more than a name
    if entry is None and not owned_nothing:
        return f"{_named(others)} has taken it over: we own no field of it any more"
    if mesh_of(live) != mesh and (record.labelled or mesh_of(live)):
        who = _named(holders(live, ("metadata", "labels", MESH_LABEL)))
        is_now = f"is {mesh_of(live)} and held by {who}" if mesh_of(live) else "is gone"
        return f"it has been taken over: its label {MESH_LABEL} {is_now}"
    ours = frozenset(_leaves((entry or {}).get("fieldsV1") or {}))
    wanted = ours - {_MESH_LABEL} or ours
    applying = [
        *holders(live, ("metadata", "annotations", _LAST_APPLIED)),
        *(name for name, fields in others.items() if wanted and wanted <= frozenset(_leaves(fields))),
    ]
    if applying:
        return f"{applying[0]} has taken it over: it applies this object too"
    sharing = applied_by_others(live)
    if sharing and ours <= {_MESH_LABEL}:
        return f"{_named(sharing)} has taken it over: nothing but our label is left of what we applied"
    return ""


def applied_by_others(live: Mapping[str, Any]) -> list[str]:
    """The managers that are not us and that apply more to the object than labels and annotations."""
    return [
        name
        for name, fields in _others(live).items()
        if set(fields) - {"f:metadata"} and apply_entry(live, name) is not None
    ]


def owned_labels(live: Mapping[str, Any], manager: str) -> tuple[str, ...]:
    """The label keys that a manager has applied."""
    entry = apply_entry(live, manager) or {}
    labels = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:labels") or {}
    return tuple(sorted(key.removeprefix("f:") for key in labels if key.startswith("f:")))


def _others(live: Mapping[str, Any]) -> dict[str, Fields]:
    """What managers that are not us own of the object itself; a status says nothing about who wants the object."""
    return {
        str(entry.get("manager")): entry.get("fieldsV1") or {}
        for entry in live["metadata"].get("managedFields") or []
        if not entry.get("subresource") and not str(entry.get("manager")).startswith(_US)
    }


def _leaves(fields: Fields, path: Leaf = ()) -> Iterator[Leaf]:
    """The paths of a fieldsV1. Whether a manager also owns the map around its fields makes no difference."""
    for key, below in fields.items():
        if key == ".":
            continue
        if below and set(below) != {"."}:
            yield from _leaves(below, (*path, key))
        else:
            yield (*path, key)


def _named(names: Mapping[str, Any] | list[str]) -> str:
    return ", ".join(names) or "somebody"
