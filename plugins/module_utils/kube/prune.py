# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we once applied and what is no longer listed: shown, and taken away where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from types import MappingProxyType

from ..errors import AmbientError
from ..manifests.identity import Object
from ..manifests.items import Item
from ..manifests.waves import NAMESPACES
from . import outcome as words
from .client import Client
from .errors import explain
from .fields import apply_entry, holders
from .hidden import NOT_SEEN, Hidden
from .inventory import Inventory
from .ledger import not_saved
from .outcome import Outcome
from .owners import applied_by_others, owned_labels, taken_over
from .plan import still_there
from .record import Record
from .removing import AN_EARLIER_STEP, Taker, foresee, in_order, pending, step
from .settings import Settings
from .state import WORKERS, read_state

_UNSEEN: Object = {"metadata": {}}
CLUSTER_SCOPED = ("Namespace", "CustomResourceDefinition")


@dataclass(frozen=True)
class Candidate:
    """A record of a role that no longer lists its object.

    Args:
        moved: whether another role has it now: nothing is to be done, but the record is of no use.
        other: the manager under which the set still lists the object, "" for none: only our fields may go.
    """

    record: Record
    role: str
    moved: bool = False
    other: str = ""

    @property
    def releases_labels(self) -> bool:
        """Whether labels go with it that nobody else of the set keeps."""
        return self.record.patch and not self.moved and not self.other


def candidates(inventory: Inventory, items: Iterable[Item], roles: Collection[str]) -> list[Candidate]:
    """The records of these roles that no item answers to, or only one of another role of the set.

    What a role outside the set keeps a record of, too, is that role's: here it is only forgotten.
    """
    places: dict[str, str] = {}
    managers: dict[str, str] = {}
    for item in items:
        places[item.key] = item.role
        managers[item.identity.key] = item.manager
    elsewhere = {key for role, records in inventory.roles.items() if role not in roles for key in records}
    found = []
    for role in sorted(set(roles) & set(inventory.roles)):
        for key, record in inventory.of(role).items():
            if places.get(key) == role:
                continue
            moved = key in places or key in elsewhere
            found.append(Candidate(record, role, moved, "" if moved else managers.get(record.identity.key, "")))
    return found


