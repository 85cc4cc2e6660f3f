# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the inventory true while a run writes: announced before the first write, settled after the last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from ..manifests.labels import mesh_of, own
from . import outcome as words
from .client import Client
from .errors import explain
from .fields import apply_entry, owned_digest, seal
from .inventory import INVENTORY_MANAGER, Inventory
from .outcome import Outcome
from .plan import Decision, Verdict
from .record import Record
from .state import read_state


class Ledger:
    """The records of one run over `items`."""

    def __init__(self, client: Client, inventory: Inventory, mesh: str, items: Sequence[Item]) -> None:
        self._client = client
        self._inventory = inventory
        self._mesh = mesh
        self._items = items
        self._roles = sorted({item.role for item in items})

    def announce(self, decisions: Iterable[Decision]) -> None:
        """Write what we are about to own before the first write, so that no kill leaves an orphan."""
        for decision in decisions:
            item, record = decision.item, decision.record
            if record is None and decision.verdict in (Verdict.CREATE, Verdict.CHANGE):
                record = Record.announced(item, existed=False)
            if record is None or (item.releases and decision.verdict is Verdict.UNCHANGED):
                continue
            if self._is_theirs(decision, record):
                record = replace(record, existed=True)
            if self._inventory.of(item.role).get(item.key) != record:
                self._inventory.note(item, record)  # new, come from another role, or made anew by somebody
        self._inventory.save(self._roles)

    def _is_theirs(self, decision: Decision, record: Record) -> bool:
        """Whether the live object was made by somebody else: it has neither our label nor a field of ours."""
        live = decision.live
        if live is None or decision.verdict is Verdict.UNCHANGED or mesh_of(live) == self._mesh:
            return False
        if record.sent and not record.live:  # what says no more than a name leaves no trace of its manager
            return False
        return apply_entry(live, decision.item.manager) is None

    def remember(self, decision: Decision, before: Object | None, after: Object) -> None:
        """Note a success, in memory."""
        item = decision.item
        records = self._inventory.of(item.role)
        if item.releases:
            records.pop(item.key, None)
            return
        record = records.get(item.key) or Record.announced(item, existed=False)
        if before is None:  # whoever made it once: this one is ours
            record = replace(record, existed=False)
        version = str(after["metadata"]["resourceVersion"])
        seen = seal(owned_digest(after, item.manager, item.object), item.identity, after)
        records[item.key] = record.applied(item, seal(decision.sent, item.identity, after), version, seen)

    def settle(self, pool: ThreadPoolExecutor, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Save what was done; an outcome of its own where that fails, so that it hides no other."""
        try:
            self._refresh(pool, outcomes)
            self._inventory.save(self._roles)
        except AmbientError as error:
            return [not_saved(self._inventory, self._roles[0], self._items[-1].wave, error)]
        return []

    def _refresh(self, pool: ThreadPoolExecutor, outcomes: Sequence[Outcome]) -> None:
        """Take over the versions that controllers have written meanwhile, where our values are as we left them."""
        written = [each.item for each in outcomes if each.action in (words.CREATED, words.CHANGED)]
        live = read_state(self._client, (item.identity for item in written))

        def refresh(item: Item) -> None:
            records = self._inventory.of(item.role)
            record, found = records.get(item.key), live.get(item.identity.key)
            if record is None or found is None or record.version == found["metadata"]["resourceVersion"]:
                return
            full = self._client.get(item.identity)
            if full is None:
                return
            if seal(owned_digest(full, item.manager, item.object), item.identity, full) == record.live:
                records[item.key] = replace(record, version=str(full["metadata"]["resourceVersion"]))

        list(pool.map(refresh, written))


def not_saved(inventory: Inventory, role: str, wave: int, error: AmbientError) -> Outcome:
    """The outcome of an inventory that could not be written."""
    metadata = {"name": inventory.name(role), "namespace": inventory.namespace}
    stub = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return Outcome(
        Item(stub, wave, role=role), words.FAILED, reason=f"the inventory could not be saved: {explain(error)}"
    )


def ensure_namespace(client: Client, name: str, mesh: str, items: Iterable[Item]) -> None:
    """Create the namespace that holds inventory and lock where it is missing: as the set has it, or plain."""
    if client.get(Identity.parse("v1", "Namespace", name), metadata_only=True) is not None:
        return
    for item in items:
        if item.identity.kind == "Namespace" and item.identity.name == name and not item.patch:
            client.apply(own(item.object, mesh), item.manager)  # the label tells the next run whose it is
            return
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    client.apply(own(namespace, mesh), INVENTORY_MANAGER)
