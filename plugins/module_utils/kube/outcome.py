# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each object, and how it is told."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..manifests.files import write_if_changed
from ..manifests.identity import Object
from ..manifests.items import Item
from .fields import comparable

CREATED, CHANGED, UNCHANGED = "created", "changed", "unchanged"
DELETED, RELEASED, KEPT = "deleted", "released", "kept"
FAILED, PENDING = "failed", "pending"
CANDIDATE = "candidate"  # no longer listed; it stays until pruning is asked for
WRITES = (CREATED, CHANGED, DELETED, RELEASED)
_NAMED = 5  # objects that a line for people names
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Args:
        action: one of the words above.
        paths: the fields that changed.
        reason: why it failed, was kept, is pending or only a candidate.
        prune: whether the item is no longer listed: the run has come upon it in the inventory.
    """

    item: Item
    action: str
    paths: tuple[str, ...] = ()
    reason: str = ""
    before: Object | None = None
    after: Object | None = None
    prune: bool = False

    def entry(self) -> dict[str, Any]:
        """As data, for results and the report."""
        entry: dict[str, Any] = {
            "object": str(self.item.identity),
            "wave": self.item.wave,
            "role": self.item.role,
            "action": self.action,
        }
        if self.paths:
            entry["paths"] = list(self.paths)
        if self.reason:
            entry["reason"] = self.reason
        if self.prune:
            entry["listed"] = False
        return entry


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many objects had which outcome; the usual words are always there."""
    counted = Counter(outcome.action for outcome in outcomes)
    return {word: counted[word] for word in (CREATED, CHANGED, UNCHANGED, FAILED, PENDING)} | {
        word: counted[word] for word in (DELETED, RELEASED, KEPT, CANDIDATE) if counted[word]
    }


def entries(outcomes: Iterable[Outcome], *actions: str) -> list[dict[str, Any]]:
    """The outcomes with these actions, as data."""
    return [outcome.entry() for outcome in outcomes if outcome.action in actions]


def waves_to_write(outcomes: Iterable[Outcome], reverse: bool) -> list[int]:
    """The waves in which something listed is written, in the order in which they run."""
    waves = {outcome.item.wave for outcome in outcomes if outcome.action in WRITES and not outcome.prune}
    return sorted(waves, reverse=reverse)


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines for people: one per kind with something to say, one per failure, a total."""
    by_kind: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        by_kind.setdefault(outcome.item.identity.kind, Counter())[outcome.action] += 1
    lines = []
    for kind, counter in by_kind.items():
        if set(counter) - {UNCHANGED}:
            lines.append(f"{kind}: {_words(counter)}")
    total = Counter(outcome.action for outcome in outcomes)
    lines.append(f"{len(outcomes)} objects: {_words(total) or 'nothing to do'}")
    lines += [
        f"{outcome.action}: {outcome.item.identity.short}: {outcome.reason}"
        for outcome in outcomes
        if outcome.action in (FAILED, KEPT)
    ]
    return lines + candidate_lines(outcomes)


def candidate_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """What is no longer listed and stays for now: a line per kind, and how to be rid of it."""
    by_kind: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.action == CANDIDATE:
            identity = outcome.item.identity
            where = f"{identity.namespace}/" if identity.namespace else ""
            by_kind.setdefault((identity.kind, outcome.reason), []).append(f"{where}{identity.name}")
    lines = []
    for (kind, reason), names in sorted(by_kind.items()):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"no longer listed: {len(names)} {kind}: {', '.join(names[:_NAMED])}{more} ({reason})")
    if lines:
        lines.append("What is no longer listed is left alone until it is asked for with prune: true")
    return lines


def diffs(outcomes: Iterable[Outcome], brief: bool) -> list[dict[str, str]]:
    """Ansible's diff entries of what was or would be written; `brief` tells new and deleted objects in a line."""
    result = []
    for outcome in outcomes:
        if outcome.action not in WRITES:
            continue
        name = str(outcome.item.identity)
        if brief and outcome.action in (CREATED, DELETED):
            lines = _text(outcome.after or outcome.before).count("\n")
            result.append({"prepared": f"{outcome.action}: {name} ({lines} lines)\n"})
            continue
        before, after = _without_secrets(outcome.before, outcome.after)
        result.append({"before_header": name, "after_header": name, "before": _text(before), "after": _text(after)})
    return result


def write_report(directory: str, name: str, outcomes: Sequence[Outcome]) -> str:
    """Write every outcome to a file in the work directory; its path."""
    path = Path(directory).expanduser() / f"{name}.json"
    report = {"counts": counts(outcomes), "objects": [outcome.entry() for outcome in outcomes]}
    write_if_changed(path, json.dumps(report, indent=1, ensure_ascii=False) + "\n", 0o600)
    return str(path)


def _words(counter: Counter[str]) -> str:
    order = (CREATED, CHANGED, DELETED, RELEASED, UNCHANGED, KEPT, FAILED, PENDING, CANDIDATE)
    return ", ".join(f"{counter[word]} {word}" for word in order if counter[word])


def _text(obj: Object | None) -> str:
    return "" if obj is None else json.dumps(comparable(obj), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _without_secrets(before: Object | None, after: Object | None) -> tuple[Object | None, Object | None]:
    live = before or after
    if live is None or live.get("kind") != "Secret" or live.get("apiVersion") != "v1":
        return before, after
    old = _secret_data(before)
    new = _secret_data(after)
    return (
        _masked(before, dict.fromkeys(old, "(a secret value)")),
        _masked(after, {key: _word(key, old, new) for key in new}),
    )


def _word(key: str, old: dict[str, str], new: dict[str, str]) -> str:
    return "(another secret value)" if key in old and old[key] != new[key] else "(a secret value)"


def _secret_data(obj: Object | None) -> dict[str, str]:
    if obj is None:
        return {}
    plain = {
        key: base64.b64encode(str(value).encode()).decode() for key, value in (obj.get("stringData") or {}).items()
    }
    return {**(obj.get("data") or {}), **plain}


def _masked(obj: Object | None, data: dict[str, str]) -> Object | None:
    if obj is None:
        return None
    masked = {key: value for key, value in obj.items() if key != "stringData"}
    annotations = dict(obj["metadata"].get("annotations") or {})
    annotations.pop(_LAST_APPLIED, None)
    return {**masked, "metadata": {**obj["metadata"], "annotations": annotations}, "data": data}
