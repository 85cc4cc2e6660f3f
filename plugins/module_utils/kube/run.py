# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out, stage after stage, what was decided: writes, and takes away what is no longer listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..manifests.items import Item
from . import outcome as words
from .client import Client
from .inventory import Inventory
from .ledger import Ledger
from .outcome import Outcome
from .plan import Decision
from .preconditions import Preconditions
from .prune import Candidate, Pruner
from .readiness import Readiness
from .removing import AN_EARLIER_STEP
from .settings import Settings
from .stages import RELEASE, WIDEN, Pace, Stage, stages
from .waypoints import is_waypoint_item
from .writing import AN_EARLIER_WAVE, Writer, pending_among, pending_write


class Run:
    """One run that has the lock.

    Args:
        items: what is to be written or found unchanged.
        before: all that must be ready before the waves that come after it, also of waves outside the run.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        inventory: Inventory,
        items: Sequence[Item],
        before: Sequence[Item],
        readiness: Readiness,
        check_lock: Callable[[], None],
    ) -> None:
        self._items = items
        self._readiness = readiness
        self._stages = stages(settings.prune)
        self._pace = Pace(settings)
        self._pruner = Pruner(client, settings, inventory)
        self._ledger = Ledger(client, inventory, settings.mesh, items)
        self._writer = Writer(client, settings, before, self._ledger, readiness, check_lock)
        self._preconditions = Preconditions(client, settings)
        self._check_lock = check_lock
        self._before = before
        self._outcomes: list[Outcome] = []
        self._failed = ""  # as the reason of what comes later

    def carry_out(
        self, pool: ThreadPoolExecutor, decisions: Sequence[Decision], found: Sequence[Candidate]
    ) -> list[Outcome]:
        """The outcomes in the order in which they came about; after a failure what comes later is pending.

        The inventory is true before the first write, and once more before the last stage, which may take long.
        """
        self._ledger.announce(decisions)
        *before, last = self._stages
        unsaved: list[Outcome] = []
        try:
            for stage in before:
                if stage.removes:
                    self._take_away(pool, stage, [each for each in found if self._falls_into(stage, each)])
                else:
                    self._write(pool, [each for each in decisions if stage.covers(each.item.wave)])
        finally:
            unsaved = self._ledger.settle(pool, self._outcomes)
        self._outcomes += unsaved
        self._look_at_all()
        self._take_away(pool, last, [each for each in found if self._falls_into(last, each)])
        return self._outcomes + self._pruner.forget()

    def _falls_into(self, stage: Stage, candidate: Candidate) -> bool:
        """What has only moved to another role is forgotten last."""
        if candidate.moved:
            return stage is self._stages[-1]
        return stage.covers(candidate.record.wave)

    def _write(self, pool: ThreadPoolExecutor, decisions: Sequence[Decision]) -> None:
        if self._failed:
            self._outcomes += [pending_write(each, self._failed) for each in decisions]
            return
        pending = pending_among(decisions)
        if pending and not self._pace.pause():
            self._preconditions.let_settle([each.item for each in pending], self._before)
        done = len(self._outcomes)
        self._writer.write(pool, decisions, self._outcomes)
        self._note(self._outcomes[done:], AN_EARLIER_WAVE)

    def _take_away(self, pool: ThreadPoolExecutor, stage: Stage, found: Sequence[Candidate]) -> None:
        if not found:
            return
        if stage is not WIDEN and stage is not self._stages[-1]:
            self._look_at_all(stage)
        if stage is RELEASE and self._is_held(found):
            return
        if self._failed:
            self._outcomes += self._pruner.held_back(found, self._failed)
            return
        done = self._pruner.run(pool, found, self._check_lock, self._pace.pause)
        self._outcomes += done
        if any(each.action == words.RELEASED for each in done):
            self._readiness.doubt_patches(self._items)
        self._note(done, AN_EARLIER_STEP)

    def _is_held(self, found: Sequence[Candidate]) -> bool:
        """Whether labels stay, because what is followed without them is not ready; the outcomes then say so."""
        released = [each.record.identity for each in found if each.releases_labels]
        unmet = {} if self._failed else self._preconditions.unmet_releases(released, self._before)
        if not unmet:
            return False
        self._outcomes += self._pruner.held_back(found, AN_EARLIER_STEP, unmet)
        self._note([], AN_EARLIER_STEP)
        return True

    def _look_at_all(self, stage: Stage | None = None) -> None:
        """Nothing goes before all is ready that takes its place."""
        items = [
            item
            for item in self._items
            if stage is None or (item.wave < stage.end and not is_waypoint_item(item))  # the gate looks at those
        ]
        self._outcomes = self._readiness.wait_for_all(self._outcomes, items)
        self._note([], AN_EARLIER_WAVE)

    def _note(self, done: Sequence[Outcome], reason: str) -> None:
        self._pace.note(done)
        if any(each.action == words.FAILED for each in self._outcomes):
            self._failed = self._failed or reason
