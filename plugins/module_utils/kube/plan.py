# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides per object whether anything must be written: from the live metadata and from the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from ..manifests.identity import Object
from ..manifests.items import Item
from .fields import apply_entry, digest, holders, seal
from .record import Record


class Verdict(Enum):
    """What to do about an item."""

    UNCHANGED = "unchanged"
    LOOK = "look"  # as sent before, but the object has a new version: compare the live values
    CREATE = "create"
    CHANGE = "change"
    FAIL = "fail"


@dataclass(frozen=True)
class Decision:
    """An item with what is known of it. `reason` says why it fails."""

    item: Item
    verdict: Verdict
    live: Object | None
    record: Record | None
    sent: str
    reason: str = ""


@dataclass(frozen=True)
class Served:
    """What the set itself brings: kinds (by group and kind) and objects (by Identity.key)."""

    kinds: frozenset[tuple[str, str]]
    objects: frozenset[str]
    namespaces: frozenset[str]

    @classmethod
    def by(cls, items: Iterable[Item]) -> Served:
        """What exists once these items are applied."""
        kinds: set[tuple[str, str]] = set()
        objects: set[str] = set()
        namespaces: set[str] = set()
        for item in items:
            if item.patch:
                continue
            objects.add(item.identity.key)
            if item.identity.kind == "CustomResourceDefinition":
                spec = item.object.get("spec")
                names = spec.get("names") if isinstance(spec, Mapping) else None
                if isinstance(spec, Mapping) and isinstance(names, Mapping):
                    kinds.add((str(spec.get("group")), str(names.get("kind"))))
            elif item.identity.kind == "Namespace":
                namespaces.add(item.identity.name)
        return cls(frozenset(kinds), frozenset(objects), frozenset(namespaces))


def decide(item: Item, live: Object | None, record: Record | None, served: Served) -> Decision:
    """The decision about one item. `live` needs the metadata only."""
    sent = digest(item.object)
    kept = seal(sent, item.identity, live) if live is not None else sent
    if live is None:
        return _decide_missing(item, record, served, sent)
    if live["metadata"].get("deletionTimestamp"):
        return Decision(item, Verdict.FAIL, live, record, sent, "it is being deleted. Run again when it is gone")
    entry = apply_entry(live, item.manager)
    if item.releases:
        verdict = Verdict.CHANGE if entry else Verdict.UNCHANGED
        return Decision(item, verdict, live, record, sent)
    if record is None or record.sent != kept:
        return Decision(item, Verdict.CHANGE, live, record, sent)
    if entry is None and not record.live:  # a manifest that sets nothing, such as a bare Namespace, owns nothing
        return Decision(item, Verdict.UNCHANGED, live, record, sent)
    if entry is None or entry.get("apiVersion") != item.identity.api_version:
        return Decision(item, Verdict.CHANGE, live, record, sent)
    same_version = record.version == live["metadata"].get("resourceVersion")
    return Decision(item, Verdict.UNCHANGED if same_version else Verdict.LOOK, live, record, sent)


def still_there(item: Item, live: Mapping[str, object] | None) -> str:
    """Why a label that must be gone is still there, "" if none is. Names who holds it."""
    if live is None:
        return ""
    metadata = live["metadata"]
    labels = (metadata.get("labels") or {}) if isinstance(metadata, Mapping) else {}
    for label in item.gone:
        if label in labels:
            others = [name for name in holders(live, ("metadata", "labels", label)) if name != item.manager]
            who = ", ".join(others) or "nobody in particular"
            return (
                f"the label {label} stays, because it is also held by {who}; "
                f"take it away with: kubectl label {_kubectl_name(item)} {label}-"
            )
    return ""


def _decide_missing(item: Item, record: Record | None, served: Served, sent: str) -> Decision:
    if not item.patch:
        return Decision(item, Verdict.CREATE, None, record, sent)
    if item.releases:
        return Decision(item, Verdict.UNCHANGED, None, record, sent)
    if item.identity.key in served.objects:
        return Decision(item, Verdict.CREATE, None, record, sent)
    return Decision(
        item,
        Verdict.FAIL,
        None,
        record,
        sent,
        "it does not exist, and a patch never creates its object. Create it first",
    )


def _kubectl_name(item: Item) -> str:
    identity = item.identity
    namespace = f" -n {identity.namespace}" if identity.namespace else ""
    return f"{identity.kind.lower()} {identity.name}{namespace}"
