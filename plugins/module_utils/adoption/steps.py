# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which steps a change of a namespace is safe.

A step is a set of items of one namespace. Two changes would get into each other's way in one step: an ALLOW that admits
a waypoint refuses everybody else once the default deny beside it is gone. So a default deny goes in a step before the
bindings change, and comes in one after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..manifests.items import Item
from ..mesh.policies import DEFAULT_DENY
from ..mesh.spec import MeshSpec
from .meaning import View


def in_steps(before: Sequence[Item], target: Sequence[Item], without_deny: Sequence[Item]) -> list[list[Item]]:
    """The sets of items to bring about one after the other; the last is the target.

    Args:
        before: what is held now.
        target: what is declared.
        without_deny: what would be declared without the default deny.
    """
    old, new = View.of(before), View.of(target)
    moved = (old.waypoint, dict(old.bound)) != (new.waypoint, dict(new.bound))
    if moved and old.default_deny and not new.default_deny:
        return [[item for item in before if not item.identity.name.startswith(DEFAULT_DENY)], list(target)]
    if moved and new.default_deny and not old.default_deny:
        return [list(without_deny), list(target)]
    return [list(target)]


def batches(names: Sequence[str], size: int) -> list[list[str]]:
    """The names in groups of at most `size`, in their order."""
    return [list(names[at : at + size]) for at in range(0, len(names), size)]


def changing(mesh: MeshSpec, entries: Iterable[Mapping[str, Any]], role: str) -> list[str]:
    """The declared namespaces in which a plan of `apply` has something to do, in the order of the declaration."""
    found = set()
    for entry in entries:
        if entry["role"] == role:
            _version, kind, where = str(entry["object"]).split(" ", 2)
            found.add(where if kind == "Namespace" else where.partition("/")[0])
    return [namespace.name for namespace in mesh.namespaces if namespace.name in found]


def without_default_deny(mesh: MeshSpec) -> MeshSpec:
    """The declaration with namespaces that deny nobody by default."""
    return replace(mesh, namespaces=tuple(replace(namespace, default_deny=False) for namespace in mesh.namespaces))


def by_namespace(items: Iterable[Item]) -> dict[str, list[Item]]:
    """Items by the namespace that they stand in, or are."""
    found: dict[str, list[Item]] = {}
    for item in items:
        identity = item.identity
        found.setdefault(identity.name if identity.kind == "Namespace" else identity.namespace, []).append(item)
    return found
