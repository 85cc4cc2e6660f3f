# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the world from a cluster or from manifests, and lays over it what a run is about to bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.items import Item, load_items
from ..manifests.normal import merged
from .shapes import checked
from .trust import ROOT_NAMESPACE, TRUST_DOMAIN
from .wording import counted
from .world import KINDS, World

_THREADS = 8


def read_cluster(
    listing: Callable[[str, str], Sequence[Object]], root: str = ROOT_NAMESPACE, trust: str = TRUST_DOMAIN
) -> World:
    """The world as it is: `listing(apiVersion, kind)` gives all objects, none of a kind that is not served.

    Raises whatever `listing` raises: what may not be read cannot be judged.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda kind: _with_kind(kind, listing(*kind)), KINDS)
        return World.of([obj for group in found for obj in group], True, root, trust)


def read_tree(paths: Iterable[str], root: str = ROOT_NAMESPACE, trust: str = TRUST_DOMAIN) -> World:
    """The world as it is written in files and folders of manifests. AmbientError with the file that is none.

    What an API server would have refused is an AmbientError with the object and the field; so are manifests among which
    nothing is that the world is made of.
    """
    files = list(paths)
    items = load_items(files).items
    world = World.of(checked(overlay([], items)), False, root, trust)
    if not any(world.objects.values()):
        what = f"{counted(len(items), 'object')}, none of which says who may call whom" if items else "no object"
        hint = "Name manifests of Namespaces, Services, what makes their pods, and policies"
        raise AmbientError(f"holds {what}", path=", ".join(files), hint=hint)
    return world


def overlay(objects: Iterable[Object], items: Iterable[Item]) -> list[Object]:
    """The objects as they would be once the items are applied: objects are replaced, patches merged or released.

    A patch on something that is not there stands for it: in a tree a Service may be known by its label only.
    """
    found = {Identity.of(obj).key: obj for obj in objects}
    for item in sorted(items, key=Item.order):
        key = item.identity.key
        there = found.get(key)
        if not item.patch:
            found[key] = item.object
        elif item.releases:
            found[key] = _without(there or item.object, item.gone)
        else:
            found[key] = merged(there or {}, item.object)
    return list(found.values())


def _with_kind(kind: tuple[str, str], objects: Iterable[Object]) -> list[Object]:
    version, word = kind
    return [{**obj, "apiVersion": version, "kind": word} for obj in objects]


def _without(obj: Object, labels: Iterable[str]) -> Object:
    changed = deepcopy(obj)
    for label in labels:
        ((changed.get("metadata") or {}).get("labels") or {}).pop(label, None)
    return changed
