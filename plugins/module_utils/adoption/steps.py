# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which steps a change of a namespace is safe.

A step is a set of items of one namespace. Two changes would get into each other's way in one step: an ALLOW that admits
a waypoint refuses everybody else once the default deny beside it is gone. So a default deny goes, with that ALLOW, in a
step before the bindings change, and comes in one after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..kube import outcome as words
from ..manifests.items import Item
from ..mesh.policies import DEFAULT_DENY, goes_with_default_deny
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
        return [[item for item in before if not _denies(item)], list(target)]
    if moved and new.default_deny and not old.default_deny:
        return [list(without_deny), list(target)]
    return [list(target)]


def way_back(before: Sequence[Item], steps: Sequence[list[Item]]) -> list[list[Item]]:
    """The sets of items that lead back to what was before, from wherever the steps have come."""
    return [*reversed(steps[:-1]), list(before)]


def _denies(item: Item) -> bool:
    """Whether it is of a default deny: the policies that refuse, and the one that admits a waypoint beside them."""
    name = item.identity.name
    return name.startswith(DEFAULT_DENY) or goes_with_default_deny(name)


def batches(names: Sequence[str], size: int) -> list[list[str]]:
    """The names in groups of at most `size`, in their order."""
    return [list(names[at : at + size]) for at in range(0, len(names), size)]


def changing(mesh: MeshSpec, entries: Iterable[Mapping[str, Any]], role: str) -> list[str]:
    """The namespaces in which a plan of `apply` has something to do: the declared ones in their order, then those that
    are no longer declared and lose what we have there."""
    found, going = set(), set()
    for entry in entries:
        if entry["role"] == role:
            _version, kind, where = str(entry["object"]).split(" ", 2)
            name = where if kind == "Namespace" else where.partition("/")[0]
            found.add(name)
            if entry["action"] in (words.DELETED, words.RELEASED) and not mesh.declares(name):
                going.add(name)
    return [namespace.name for namespace in mesh.namespaces if namespace.name in found] + sorted(going)


def without_default_deny(mesh: MeshSpec) -> MeshSpec:
    """The namespaces that deny by default, as if they did not."""
    denying = (namespace for namespace in mesh.namespaces if namespace.default_deny)
    return replace(mesh, namespaces=tuple(replace(namespace, default_deny=False) for namespace in denying))


def by_namespace(items: Iterable[Item]) -> dict[str, list[Item]]:
    """Items by the namespace that they stand in, or are."""
    found: dict[str, list[Item]] = {}
    for item in items:
        identity = item.identity
        found.setdefault(identity.name if identity.kind == "Namespace" else identity.namespace, []).append(item)
    return found
