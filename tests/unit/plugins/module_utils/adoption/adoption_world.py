# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in memory that the engine's stages work on, and who could call whom meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.adoption.meaning import View
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.steps import (
    by_namespace,
    in_steps,
    way_back,
    without_new_denials,
)
from ansible_collections.alauda.ambient.plugins.module_utils.kube.stages import STAGES
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.allows import is_allow
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import holding, namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.policies import (
    ADMITS,
    BESIDE_DENY,
    DEFAULT_DENY,
    LOCK_DOWN,
    STRICT,
    admitting_items,
)
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.spec import MeshSpec

Held = dict[str, Item]
Look = Callable[[Held], None]


def held(items: Iterable[Item]) -> Held:
    """What stays of a set once it has been applied: a release leaves nothing."""
    return {item.key: item for item in items if not item.releases}


def text(items: Iterable[Item]) -> str:
    return json.dumps([[item.wave, item.manager, item.patch, item.object] for item in sorted(items, key=Item.order)])


def apply(live: Held, wanted: Sequence[Item], look: Look) -> int:
    """One run with prune in the engine's stages; `look` is called after each change. How many there were."""
    listed = {item.key for item in wanted}
    changes = 0
    for stage in STAGES:
        if stage.removes:
            going = [item for key, item in live.items() if key not in listed and stage.covers(item.wave)]
            for item in sorted(going, key=Item.order, reverse=True):
                del live[item.key]
                changes += 1
                look(live)
            continue
        for item in sorted(wanted, key=Item.order):
            if not stage.covers(item.wave):
                continue
            old = live.get(item.key)
            if item.releases:
                changed = live.pop(item.key, None) is not None
            else:
                changed = old is None or old.object != item.object
                live[item.key] = item
            if changed:
                changes += 1
                look(live)
    return changes


def paths(live: Held, mesh: MeshSpec, facts: Facts) -> list[tuple[str, list[list[Item]], list[list[Item]]]]:
    """For each namespace the steps of the planner and the way back, also for those that are no longer declared."""
    now = by_namespace(live.values())
    target = by_namespace(namespace_items(mesh, [], facts))
    denying = {name for name, items in now.items() if View.of(items).default_deny}
    opened = by_namespace(namespace_items(without_new_denials(mesh, denying), [], facts))
    found = []
    for name in sorted({*now, *target}):
        before = now.get(name, [])

        def admit(refs: Any, mine: Any, name: str = name) -> list[Item]:
            policies = [*holding(name, facts, ()), *mine]
            return admitting_items(name, refs, mesh.name, policies, "cluster.local", "namespaces") if refs else []

        steps = in_steps(before, target.get(name, []), opened.get(name, []), admit)
        found.append((name, steps, way_back(before, steps)))
    return found


def bring(live: Held, steps: Sequence[Sequence[Item]], name: str, look: Look) -> int:
    """The steps of one namespace; the rest of the cluster is out of reach."""
    mine = held(by_namespace(live.values()).get(name, []))
    elsewhere = {key: item for key, item in live.items() if key not in mine}

    def seen(part: Held) -> None:
        look({**elsewhere, **part})

    changes = sum(apply(mine, step, seen) for step in steps)
    live.clear()
    live.update({**elsewhere, **mine})
    return changes


def check_order(live: Held, allowing: Iterable[tuple[tuple[str, str], ...]]) -> None:
    """What must hold at every moment, for each namespace. `allowing`: the selectors of users' ALLOW policies."""
    beside = set(allowing)
    for name, items in by_namespace(live.values()).items():
        view = View.of(items)
        mine = {_selector(item) for item in items if is_allow(item)}
        through = view.waypoint or any(way not in ("", "none") for way in view.bound.values())
        for item in items:
            kind = item.identity.name
            spec: dict[str, Any] = item.object.get("spec") or {}
            if kind.startswith(LOCK_DOWN):
                assert through, f"{name}: {kind} although calls come directly"
                bound = {view.waypoint, *view.bound.values()}
                ways = {way.replace("/", "/sa/") for way in bound if "/" in way}
                admitted = {one.partition("/ns/")[2] for one in _principals(spec, "notPrincipals")}
                assert ways <= admitted or spec.get("selector"), f"{name}: {kind} refuses one of {ways}"
            if kind == STRICT or kind.startswith(DEFAULT_DENY):
                assert view.enrolled, f"{name}: {kind} outside the mesh"
            if kind.startswith(ADMITS) and kind.endswith(BESIDE_DENY):
                assert view.default_deny or through, f"{name}: {kind} alone would refuse all direct calls"
            elif kind.startswith(ADMITS):
                alone = _selector(item) not in beside | mine
                assert not alone or through or not view.enrolled, f"{name}: {kind} stands alone"
        if view.default_deny and through:
            admits = [item for item in items if item.identity.name.startswith(ADMITS)]
            assert admits, f"{name}: the waypoint is refused by the default deny"
            ways = {way.partition("/")[2] for way in (view.waypoint, *view.bound.values()) if "/" in way}
            denied = {item.identity.name.removeprefix(f"{DEFAULT_DENY}-") for item in items}
            assert ways <= denied, f"{name}: all come in through {ways - denied}, although it denies by default"


def _selector(item: Item) -> tuple[tuple[str, str], ...] | None:
    spec = item.object["spec"]
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return None if "targetRefs" in spec else tuple(sorted(labels.items()))


def _principals(spec: dict[str, Any], key: str) -> list[str]:
    return [
        one for rule in spec.get("rules", []) for each in rule.get("from", []) for one in each["source"].get(key, [])
    ]
