# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a set of objects away: waves in reverse, only what is ours, waiting until each is gone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from ..errors import AmbientError
from ..manifests.identity import Object
from ..manifests.items import Item
from ..manifests.labels import mesh_of
from . import outcome as words
from .apply import Settings
from .client import Client
from .errors import ApiError, explain
from .fields import apply_entry
from .inventory import INVENTORY_LABEL, Inventory
from .outcome import Outcome
from .plan import still_there
from .reasons import why_not_gone
from .state import WORKERS, State, read_state

_POLL = 0.5
# Foreground: the pods go first, so that "gone" means that they have ended.
_OWNS_PODS = ("Deployment", "DaemonSet", "StatefulSet", "Job")


class Remover:
    """One run that deletes our objects and releases what we set on others'."""

    def __init__(self, client: Client, settings: Settings, items: Sequence[Item]) -> None:
        self._client = client
        self._settings = settings
        self._items = sorted((item for item in items if settings.covers(item.wave)), key=Item.order, reverse=True)
        self._items.sort(key=self._step)
        self._inventory = Inventory(client, settings.inventory_namespace, settings.mesh)
        self._records = self._inventory.all()

    def run(self) -> list[Outcome]:
        """Remove (or, in check mode, foresee) everything; one outcome per item, in the order of removal."""
        state = read_state(self._client, (item.identity for item in self._items))
        outcomes: list[Outcome] = []
        stopped = False
        with ThreadPoolExecutor(WORKERS) as pool:
            for _step, group in groupby(self._items, self._step):
                planned = [self._plan(item, state.get(item.identity.key)) for item in group]
                if stopped:
                    outcomes += [self._pending(each) for each in planned]
                elif self._settings.check:
                    outcomes += pool.map(self._foresee, planned)
                else:
                    done = self._remove(pool, planned, state)
                    outcomes += done
                    stopped = any(each.action == words.FAILED for each in done)
        if not self._settings.check and not stopped:
            self._forget_what_is_gone()
        return outcomes

    def _step(self, item: Item) -> tuple[int, bool]:
        """Waves from the last to the first; the namespace that holds the inventory goes after all others."""
        return -item.wave, self._holds_inventory(item)

    def _holds_inventory(self, item: Item) -> bool:
        return item.identity.kind == "Namespace" and item.identity.name == self._settings.inventory_namespace

    def _plan(self, item: Item, live: Object | None) -> Outcome:
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
        return Outcome(item, words.DELETED, before=live)

    def _foresee(self, planned: Outcome) -> Outcome:
        return self._release(planned, dry_run=True) if planned.action == words.RELEASED else planned

    def _remove(self, pool: ThreadPoolExecutor, planned: Sequence[Outcome], state: State) -> list[Outcome]:
        if any(self._holds_inventory(each.item) and each.action == words.DELETED for each in planned):
            self._forget(planned)
        done = list(pool.map(self._remove_one, planned))
        if self._settings.wait:
            done = self._wait_gone(done)
        self._forget(each for each in done if each.action not in (words.FAILED, words.PENDING))
        return done

    def _remove_one(self, planned: Outcome) -> Outcome:
        if planned.action == words.RELEASED:
            return self._release(planned, dry_run=False)
        if planned.action != words.DELETED or planned.before is None:
            return planned
        identity = planned.item.identity
        propagation = "Foreground" if identity.kind in _OWNS_PODS else "Background"
        try:
            self._client.delete(identity, uid=planned.before["metadata"]["uid"], propagation=propagation)
        except AmbientError as error:
            return Outcome(planned.item, words.FAILED, reason=explain(error))
        return planned

    def _release(self, planned: Outcome, dry_run: bool) -> Outcome:
        item, live = planned.item, planned.before
        if live is None:
            return planned
        metadata = {key: live["metadata"][key] for key in ("name", "namespace", "uid") if key in live["metadata"]}
        empty = {"apiVersion": item.identity.api_version, "kind": item.identity.kind, "metadata": metadata}
        try:
            after = self._client.apply(empty, item.manager, dry_run=dry_run)
        except ApiError as error:
            if error.status == 422 and not item.patch:
                return Outcome(item, words.KEPT, reason=f"{planned.reason}; without them it is not valid")
            return Outcome(item, words.FAILED, reason=explain(error))
        stays = still_there(item, after)
        if stays:
            return Outcome(item, words.FAILED, reason=stays)
        return Outcome(item, words.RELEASED, reason=planned.reason, before=live, after=after)

    def _wait_gone(self, done: Sequence[Outcome]) -> list[Outcome]:
        start, told = time.monotonic(), ""
        left = {each.item.identity: each for each in done if each.action == words.DELETED}
        while True:
            left = {identity: each for identity, each in left.items() if self._is_there(each)}
            if not left or time.monotonic() - start > self._settings.timeout:
                break
            text = f"wait until gone: {', '.join(identity.short for identity in sorted(left))}"
            if text != told:
                self._settings.progress(text)
                told = text
            time.sleep(_POLL)
        return [self._hangs(each) if each.item.identity in left else each for each in done]

    def _is_there(self, deleted: Outcome) -> bool:
        live = self._client.get(deleted.item.identity, metadata_only=True)
        before = deleted.before
        return live is not None and before is not None and live["metadata"]["uid"] == before["metadata"]["uid"]

    def _hangs(self, deleted: Outcome) -> Outcome:
        reason = f"still there after {self._settings.timeout:.0f} s"
        why = why_not_gone(self._client, deleted.item.identity)
        return Outcome(deleted.item, words.FAILED, reason=f"{reason}: {why}" if why else reason)

    def _forget_what_is_gone(self) -> None:
        """Records of objects that others have deleted must not keep an inventory alive."""
        left = self._inventory.all()
        if left:
            state = read_state(self._client, (record.identity for record in left.values()))
            self._drop({key for key, record in left.items() if record.identity.key not in state})

    def _forget(self, settled: Iterable[Outcome]) -> None:
        self._drop({each.item.key for each in settled})

    def _drop(self, keys: set[str]) -> None:
        """Take records out of the inventory; an inventory that went with its namespace is no error."""
        touched = [role for role, records in self._inventory.roles.items() if keys & set(records)]
        for role in touched:
            for key in keys:
                self._inventory.of(role).pop(key, None)
        try:
            self._inventory.save(touched)
        except ApiError as error:
            if error.status not in (403, 404):
                raise

    def _pending(self, planned: Outcome) -> Outcome:
        if planned.action in (words.UNCHANGED, words.KEPT):
            return planned
        return Outcome(planned.item, words.PENDING, reason="an earlier step failed")
