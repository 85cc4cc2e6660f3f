# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends what was decided, wave by wave, and waits until it is ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from ..errors import AmbientError
from ..manifests.identity import Object
from ..manifests.items import Item
from ..manifests.waves import LOCK_DOWN
from . import outcome as words
from .client import Client
from .errors import UNREACHABLE, explain
from .fields import changed_paths
from .ledger import Ledger
from .outcome import Outcome
from .plan import Decision, Served, Verdict, still_there
from .preconditions import Preconditions
from .preview import to_send
from .readiness import Readiness, settled, with_missing
from .served import await_kinds
from .settings import Settings
from .waypoints import is_waypoint_item

_GONE = (UNREACHABLE, 401)  # what the transport could not mend holds for every other request too
AN_EARLIER_WAVE = "an earlier wave failed"
TRAFFIC_CANNOT_MOVE = "not written, because traffic cannot move yet"


class Writer:
    """Writes for one run that has the lock. `items`: all that must be ready before the waves that come after it."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        items: Sequence[Item],
        ledger: Ledger,
        readiness: Readiness,
        check_lock: Callable[[], None],
    ) -> None:
        self._client = client
        self._settings = settings
        self._items = items
        self._ledger = ledger
        self._readiness = readiness
        self._check_lock = check_lock
        self._preconditions = Preconditions(client, settings)
        self._cut_off = ""

    def write(self, pool: ThreadPoolExecutor, decisions: Sequence[Decision], outcomes: list[Outcome]) -> None:
        """Add one outcome per decision to the outcomes, as it comes about. After a wave that fails all is pending."""
        stopped = False
        for wave, group in groupby(decisions, lambda decision: decision.item.wave):
            batch = list(group)
            if stopped:
                outcomes += [pending_write(decision, AN_EARLIER_WAVE) for decision in batch]
                continue
            done = self._write_wave(pool, wave, batch)
            outcomes += done
            stopped = any(each.action == words.FAILED for each in done)

    def _write_wave(self, pool: ThreadPoolExecutor, wave: int, batch: Sequence[Decision]) -> list[Outcome]:
        if all(decision.verdict is Verdict.UNCHANGED for decision in batch):
            return [as_decided(decision) for decision in batch]
        earlier = self._relied_on(wave)
        missing = self._preconditions.stuck(earlier) or self._readiness.wait(earlier)
        if missing:
            first = min(f"{item.identity.short}: {missing[item.key]}" for item in earlier if item.key in missing)
            return [Outcome(decision.item, words.FAILED, reason=f"waits for {first}") for decision in batch]
        unmet = self._preconditions.unmet([each.item for each in pending_among(batch)], self._items)
        if unmet:  # looked at last, for what comes before may have taken its time
            return [held_back(decision, unmet) for decision in batch]
        done = list(pool.map(self._write_one, batch))
        if self._cut_off:
            return done
        written = (each for each in done if each.action != words.FAILED)
        missing = self._readiness.wait(
            each.item for each in written if each.action != words.UNCHANGED or not is_waypoint_item(each.item)
        )
        new = Served.by(each.item for each in done if each.action != words.FAILED).kinds
        if new:
            await_kinds(self._client.discovery, new)
        return with_missing(done, missing)

    def _relied_on(self, wave: int) -> list[Item]:
        """What must be ready before a wave is written, whoever wrote it.

        Not waypoints: only labels rely on them, and the gate before those knows on which. Labels were waited for when
        they were written; only what narrows relies on what they bring about.
        """
        narrows = wave >= LOCK_DOWN and self._settings.require_ready
        earlier = [item for item in self._items if item.wave < wave]
        return [
            item for item in settled(earlier) if not is_waypoint_item(item) and (narrows or not item.patch)
        ] + self._not_yet_served(earlier)

    def _not_yet_served(self, items: Iterable[Item]) -> list[Item]:
        """The CRDs among the items whose kinds the API server does not know: objects of those cannot be written."""
        crds = [item for item in items if item.identity.kind == "CustomResourceDefinition"]
        known = {(group, kind) for group, _version, kind in self._client.discovery.kinds()} if crds else set()
        return [item for item in crds if not Served.by([item]).kinds <= known]

    def _write_one(self, decision: Decision) -> Outcome:
        if decision.verdict in (Verdict.UNCHANGED, Verdict.FAIL):
            return as_decided(decision)
        if self._cut_off:
            return pending_write(decision, f"not sent: {self._cut_off}")
        item = decision.item
        try:
            self._check_lock()
            before = self._before(decision)
            if before is None and item.patch:
                return Outcome(item, words.FAILED, reason="it does not exist, and a patch never creates its object")
            sent = to_send(item, before)
            after = self._client.apply(sent, item.manager, force=self._settings.force, check=self._check_lock)
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


def as_decided(decision: Decision) -> Outcome:
    """The outcome of what is not to be written."""
    if decision.verdict is Verdict.FAIL:
        return Outcome(decision.item, words.FAILED, reason=decision.reason)
    stays = still_there(decision.item, decision.live)
    if stays:
        return Outcome(decision.item, words.FAILED, reason=stays)
    return Outcome(decision.item, words.UNCHANGED)


def pending_among(decisions: Iterable[Decision]) -> list[Decision]:
    """Those of which something is to be written."""
    return [each for each in decisions if each.verdict not in (Verdict.UNCHANGED, Verdict.FAIL)]


def held_back(decision: Decision, unmet: Mapping[str, str]) -> Outcome:
    """The outcome where what some of the items rely on is not ready: those fail, and with them nothing is written."""
    if decision.verdict is not Verdict.UNCHANGED and decision.item.key in unmet:
        return Outcome(decision.item, words.FAILED, reason=unmet[decision.item.key])
    return pending_write(decision, TRAFFIC_CANNOT_MOVE)


def pending_write(decision: Decision, reason: str) -> Outcome:
    """The outcome of what would have been written, had nothing failed before."""
    if decision.verdict is Verdict.UNCHANGED:
        return Outcome(decision.item, words.UNCHANGED)
    return Outcome(decision.item, words.PENDING, reason=reason)


def _written(item: Item, before: Object | None, after: Object) -> Outcome:
    if before is None:
        return Outcome(item, words.CREATED, after=after)
    if before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]:
        return Outcome(item, words.UNCHANGED)
    paths = changed_paths(before, after) or ["metadata.managedFields"]
    return Outcome(item, words.CHANGED, tuple(paths), before=before, after=after)
