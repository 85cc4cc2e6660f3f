# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which steps a change of a namespace is safe.

A step is a set of items of one namespace. Two changes would get into each other's way in one step: an ALLOW that admits
a waypoint refuses everybody else once what it stands beside is gone. So a default deny goes, with that ALLOW, in a step
before the bindings change, and comes in one after. What the entries under `access` come to goes and comes in one after.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..kube import outcome as words
from ..manifests.items import Item
from ..mesh.allows import as_policies, at_pods, behind_waypoints, is_allow, target_of
from ..mesh.facts import Policy
from ..mesh.policies import ADMITS, ALLOW, DEFAULT_DENY, goes_with_default_deny
from ..mesh.spec import MeshSpec, WaypointRef
from .access import closed_in
from .meaning import View

Admit = Callable[[Collection[WaypointRef], Sequence[Policy]], list[Item]]
"""What lets waypoints in beside policies of ours, and beside those of others that are there."""


def in_steps(
    before: Sequence[Item], target: Sequence[Item], opened: Sequence[Item], admit: Admit = lambda refs, policies: []
) -> list[list[Item]]:
    """The sets of items to bring about one after the other; the last is the target.

    Args:
        before: what is held now.
        target: what is declared.
        opened: what would be declared without entries for access, and without a default deny that is not there yet.
    """
    old, new = View.of(before), View.of(target)
    if _way(before) == _way(target):
        return _softly(before, target)
    coming, going = _difference(target, before), _difference(before, target)
    if old.default_deny and not new.default_deny:
        return [*_without_denial(before, coming, going, admit), list(target)]
    if going and not coming and not new.default_deny:
        left = _without(before, going, admit)
        return [*_softly(before, left), list(target)]
    first = list(target)
    if (new.default_deny and not old.default_deny) or coming:
        kept = [item for item in target if _of_access(item) and item not in coming]
        first = _united(opened, kept, admit(new.waypoints(), as_policies(behind_waypoints(kept, target))))
    if going:  # who is no longer let in stays closed while the way moves
        at_waypoints = [item for item in target if new.default_deny and _is_attached(item)]
        first = _united(first, at_waypoints)
        first = _united(first, going, admit(new.waypoints(), as_policies(at_pods(going))))
    return [first, *_softly(first, target)] if _differ(first, target) else [list(target)]


def _without_denial(
    before: Sequence[Item], coming: Sequence[Item], going: Sequence[Item], admit: Admit
) -> Iterator[list[Item]]:
    """The sets on the way out of a default deny: what closes instead comes first, what opens the rest goes last."""
    refs = View.of(before).waypoints()
    closed = _united(before, coming, admit(refs, as_policies(at_pods(coming))) if coming else [])
    if coming:
        yield closed
    # What comes may be closed at the pods alone, so waypoints go on denying until no call comes through them.
    at_waypoints = [item for item in closed if coming and _is_attached(item)]
    opened = [item for item in closed if not _denies(item) or item in at_waypoints]
    yield opened
    if going:
        gone = [item for item in going if item not in at_waypoints]
        yield _without(opened, gone, admit)


def _without(items: Sequence[Item], going: Sequence[Item], admit: Admit) -> list[Item]:
    """The items without some policies, and without what admits waypoints beside these alone."""
    left = [item for item in items if item not in going and not _admits(item)]
    return _united(left, admit(View.of(items).waypoints(), as_policies(behind_waypoints(left, left))))


def _is_attached(item: Item) -> bool:
    return "targetRefs" in (item.object.get("spec") or {})


def _admits(item: Item) -> bool:
    return item.identity.name.startswith(ADMITS) and not goes_with_default_deny(item.identity.name)


def _way(items: Iterable[Item]) -> tuple[str, Mapping[str, str]]:
    view = View.of(items)
    return view.waypoint, dict(view.bound)


def _difference(one: Iterable[Item], other: Iterable[Item]) -> list[Item]:
    """What one set says about access to targets of which the other says nothing."""
    known = set(closed_in(other))
    return [item for item in one if _of_access(item) and target_of(item) not in known]


def _differ(one: Iterable[Item], other: Iterable[Item]) -> bool:
    return {item.key for item in one} != {item.key for item in other}


def _softly(old: Sequence[Item], new: Sequence[Item]) -> list[list[Item]]:
    """The second of two sets with the same way, after those in between that keep it from refusing or opening more.

    A default deny comes after the entries for access, and goes before them. Where their first ones come or their last
    ones go, what admits waypoints would stand alone for a moment, and refuse those that come past the waypoint: so it
    comes and goes beside ALLOWs that allow all.
    """
    denied, denies = any(map(_denies, old)), any(map(_denies, new))
    coming, going = _difference(new, old), _difference(old, new)
    if denied != denies and coming:
        admits = [item for item in new if item.identity.name.startswith(ADMITS) and not _denies(item)]
        between = _united(old, coming, admits)
        return [*_softly(old, between), *_softly(between, new)]
    if denied and not denies and going:
        between = [item for item in old if not _denies(item)]
        return [between, *_softly(between, new)]
    if denied or denies:
        return [list(new)]
    return [*_allowing_all(old, new), list(new)]


def _allowing_all(old: Sequence[Item], new: Sequence[Item]) -> Iterator[list[Item]]:
    closed, closes = any(map(_closes, old)), any(map(_closes, new))
    if closed == closes or not View.of(new).waypoints():
        return
    more, less = (new, old) if closes else (old, new)
    policies = {
        policy.name: tuple(sorted(policy.selector.items())) for policy in as_policies(behind_waypoints(more, more))
    }
    admits = [item for item in more if item.identity.name.startswith(ADMITS)]
    if policies and len(admits) <= len(set(policies.values())):  # else policies of others hold meanwhile
        yield _united([_open(item) for item in more if is_allow(item) and item.identity.name in policies], less)


def _closes(item: Item) -> bool:
    return item.identity.name.startswith((ADMITS, ALLOW, DEFAULT_DENY))


def _open(item: Item) -> Item:
    return replace(item, object={**item.object, "spec": {**item.object["spec"], "rules": [{}]}})


def _of_access(item: Item) -> bool:
    """Whether it comes from an entry that says who may call."""
    return not item.patch and item.identity.name.startswith(ALLOW)


def _united(*parts: Iterable[Item]) -> list[Item]:
    """The items of all parts, each once, in the order of waves."""
    return sorted({item.key: item for part in reversed(parts) for item in part}.values(), key=Item.order)


def way_back(before: Sequence[Item], steps: Sequence[list[Item]]) -> list[list[Item]]:
    """The sets of items that lead back to what was before, from wherever the steps have come: by one of them."""
    between, target = list(steps[:-1]), steps[-1]
    there = [step for step in between if _way(step) == _way(before) != _way(target)]
    return [*(there[-1:] or between[:1]), list(before)]


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


def without_new_denials(mesh: MeshSpec, denying: Collection[str]) -> MeshSpec:
    """The namespaces that say who may call, or deny by default, as if they did not.

    `denying`: those that deny by default already, and go on with it.
    """
    closing = (namespace for namespace in mesh.namespaces if namespace.default_deny or namespace.access)
    return replace(
        mesh,
        namespaces=tuple(
            replace(each, access=(), default_deny=each.default_deny and each.name in denying) for each in closing
        ),
    )


def by_namespace(items: Iterable[Item]) -> dict[str, list[Item]]:
    """Items by the namespace that they stand in, or are."""
    found: dict[str, list[Item]] = {}
    for item in items:
        identity = item.identity
        found.setdefault(identity.name if identity.kind == "Namespace" else identity.namespace, []).append(item)
    return found
