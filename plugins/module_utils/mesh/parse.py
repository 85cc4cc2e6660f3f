# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory variable `ambient_mesh` to a MeshSpec, or to every error in it at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .parse_namespace import read_namespace
from .parse_waypoint import read_waypoint
from .reader import Reader
from .references import check_references
from .spec import MeshSpec, WaypointRef, WaypointSpec

ROOT = "ambient_mesh"


def parse_mesh(value: Any) -> MeshSpec:
    """Read the declaration.

    Args:
        value: what the variable holds: `{name, waypoints, namespaces}`; each key may be missing. The JSON Schema of it
            is docs/ambient_mesh.schema.json.

    Raises:
        AmbientError: with the path of every error in the declaration.
    """
    reader = Reader(ROOT)
    spec = _mesh(reader, value)
    if not reader.errors:  # what does not exist cannot be referred to
        check_references(reader, spec, ROOT)
    reader.raise_errors()
    return spec


def _mesh(reader: Reader, value: Any) -> MeshSpec:
    fields = reader.mapping(ROOT, value, ("name", "namespaces", "waypoints"))
    name = fields.get("name", MeshSpec.name)
    reader.name(f"{ROOT}.name", name)
    errors = len(reader.errors)
    waypoints = [
        read_waypoint(reader, path, entry)
        for path, entry in reader.entries(
            f"{ROOT}.waypoints", fields.get("waypoints"), "- {name: waypoint, namespace: shop}"
        )
    ]
    known = _by_namespace(waypoints) if len(reader.errors) == errors else None
    namespaces = [
        read_namespace(reader, path, entry, known)
        for path, entry in reader.entries(f"{ROOT}.namespaces", fields.get("namespaces"), "- name: …, state: …")
    ]
    reader.duplicates(f"{ROOT}.namespaces", [namespace.name for namespace in namespaces], "namespace")
    reader.duplicates(
        f"{ROOT}.waypoints",
        [str(waypoint.ref) if waypoint.name and waypoint.namespace else "" for waypoint in waypoints],
        "waypoint",
    )
    return MeshSpec(name=str(name), namespaces=tuple(namespaces), waypoints=tuple(waypoints))


def _by_namespace(waypoints: Iterable[WaypointSpec]) -> dict[str, list[WaypointRef]]:
    found: dict[str, list[WaypointRef]] = {}
    for waypoint in waypoints:
        found.setdefault(waypoint.namespace, []).append(waypoint.ref)
    return found