class Pruner:
    """Takes candidates away, or says what would become of them."""

    def __init__(self, client: Client, settings: Settings, inventory: Inventory) -> None:
        self._client = client
        self._settings = settings
        self._inventory = inventory
        self._of_no_use: list[tuple[str, str]] = []

    def foresee(self, found: Sequence[Candidate]) -> list[Outcome]:
        """One outcome per candidate that is still there, in the order of removal. Nothing is written."""
        planned = self.plan(found)[0]
        if not self._settings.check:
            return planned  # what a release leaves is seen when it is done
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(lambda each: foresee(self._client, each, self._settings.diff), planned))

    def needed(self, planned: Iterable[Outcome]) -> bool:
        """Whether `run` has something to do that is worth a lock: what was foreseen goes, or is forgotten."""
        return self._settings.prune and any(each.action in (*words.WRITES, words.KEPT) for each in planned)

    def held_back(
        self, found: Sequence[Candidate], reason: str, unmet: Mapping[str, str] = MappingProxyType({})
    ) -> list[Outcome]:
        """The outcomes where the run has failed before it came to this, or because of some (by Identity.key)."""
        try:
            planned = self.plan(found)[0]
        except AmbientError:
            return []  # the API server is gone, as the failures before say
        return [
            replace(each, action=words.FAILED, reason=unmet[each.item.identity.key])
            if each.item.identity.key in unmet
            else pending(each, reason)
            for each in planned
        ]

    def run(
        self,
        pool: ThreadPoolExecutor,
        found: Sequence[Candidate],
        check_lock: Callable[[], None],
        before: Callable[[], object] = lambda: None,
    ) -> list[Outcome]:
        """Take away what may go, the last wave first. For a run that has the lock; `forget` afterwards.

        `before` is called first if there is something to take away.
        """
        try:
            planned, stale = self.plan(found)
        except AmbientError as error:  # what was written before is told all the same
            stubs = [Outcome(_item(each), words.FAILED, prune=True) for each in found[:1]]
            return [replace(each, reason=f"whether it may go is not known: {explain(error)}") for each in stubs]
        self._of_no_use += stale
        if any(each.action in words.WRITES for each in planned):
            before()
        taker = Taker(self._client, self._settings, check_lock)
        outcomes: list[Outcome] = []
        stopped = False
        for _at, group in groupby(planned, lambda each: step(each.item, self._inventory.namespace)):
            batch = list(group)
            if stopped:
                outcomes += [pending(each, AN_EARLIER_STEP) for each in batch]
                continue
            done = taker.take(pool, batch)
            outcomes += done
            stopped = any(each.action == words.FAILED for each in done)
        if self._settings.prune:
            over = (words.DELETED, words.RELEASED, words.KEPT)
            self._of_no_use += [(each.item.role, each.item.key) for each in outcomes if each.action in over]
        return outcomes

    def plan(self, found: Sequence[Candidate]) -> tuple[list[Outcome], list[tuple[str, str]]]:
        """What is to become of those that are there; role and key of the records that are of no use any more."""
        found = [self._served(each) for each in found]
        hidden = Hidden(self._client)
        state = read_state(self._client, (each.record.identity for each in found if not each.moved))
        planned: list[Outcome] = []
        stale: list[tuple[str, str]] = []
        for each in found:
            live = state.get(each.record.identity.key)
            if live is None and not each.moved and each.record.identity in hidden:
                planned.append(Outcome(_item(each, _UNSEEN), words.CANDIDATE, reason=NOT_SEEN, prune=True))
            elif each.moved or live is None or self._released(each, live):
                stale.append((each.role, each.record.key))
            else:
                planned.append(self._plan_one(each, live))
        return in_order(planned, self._inventory.namespace), stale

    def _served(self, candidate: Candidate) -> Candidate:
        """The candidate in a version that is still served: an upgrade may have dropped the one we sent."""
        identity = candidate.record.identity
        served = self._client.discovery.kinds()
        if (identity.group, identity.version, identity.kind) in served:
            return candidate
        for group, version, kind in sorted(served):
            if (group, kind) == (identity.group, identity.kind):
                return replace(candidate, record=replace(candidate.record, identity=replace(identity, version=version)))
        return candidate

    def _released(self, candidate: Candidate, live: Object) -> bool:
        """Whether the object is somebody else's and holds nothing of ours: there is nothing to take away."""
        record = candidate.record
        return (record.patch or record.existed or bool(candidate.other)) and apply_entry(live, record.manager) is None

    def _plan_one(self, candidate: Candidate, live: Object) -> Outcome:
        record = candidate.record
        item = _item(candidate, live)
        planned = Outcome(item, words.RELEASED, before=live, prune=True)
        if record.patch:
            planned = replace(planned, reason="only our fields are released")
            stays = self._stays(item, live)
            if stays and self._settings.prune:
                return replace(planned, action=words.FAILED, reason=stays)
        elif candidate.other:
            planned = replace(planned, reason=f"only our fields are released: {candidate.other} still applies it")
        elif record.existed:
            planned = replace(planned, reason="only our fields are released: it was there before our first apply")
        else:
            theirs = taken_over(live, record, self._settings.mesh)
            if theirs:
                return replace(planned, action=words.KEPT, reason=theirs)
            refused = self._refused(record, live)
            if refused:
                return replace(planned, action=words.CANDIDATE, reason=refused)
            planned = replace(planned, action=words.DELETED, reason="" if self._settings.prune else "prune deletes it")
        return planned if self._settings.prune else replace(planned, action=words.CANDIDATE)

    def _refused(self, record: Record, live: Object) -> str:
        identity = record.identity
        sharing = applied_by_others(live)
        if sharing:
            return f"{', '.join(sharing)} applies a part of it: it goes when that is given up, or by hand"
        if identity.kind == "Namespace" and identity.name == self._inventory.namespace:
            return "it holds the inventory: only state absent removes it"
        if identity.kind in CLUSTER_SCOPED and not self._settings.prune_cluster_scoped:
            return f"a {identity.kind} goes only with prune_cluster_scoped, with all that is in it"
        return ""

    def _stays(self, item: Item, live: Object) -> str:
        """Why a label of ours would outlive its release. Known before, so that the next run says so again."""
        labels = live["metadata"].get("labels") or {}
        shared = [key for key in item.gone if key in labels and len(holders(live, ("metadata", "labels", key))) > 1]
        return still_there(replace(item, gone=tuple(shared)), live)

    def forget(self) -> list[Outcome]:
        """Take the records of what went out of the inventory; an outcome of its own where that fails."""
        roles = set()
        for role, key in self._of_no_use:
            self._inventory.of(role).pop(key, None)
            roles.add(role)
        try:
            self._inventory.save(sorted(roles))
        except AmbientError as error:
            return [not_saved(self._inventory, min(roles), NAMESPACES, error)]
        return []


def _item(candidate: Candidate, live: Object | None = None) -> Item:
    """The record as an item, as an outcome needs it. What a patch has labelled must be gone afterwards."""
    record = candidate.record
    identity = record.identity
    metadata = {"name": identity.name} | ({"namespace": identity.namespace} if identity.namespace else {})
    manifest = {"apiVersion": identity.api_version, "kind": identity.kind, "metadata": metadata}
    gone = owned_labels(live, record.manager) if record.patch and live is not None else ()
    return Item(manifest, record.wave, record.patch, record.manager, candidate.role, gone)
