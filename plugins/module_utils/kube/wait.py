# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until objects are ready, by watching their kinds; on time-out with the reason that a person needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from .client import Client
from .heartbeat import Heartbeat
from .lookups import Lookups, Rule, is_waited_for
from .ready import READY, Verdict
from .reasons import why_not_ready
from .watch import News, Watches, What, place, scopes_of

_TICK = 0.5
_SILENCE = 5.0  # so long a controller may take to say its first word about an object
_MAX_REASONS = 20  # each costs requests

Progress = Callable[[str], None]


def wait_ready(client: Client, items: Iterable[Item], timeout: float, progress: Progress) -> dict[str, str]:
    """Wait until all are ready, at most `timeout` seconds, or until one has failed for good.

    Returns why by Identity.short, for those that are not. `progress` gets a line when what is missing changes, and
    every few seconds.
    """
    waited = [item for item in items if is_waited_for(item)]
    if not waited:
        return {}
    with Watches(client) as watches:
        lookups = Lookups(client, watches, waited)
        waiter = Waiter(watches, lookups.rules, timeout, progress, lookups)
        waiter.run()
    return {identity.short: why for identity, why in waiter.explained(client).items()}


class Waiter:
    """One wait for objects, each with its rule."""

    def __init__(
        self,
        watches: Watches,
        rules: Mapping[Identity, Rule],
        timeout: float,
        progress: Progress,
        lookups: Lookups | None = None,
    ) -> None:
        self._watches = watches
        self._rules = rules
        self._timeout = timeout
        self._progress = progress
        self._lookups = lookups
        self._start = time.monotonic()
        self._live: dict[Identity, Object] = {}
        self._first: dict[Identity, Verdict] = {}
        self._unheard: set[Identity] = set()
        self._unreadable: set[Identity] = set()
        self.left: dict[Identity, str] = dict.fromkeys(rules, "not yet seen")
        self.failed: dict[Identity, str] = {}

    def run(self) -> None:
        """Wait. Afterwards `failed` has what is final, `left` what was not ready in time, each with what it lacks."""
        heartbeat = Heartbeat(self._progress, "wait for")
        for scope in scopes_of(self._rules if self._lookups is None else self._lookups.watched()):
            self._watches.add(scope)
        while self.left and not self.failed:
            remaining = self._start + self._timeout - time.monotonic()
            if remaining <= 0:
                return
            news = self._watches.next(min(_TICK, remaining))
            if news is not None:
                self._hear(news)
            self._leave_the_unheard()
            heartbeat.beat(self.left)

    def explained(self, client: Client) -> dict[Identity, str]:
        """Why, for each that is not ready: what it lacks, and the cause behind that."""
        unexplained = sorted(set(self.failed or self.left) - self._unreadable)
        because = {identity: _because(client, identity) for identity in unexplained[:_MAX_REASONS]}
        if not self.failed:
            ending = f" after {self._timeout:.0f} s"
            return {identity: f"{text}{ending}{because.get(identity, '')}" for identity, text in self.left.items()}
        first = min(self.failed).short
        texts = {identity: f"{text}; not waited for any longer: {first} failed" for identity, text in self.left.items()}
        return texts | {identity: f"{text}{because.get(identity, '')}" for identity, text in self.failed.items()}

    def _hear(self, news: News) -> None:
        if not news.scope.wanted:
            if self._lookups is None or self._lookups.narrows(news):
                return
            for obj in self._lookups.hear(news, self._live.values()):
                self._look_at(Identity.of(obj), obj)
            also = self._lookups.of_followed(news)
            if also is None:
                return
            news = also
        if news.what is What.TROUBLE:
            for identity in news.scope.wanted:
                if identity in self.left:
                    text = f"cannot be read: {getattr(news.error, 'message', news.error)}"
                    if news.refused:
                        self.failed[identity] = text
                        self._unreadable.add(identity)
                        self._settle(identity)
                    else:
                        self.left[identity] = text
            return
        seen = {news.scope.places[place(obj)]: obj for obj in news.objects}
        if news.what is What.LISTED:
            missing = [identity for identity in news.scope.wanted if identity not in seen]
        else:
            missing = list(seen) if news.what is What.DELETED else []
        for identity in missing:
            if identity in self.left:
                self.left[identity] = "it does not exist"
                self._live.pop(identity, None)
                self._unheard.discard(identity)
        for identity, obj in seen.items():
            if identity not in missing:
                self._look_at(identity, obj)

    def _look_at(self, identity: Identity, obj: Object) -> None:
        if identity not in self.left:
            return
        self._live[identity] = obj
        verdict = self._rules[identity](obj)
        first = self._first.setdefault(identity, verdict)
        self._unheard.discard(identity)
        if not verdict.missing:
            self._settle(identity)
        elif verdict.final and not (verdict.may_recover and first.final):
            self.failed[identity] = verdict.missing
            self._settle(identity)
        else:
            self.left[identity] = verdict.missing
            if verdict.unheard:
                self._unheard.add(identity)
            if not verdict.final:
                self._first[identity] = READY

    def _leave_the_unheard(self) -> None:
        """A controller that says nothing may not be there: do not wait for its word until the time is up."""
        waited = time.monotonic() - self._start
        for identity in sorted(self._unheard):
            if waited >= _SILENCE or seconds_since_written(self._live[identity]) >= _SILENCE:
                self._progress(f"not waited for: {identity.short}: {self.left[identity]}")
                self._settle(identity)

    def _settle(self, identity: Identity) -> None:
        self._unheard.discard(identity)
        self._live.pop(identity, None)
        self.left.pop(identity, None)
        self._watches.settle(identity)


def seconds_since_written(obj: Object) -> float:
    """How long ago anybody wrote the object itself, not its status, by this machine's clock."""
    metadata = obj["metadata"]
    times = [str(metadata.get("creationTimestamp") or "")]
    for entry in metadata.get("managedFields") or []:
        if not entry.get("subresource"):
            times.append(str(entry.get("time") or ""))
    last = max(times)
    return (datetime.now(UTC) - datetime.fromisoformat(last)).total_seconds() if last else 0.0


def _because(client: Client, identity: Identity) -> str:
    try:
        reason = why_not_ready(client, identity)
    except AmbientError as error:
        reason = f"the reason cannot be read: {error}"
    return f": {reason}" if reason else ""
