# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a set of objects away: waves in reverse, only what is ours, waiting until each is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby

from ..errors import AmbientError
from ..manifests.identity import Object
from ..manifests.items import Item
from ..manifests.labels import mesh_of
from ..manifests.waves import NAMESPACES
from . import outcome as words
from .client import Client
from .fields import apply_entry
from .hidden import NOT_SEEN, Hidden
from .home import contents, only_for_inventory
from .inventory import INVENTORY_LABEL, Inventory
from .ledger import not_saved
from .lock import Lock
from .outcome import Outcome
from .owners import taken_over
from .plan import still_there
from .prune import Pruner, candidates
from .removing import AN_EARLIER_STEP, Taker, foresee, in_order, pending, step
from .settings import Settings
from .stages import WIDEN, Pace, removal_stage
from .state import WORKERS, read_state


class Remover:
    """One run that deletes our objects and releases what we set on others'.

    What the roles once applied and no longer list is shown, and goes along only where the settings say `prune`.
    """

    def __init__(
        self, client: Client, settings: Settings, items: Sequence[Item], roles: Collection[str] = frozenset()
    ) -> None:
        self._client = client
        self._settings = settings
        self._set = items
        self._roles = roles
        self._items = [item for item in items if settings.covers(item)]
        self._home = settings.inventory_namespace
        self._lock: Lock | None = None
        self._read_inventory()

    def run(self) -> list[Outcome]:
        """Remove (or, in check mode, foresee) everything; one outcome per item, in the order of removal."""
        with ThreadPoolExecutor(WORKERS) as pool:
            planned = self._plan_all()
            if self._settings.check:
                foreseen = list(pool.map(lambda each: foresee(self._client, each, self._settings.diff), planned))
                return [*foreseen, *self._home_goes(foreseen)]
            if not self._has_work(planned):
                return [*planned, *self._leave_home(pool, planned)]
            return self._write(pool, planned)

    def _write(self, pool: ThreadPoolExecutor, planned: Sequence[Outcome]) -> list[Outcome]:
        """Remove under the lock, after another look where another run may have written since the first."""
        if self._client.get("v1", "Namespace", self._home, metadata_only=True) is None:
            return self._remove_all(pool, planned)  # neither inventory nor lock has a place: nobody else writes
        settings = self._settings
        with Lock(self._client, self._home, settings.mesh, settings.lock_timeout, settings.progress) as lock:
            self._lock = lock
            seen = self._inventory.versions()
            self._read_inventory()
            if lock.waited or self._inventory.versions() != seen:
                self._client.discovery.refresh()
                planned = self._plan_all()
            done = self._remove_all(pool, planned)
            return [*done, *self._leave_home(pool, done)]

    def _read_inventory(self) -> None:
        self._inventory = Inventory(self._client, self._home, self._settings.mesh)
        self._records = self._inventory.all()
        self._hidden = Hidden(self._client)

    def _plan_all(self) -> list[Outcome]:
        state = read_state(self._client, (item.identity for item in self._items))
        planned = [self._plan(item, state.get(item.identity.key)) for item in self._items]
        if self._settings.waves is None:
            found = candidates(self._inventory, self._set, self._roles)
            found = [each for each in found if self._settings.reaches(each.record.identity)]
            planned += Pruner(self._client, self._settings, self._inventory).plan(found)[0]
        return in_order(planned, self._home)

    def _plan(self, item: Item, live: Object | None) -> Outcome:
        if live is None and item.key in self._records and item.identity in self._hidden:
            return Outcome(item, words.FAILED, reason=NOT_SEEN)
        if live is None or INVENTORY_LABEL in (live["metadata"].get("labels") or {}):
            return Outcome(item, words.UNCHANGED)
        held = apply_entry(live, item.manager) is not None
        if item.patch:
            stays = "" if held else still_there(item, live)
            action = words.RELEASED if held else words.UNCHANGED
            return Outcome(item, words.FAILED if stays else action, reason=stays, before=live)
        record = self._records.get(item.key)
        if record is None and mesh_of(live) != self._settings.mesh:
            return Outcome(item, words.KEPT, reason="it is not ours: without our label and not in the inventory")
        if record is not None and record.existed:
            reason = "it was there before our first apply: only our fields are released"
            return Outcome(item, words.RELEASED if held else words.KEPT, reason=reason, before=live)
        # Our label says that it is of our installation, whoever applies it by now.
        theirs = (
            taken_over(live, record, self._settings.mesh) if record and mesh_of(live) != self._settings.mesh else ""
        )
        if theirs:
            return Outcome(item, words.KEPT, reason=theirs)
        return Outcome(item, words.DELETED, before=live)

    def _has_work(self, planned: Iterable[Outcome]) -> bool:
        return any(each.action in words.WRITES or each.item.key in self._settled([each]) for each in planned)

    def _remove_all(self, pool: ThreadPoolExecutor, planned: Sequence[Outcome]) -> list[Outcome]:
        taker, pace = self._taker(), Pace(self._settings)
        outcomes: list[Outcome] = []
        stopped, reached = False, WIDEN
        for (_wave, rank), group in groupby(planned, lambda each: step(each.item, self._home)):
            batch = list(group)
            if stopped:
                outcomes += [pending(each, AN_EARLIER_STEP) for each in batch]
                continue
            stage = removal_stage(batch[0].item.wave)
            if stage is not reached and any(each.action in words.WRITES for each in batch):
                pace.pause()
                reached = stage
            if rank == 2 and any(each.action == words.DELETED for each in batch):
                outcomes += self._drop(self._settled(batch))  # the inventory goes with its namespace
            done = taker.take(pool, batch)
            pace.note(done)
            done += self._drop(self._settled(done))
            outcomes += done
            stopped = any(each.action == words.FAILED for each in done)
        return outcomes if stopped else outcomes + self._forget_what_is_gone()

    def _taker(self) -> Taker:
        return Taker(self._client, self._settings, self._lock.check if self._lock else lambda: None)

    def _settled(self, outcomes: Iterable[Outcome]) -> set[str]:
        """The keys of records that are of no use any more. Of what is not listed only what was taken away."""
        settled = {each.item.key for each in outcomes if self._is_settled(each)}
        return settled & set(self._records)

    def _is_settled(self, outcome: Outcome) -> bool:
        if outcome.prune and not self._settings.prune:
            return False
        return outcome.action not in (words.FAILED, words.PENDING, words.CANDIDATE)

    def _forget_what_is_gone(self) -> list[Outcome]:
        """Records of objects that others have deleted must not keep an inventory alive."""
        left = {key: record for key, record in self._inventory.all().items() if self._settings.reaches(record.identity)}
        if not left:
            return []
        state = read_state(self._client, (record.identity for record in left.values()))
        gone = {key: record for key, record in left.items() if record.identity.key not in state}
        return self._drop({key for key, record in gone.items() if record.identity not in self._hidden})

    def _drop(self, keys: set[str]) -> list[Outcome]:
        """Take records out of the inventory; an outcome where that fails. One that went with its namespace is none."""
        touched = [role for role, records in self._inventory.roles.items() if keys & set(records)]
        for role in touched:
            for key in keys:
                self._inventory.of(role).pop(key, None)
        try:
            self._inventory.save(touched)
        except AmbientError as error:
            if getattr(error, "status", None) not in (403, 404):
                return [not_saved(self._inventory, touched[0], NAMESPACES, error)]
        return []

    def _home_goes(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """What is to become of the namespace that we once created for inventory and lock, when both are done with."""
        if self._settings.namespaces is not None and self._home not in self._settings.namespaces:
            return []
        settled = self._settled(outcomes) | {each.item.key for each in outcomes if each.action == words.DELETED}
        if set(self._inventory.all()) - settled or self._listed() or not self._inventory.namespace_is_ours():
            return []
        live = self._client.get("v1", "Namespace", self._home)
        if live is None or not only_for_inventory(live):
            return []
        stub = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._home}}
        outcome = Outcome(Item(stub, NAMESPACES), words.DELETED, before=live)
        leaving = {each.item.identity.key for each in outcomes if each.action == words.DELETED}
        held = contents(self._client, self._home, self._settings.mesh, leaving)
        reason = f"it was created for the inventory, and holds more by now: {held}"
        return [replace(outcome, action=words.KEPT, reason=reason) if held else outcome]

    def _listed(self) -> bool:
        return any(item.identity.kind == "Namespace" and item.identity.name == self._home for item in self._set)

    def _leave_home(self, pool: ThreadPoolExecutor, done: Sequence[Outcome]) -> list[Outcome]:
        if any(each.action in (words.FAILED, words.PENDING) for each in done):
            return []
        return self._taker().take(pool, self._home_goes(done))
