# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes single objects away: deletes ours, releases our fields on others', waits until they are gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..errors import AmbientError
from ..manifests.items import Item
from . import outcome as words
from .client import Client
from .errors import UNREACHABLE, ApiError, explain
from .gone import wait_gone
from .outcome import Outcome
from .plan import still_there
from .settings import Settings

_NO_USE = (UNREACHABLE, 401)  # what the transport could not mend holds for every other request too
# Foreground: the pods go first, so that "gone" means that they have ended.
_OWNS_PODS = ("Deployment", "DaemonSet", "StatefulSet", "Job")
AN_EARLIER_STEP = "an earlier step failed"


def step(item: Item, home: str) -> tuple[int, int]:
    """Waves from the last to the first; namespaces after what is in them, and last the one with the inventory."""
    if item.identity.kind != "Namespace" or item.patch:
        return -item.wave, 0
    return -item.wave, 2 if item.identity.name == home else 1


def in_order(planned: Sequence[Outcome], home: str) -> list[Outcome]:
    """The outcomes in the order of removal."""
    backwards = sorted(planned, key=lambda each: each.item.order(), reverse=True)
    return sorted(backwards, key=lambda each: step(each.item, home))


def pending(planned: Outcome, reason: str) -> Outcome:
    """The outcome of what would have been written, had nothing failed before."""
    return replace(planned, action=words.PENDING, reason=reason) if planned.action in words.WRITES else planned


def foresee(client: Client, planned: Outcome, diff: bool) -> Outcome:
    """What would become of it: the API server's dry run tells what a release leaves."""
    planned = _whole(client, planned) if diff else planned
    if planned.action != words.RELEASED:
        return planned
    try:
        return release(client, planned, dry_run=True)
    except AmbientError as error:
        return replace(planned, action=words.FAILED, reason=explain(error))


def release(
    client: Client, planned: Outcome, dry_run: bool = False, check_lock: Callable[[], None] | None = None
) -> Outcome:
    """Give back the fields that our manager holds: an empty apply. The UID keeps it from creating the object."""
    item, live = planned.item, planned.before
    if live is None:
        return planned
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "uid") if key in live["metadata"]}
    empty = {"apiVersion": item.identity.api_version, "kind": item.identity.kind, "metadata": metadata}
    try:
        after = client.apply(empty, item.manager, dry_run=dry_run, check=check_lock)
    except ApiError as error:
        if error.status == 422 and not item.patch:
            return replace(planned, action=words.KEPT, reason=f"{planned.reason}; without them it is not valid")
        raise
    stays = still_there(item, after)
    if stays:
        return replace(planned, action=words.FAILED, reason=stays)
    return replace(planned, after=after)


def _whole(client: Client, planned: Outcome) -> Outcome:
    """The outcome with the whole object in place of its metadata, if it still is the same object."""
    if planned.action not in words.WRITES or planned.before is None:
        return planned
    try:
        found = client.get(planned.item.identity)
    except AmbientError:
        return planned  # the diff is poorer, the work is not
    same = found is not None and found["metadata"]["uid"] == planned.before["metadata"]["uid"]
    return replace(planned, before=found) if same else planned


class Taker:
    """Does what was planned, one batch after the other."""

    def __init__(self, client: Client, settings: Settings, check_lock: Callable[[], None]) -> None:
        self._client = client
        self._settings = settings
        self._check_lock = check_lock
        self._cut_off = ""

    def take(self, pool: ThreadPoolExecutor, planned: Sequence[Outcome]) -> list[Outcome]:
        """Delete and release at once what was planned so, and wait until it is gone. No failure hides another."""
        done = list(pool.map(self._take_one, planned))
        return self._wait(done) if self._settings.wait and not self._cut_off else done

    def _take_one(self, planned: Outcome) -> Outcome:
        if planned.action not in words.WRITES or planned.before is None:
            return planned
        if self._cut_off:
            return pending(planned, f"not sent: {self._cut_off}")
        try:
            self._check_lock()
            planned = _whole(self._client, planned) if self._settings.diff else planned
            if planned.action == words.RELEASED:
                return release(self._client, planned, check_lock=self._check_lock)
            self._delete(planned)
        except AmbientError as error:
            if getattr(error, "status", None) in _NO_USE:
                self._cut_off = error.message
            return replace(planned, action=words.FAILED, reason=explain(error))
        return planned

    def _delete(self, planned: Outcome) -> None:
        identity = planned.item.identity
        uid = planned.before["metadata"]["uid"] if planned.before else ""
        propagation = "Foreground" if identity.kind in _OWNS_PODS else "Background"
        self._client.delete(identity, uid=uid, propagation=propagation, check=self._check_lock)

    def _wait(self, done: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, where those of deleted objects that stay too long are failures."""
        uids = {
            each.item.identity: str(each.before["metadata"]["uid"])
            for each in done
            if each.action == words.DELETED and each.before is not None
        }
        try:
            staying = wait_gone(self._client, uids, self._settings.timeout, self._settings.progress) if uids else {}
        except AmbientError as error:
            staying = dict.fromkeys(uids, f"whether it is gone is not known: {explain(error)}")
        return [
            replace(each, action=words.FAILED, reason=staying[each.item.identity])
            if each.action == words.DELETED and each.item.identity in staying
            else each
            for each in done
        ]
