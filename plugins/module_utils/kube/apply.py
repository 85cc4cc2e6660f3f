# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies a set of objects: reads what is live, decides what must be sent, and has it sent if there is anything."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..errors import AmbientError
from ..manifests.items import Item
from ..manifests.waves import LOCK_DOWN
from . import outcome as words
from .client import NOT_SERVED, Client
from .errors import explain
from .fields import owned_digest, seal
from .inventory import Inventory
from .ledger import ensure_namespace
from .lock import Lock
from .outcome import Outcome
from .plan import Decision, Served, Verdict, decide
from .preconditions import Preconditions
from .preview import preview
from .prune import Candidate, Pruner, candidates
from .readiness import Readiness
from .run import Run
from .settings import Settings
from .stages import RELEASE, in_order_of_run
from .state import WORKERS, State, read_state
from .writing import AN_EARLIER_WAVE, TRAFFIC_CANNOT_MOVE, as_decided, pending_among, pending_write


class Applier:
    """One run over one set of items. `roles`: those of the set, also the ones that have no items any more."""

    def __init__(
        self, client: Client, settings: Settings, items: Sequence[Item], roles: frozenset[str] = frozenset()
    ) -> None:
        self._client = client
        self._settings = settings
        self._given = items
        self._roles = roles | {item.role for item in items}
        self._set = [item for item in items if settings.reaches(item.identity)]
        self._served = Served.by(self._set)
        self._items = [item for item in self._set if settings.covers(item)]
        self._refuse_misplaced()
        self._readiness = Readiness(client, settings)
        self._inventory = self._read_inventory()

    def run(self) -> list[Outcome]:
        """Apply (or, in check mode, foresee) everything; one outcome per item, then one per prune candidate."""
        with ThreadPoolExecutor(WORKERS) as pool:
            decisions = self._decide_all(pool)
            unlisted = self._unlisted()
            planned = self._pruner().foresee(unlisted)
            if self._settings.check:
                coming = Served.by(each.item for each in decisions if each.verdict in (Verdict.CREATE, Verdict.CHANGE))
                foreseen = list(pool.map(lambda each: self._foresee(each, coming), decisions))
                return in_order_of_run(foreseen, planned, self._settings.prune)
            if any(decision.verdict is Verdict.FAIL for decision in decisions):
                return self._refuse(decisions)
            forgets = self._settings.prune and any(each.moved for each in unlisted)
            if forgets or self._pruner().needed(planned) or any(map(self._has_work, decisions)):
                return self._write(pool, decisions)
        return self._readiness.wait_for_all([as_decided(each) for each in decisions], self._items) + planned

    def _write(self, pool: ThreadPoolExecutor, decisions: Sequence[Decision]) -> list[Outcome]:
        """Apply and prune under the lock, after another look where another run may have written since the first."""
        settings = self._settings
        ensure_namespace(self._client, settings.inventory_namespace, settings.mesh, self._given)
        with Lock(
            self._client, settings.inventory_namespace, settings.mesh, settings.lock_timeout, settings.progress
        ) as lock:
            seen, self._inventory = self._inventory.versions(), self._read_inventory()
            if lock.waited or self._inventory.versions() != seen:
                self._client.discovery.refresh()
                decisions = self._decide_all(pool)
                if any(decision.verdict is Verdict.FAIL for decision in decisions):
                    return self._refuse(decisions)
            unready = self._unready(decisions)
            if unready:
                return self._not_ready(decisions, unready)
            run = Run(self._client, settings, self._inventory, self._items, self._set, self._readiness, lock.check)
            return run.carry_out(pool, decisions, self._unlisted())

    def _unready(self, decisions: Sequence[Decision]) -> list[Outcome]:
        """A failure for each of what would move traffic, or narrow, beside what is not ready, in this run or after it.

        What the run itself brings cannot be ready yet: it is looked at when its wave has come.
        """
        settings = self._settings
        gate = Preconditions(self._client, settings)
        pending = [each.item for each in pending_among(decisions)]
        steps = [(pending, self._set), *((self._coming(step), step) for step in settings.ahead)]
        for items, listed in steps:
            unmet = gate.unmet(items, listed, pending)
            if unmet:
                return [Outcome(item, words.FAILED, reason=unmet[item.key]) for item in items if item.key in unmet]
        released = [each for each in self._unlisted() if RELEASE.covers(each.record.wave) and each.releases_labels]
        identities = [each.record.identity for each in released] if settings.prune else []
        unmet = gate.unmet_releases(identities, self._set, pending)
        held = self._pruner().held_back(released, TRAFFIC_CANNOT_MOVE, unmet) if unmet else []
        return [each for each in held if each.action == words.FAILED and each.item.identity.key in unmet]

    def _coming(self, step: Sequence[Item]) -> list[Item]:
        """What a later step writes, as far as is known now: what narrows only where it is not there yet."""
        mine = [item for item in step if self._settings.reaches(item.identity)]
        there = read_state(self._client, (item.identity for item in mine if item.wave >= LOCK_DOWN))
        return [item for item in mine if item.identity.key not in there]

    def _not_ready(self, decisions: Sequence[Decision], unready: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes where nothing is written, because traffic would move to what is not ready."""
        failed = {each.item.key: each for each in unready}
        outcomes = [
            failed.pop(each.item.key) if each.item.key in failed else pending_write(each, TRAFFIC_CANNOT_MOVE)
            for each in decisions
        ]
        held = self._pruner().held_back(self._unlisted(), TRAFFIC_CANNOT_MOVE)
        removed = [failed.pop(each.item.key) if each.item.key in failed else each for each in held]
        of_later_steps = failed.values()
        return [*of_later_steps, *in_order_of_run(outcomes, removed, self._settings.prune)]

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
        found = candidates(self._inventory, self._set, self._roles)
        return [each for each in found if self._settings.reaches(each.record.identity)]

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
            return as_decided(decision)
        try:
            return preview(self._client, decision, coming, self._settings.force)
        except AmbientError as error:
            return Outcome(decision.item, words.FAILED, reason=explain(error))

    def _refuse(self, decisions: Sequence[Decision]) -> list[Outcome]:
        """What is known to fail is refused before the first write."""
        refused = [self._refused(decision) for decision in decisions]
        held_back = self._pruner().held_back(self._unlisted(), AN_EARLIER_WAVE)
        return in_order_of_run(refused, held_back, self._settings.prune)

    def _refused(self, decision: Decision) -> Outcome:
        if decision.verdict is Verdict.FAIL:
            return as_decided(decision)
        return pending_write(decision, "nothing was written, because another object cannot be applied")

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
