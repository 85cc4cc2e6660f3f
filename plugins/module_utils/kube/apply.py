# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies a set of objects in waves: decides, sends what must be sent, waits, keeps the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby

from ..errors import AmbientError
from ..manifests.identity import Object
from ..manifests.items import Item
from . import outcome as words
from .client import NOT_SERVED, Client
from .errors import UNREACHABLE, explain
from .fields import changed_paths, owned_digest, seal
from .inventory import Inventory
from .ledger import Ledger, ensure_namespace
from .lock import Lock
from .outcome import Outcome
from .plan import Decision, Served, Verdict, decide, still_there
from .preview import preview, to_send
from .prune import Candidate, Pruner, candidates
from .served import await_kinds
from .settings import Settings
from .state import WORKERS, State, read_state
from .wait import wait_ready

# Ready as soon as they are served; to look again costs more than it tells.
SERVED_AT_ONCE = ("CustomResourceDefinition", "Namespace")
_GONE = (UNREACHABLE, 401)  # what the transport could not mend holds for every other request too


class Applier:
    """One run over one set of items. `roles`: those of the set, also the ones that have no items any more."""

    def __init__(
        self, client: Client, settings: Settings, items: Sequence[Item], roles: frozenset[str] = frozenset()
    ) -> None:
        self._client = client
        self._settings = settings
        self._set = items
        self._roles = roles | {item.role for item in items}
        self._served = Served.by(items)
        self._items = [item for item in items if settings.covers(item.wave)]
        self._refuse_misplaced()
        self._seen_ready: set[str] = set()
        self._inventory = self._read_inventory()
        self._lock: Lock | None = None
        self._cut_off = ""

    def run(self) -> list[Outcome]:
        """Apply (or, in check mode, foresee) everything; one outcome per item, then one per prune candidate."""
        with ThreadPoolExecutor(WORKERS) as pool:
            decisions = self._decide_all(pool)
            unlisted = self._unlisted()
            planned = self._pruner().foresee(unlisted)
            if self._settings.check:
                coming = Served.by(each.item for each in decisions if each.verdict in (Verdict.CREATE, Verdict.CHANGE))
                return [*pool.map(lambda each: self._foresee(each, coming), decisions), *planned]
            if any(decision.verdict is Verdict.FAIL for decision in decisions):
                return self._refuse(decisions)
            forgets = self._settings.prune and any(each.moved for each in unlisted)
            if forgets or self._pruner().needed(planned) or any(map(self._has_work, decisions)):
                return self._write(pool, decisions)
        return self._all_ready([self._settled(decision) for decision in decisions]) + planned

    def _write(self, pool: ThreadPoolExecutor, decisions: Sequence[Decision]) -> list[Outcome]:
        """Apply and prune under the lock, after another look where another run may have written since the first."""
        settings = self._settings
        ensure_namespace(self._client, settings.inventory_namespace, settings.mesh, self._set)
        with Lock(
            self._client, settings.inventory_namespace, settings.mesh, settings.lock_timeout, settings.progress
        ) as lock:
            self._lock = lock
            seen, self._inventory = self._inventory.versions(), self._read_inventory()
            if lock.waited or self._inventory.versions() != seen:
                self._client.discovery.refresh()
                decisions = self._decide_all(pool)
                if any(decision.verdict is Verdict.FAIL for decision in decisions):
                    return self._refuse(decisions)
            outcomes = self._all_ready(self._apply_waves(pool, decisions))
            if any(each.action == words.FAILED for each in outcomes):
                return outcomes + self._pruner().held_back(self._unlisted())
            return outcomes + self._pruner().run(pool, self._unlisted(), lock.check)

    def _has_work(self, decision: Decision) -> bool:
        """Whether something is to be written, if only that the object has come to another role."""
        item = decision.item
        known = decision.record is None or item.releases or item.key in self._inventory.of(item.role)
        return decision.verdict is not Verdict.UNCHANGED or not known

    def _pruner(self) -> Pruner:
        return Pruner(self._client, self._settings, self._inventory)

    def _unlisted(self) -> list[Candidate]:
        """What only a run over all waves can tell: the records that no item answers to any more."""
        if self._settings.waves is not None:
            return []
        return candidates(self._inventory, self._set, self._roles)

    def _all_ready(self, outcomes: list[Outcome]) -> list[Outcome]:
        """The outcomes after a look at everything that was not seen ready in this run, written or not."""
        if any(each.action == words.FAILED for each in outcomes):
            return outcomes
        settled = [item for item in self._items if item.identity.kind not in SERVED_AT_ONCE]
        return _with_missing(outcomes, self._wait(settled))

    def _read_inventory(self) -> Inventory:
        return Inventory(self._client, self._settings.inventory_namespace, self._settings.mesh)

    def _decide_all(self, pool: ThreadPoolExecutor) -> list[Decision]:
        state = read_state(self._client, (item.identity for item in self._items))
        # Threads only for what asks the API server: the rest is faster without them.
        decisions = [self._decide(item, state) for item in self._items]
        looked = pool.map(self._look, [each for each in decisions if each.verdict is Verdict.LOOK])
        return [next(looked) if each.verdict is Verdict.LOOK else each for each in decisions]

    def _decide(self, item: Item, state: State) -> Decision:
        record = self._inventory.find(item)
        if not self._is_served(item):
            reason = f"the API server does not serve this kind. {NOT_SERVED}"
            return Decision(item, Verdict.FAIL, None, record, "", reason)
        return decide(item, state.get(item.identity.key), record, self._served)

    def _look(self, decision: Decision) -> Decision:
        """Whether the live values are as the record says, although the object has another version."""
        item, record = decision.item, decision.record
        full = self._client.get(item.identity)
        if full is None or record is None:
            return replace(decision, verdict=Verdict.CHANGE)
        if seal(owned_digest(full, item.manager, item.object), item.identity, full) != record.live:
            return replace(decision, verdict=Verdict.CHANGE)
        version = str(full["metadata"]["resourceVersion"])
        self._inventory.note(item, replace(record, version=version))  # saved if anything is
        return replace(decision, verdict=Verdict.UNCHANGED)

    def _is_served(self, item: Item) -> bool:
        identity = item.identity
        if (identity.group, identity.kind) in self._served.kinds:
            return True
        return self._client.discovery.find(identity.group, identity.version, identity.kind) is not None

    def _foresee(self, decision: Decision, coming: Served) -> Outcome:
        if decision.verdict in (Verdict.UNCHANGED, Verdict.FAIL):
            return self._settled(decision)
        try:
            return preview(self._client, decision, coming, self._settings.force)
        except AmbientError as error:
            return Outcome(decision.item, words.FAILED, reason=explain(error))

    def _settled(self, decision: Decision) -> Outcome:
        if decision.verdict is Verdict.FAIL:
            return Outcome(decision.item, words.FAILED, reason=decision.reason)
        stays = still_there(decision.item, decision.live)
        if stays:
            return Outcome(decision.item, words.FAILED, reason=stays)
        return Outcome(decision.item, words.UNCHANGED)

    def _apply_waves(self, pool: ThreadPoolExecutor, decisions: Sequence[Decision]) -> list[Outcome]:
        self._ledger = Ledger(self._client, self._inventory, self._settings.mesh, self._items)
        self._ledger.announce(decisions)
        outcomes: list[Outcome] = []
        unsaved: list[Outcome] = []
        stopped = False
        try:
            for wave, group in groupby(decisions, lambda decision: decision.item.wave):
                batch = list(group)
                if stopped:
                    outcomes += [self._pending(decision) for decision in batch]
                    continue
                done = self._apply_wave(pool, wave, batch)
                outcomes += done
                stopped = any(each.action == words.FAILED for each in done)
        finally:
            unsaved = self._ledger.settle(pool, outcomes)
        return outcomes + unsaved

    def _apply_wave(self, pool: ThreadPoolExecutor, wave: int, batch: Sequence[Decision]) -> list[Outcome]:
        if all(decision.verdict is Verdict.UNCHANGED for decision in batch):
            return [self._settled(decision) for decision in batch]
        earlier = [item for item in self._set if item.wave < wave and item.identity.kind not in SERVED_AT_ONCE]
        missing = self._wait(earlier)
        if missing:
            return [Outcome(decision.item, words.FAILED, reason=f"waits for {_first(missing)}") for decision in batch]
        done = list(pool.map(self._apply_one, batch))
        if self._cut_off:
            return done
        missing = self._wait(each.item for each in done if each.action != words.FAILED)
        new = Served.by(each.item for each in done if each.action != words.FAILED).kinds
        if new:
            await_kinds(self._client.discovery, new)
        return _with_missing(done, missing)

    def _wait(self, items: Iterable[Item]) -> dict[str, str]:
        """Wait for those that were not seen ready in this run; why by Identity.short for those that are not.

        Without `wait` only for CRDs: before one is served its objects cannot be applied at all.
        """
        new = [
            item
            for item in items
            if item.key not in self._seen_ready
            and (self._settings.wait or item.identity.kind == "CustomResourceDefinition")
        ]
        try:
            missing = wait_ready(self._client, new, self._settings.timeout, self._settings.progress)
        except AmbientError as error:  # what has been written until now is told all the same
            missing = {item.identity.short: f"cannot be watched: {explain(error)}" for item in new}
        self._seen_ready.update(item.key for item in new if item.identity.short not in missing)
        return missing

    def _apply_one(self, decision: Decision) -> Outcome:
        if decision.verdict in (Verdict.UNCHANGED, Verdict.FAIL):
            return self._settled(decision)
        if self._cut_off:
            return self._pending(decision, f"not sent: {self._cut_off}")
        item = decision.item
        try:
            check = self._lock.check if self._lock else None
            if check:
                check()
            before = self._before(decision)
            if before is None and item.patch:
                return Outcome(item, words.FAILED, reason="it does not exist, and a patch never creates its object")
            after = self._client.apply(to_send(item, before), item.manager, force=self._settings.force, check=check)
        except AmbientError as error:
            if getattr(error, "status", None) in _GONE:
                self._cut_off = error.message
            return Outcome(item, words.FAILED, reason=explain(error))
        self._ledger.remember(decision, before, after)
        stays = still_there(item, after)
        if stays:
            return Outcome(item, words.FAILED, reason=stays)
        return _written(item, before, after)

    def _before(self, decision: Decision) -> Object | None:
        if decision.verdict is Verdict.CREATE and not decision.item.patch:
            return None
        return self._client.get(decision.item.identity)

    def _pending(self, decision: Decision, reason: str = "an earlier wave failed") -> Outcome:
        if decision.verdict is Verdict.UNCHANGED:
            return Outcome(decision.item, words.UNCHANGED)
        return Outcome(decision.item, words.PENDING, reason=reason)

    def _refuse(self, decisions: Sequence[Decision]) -> list[Outcome]:
        """What is known to fail is refused before the first write."""
        refused = [self._refused(decision) for decision in decisions]
        return refused + self._pruner().held_back(self._unlisted())

    def _refused(self, decision: Decision) -> Outcome:
        if decision.verdict is Verdict.FAIL:
            return self._settled(decision)
        return self._pending(decision, "nothing was written, because another object cannot be applied")

    def _refuse_misplaced(self) -> None:
        for item in self._items:
            identity = item.identity
            resource = self._client.discovery.find(identity.group, identity.version, identity.kind)
            if resource is None or resource.namespaced == bool(identity.namespace):
                continue
            word = "needs a metadata.namespace" if resource.namespaced else "is cluster-scoped: it has no namespace"
            raise AmbientError(
                f"{identity.kind} {word}", path=f"role {item.role}, {identity}", hint="Mend its metadata"
            )


def _first(missing: Mapping[str, str]) -> str:
    name = min(missing)
    return f"{name}: {missing[name]}"


def _with_missing(outcomes: Iterable[Outcome], missing: Mapping[str, str]) -> list[Outcome]:
    """The outcomes, where those of objects that did not become ready are failures."""
    return [
        replace(each, action=words.FAILED, reason=missing[each.item.identity.short])
        if each.item.identity.short in missing and each.action != words.FAILED
        else each
        for each in outcomes
    ]


def _written(item: Item, before: Object | None, after: Object) -> Outcome:
    if before is None:
        return Outcome(item, words.CREATED, after=after)
    if before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]:
        return Outcome(item, words.UNCHANGED)
    paths = changed_paths(before, after) or ["metadata.managedFields"]
    return Outcome(item, words.CHANGED, tuple(paths), before=before, after=after)
