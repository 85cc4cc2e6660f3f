# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until deleted objects are gone, by watching their kinds; of those that hang it says why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from ..errors import AmbientError
from ..manifests.identity import Identity
from .client import Client
from .heartbeat import Heartbeat
from .reasons import why_not_gone
from .watch import News, Watches, What, place, scopes_of

_TICK = 0.5
_GRACE = 10.0
_MAX_REASONS = 20  # each costs requests


def wait_gone(
    client: Client, uids: Mapping[Identity, str], timeout: float, progress: Callable[[str], None]
) -> dict[Identity, str]:
    """Wait until none of these objects, each with its UID, is there any more, at most `timeout` seconds.

    Returns those that still are, each with a sentence why. An object of the same name with another UID is a new one.
    """
    left = dict.fromkeys(uids, "")
    heartbeat = Heartbeat(progress, "wait until gone:")
    deadline = time.monotonic() + timeout
    unheard = set(uids)
    refused: dict[Identity, str] = {}
    with Watches(client, metadata_only=True) as watches:
        for scope in scopes_of(uids):
            watches.add(scope)
        # What is gone but was never looked at must not be called hanging: the first reads get some more time.
        while left and time.monotonic() < deadline + (_GRACE if unheard else 0):
            news = watches.next(_TICK)
            if news is not None:
                unheard.difference_update(news.scope.wanted)
                if news.refused:
                    for identity in left.keys() & set(news.scope.wanted):
                        refused[identity] = (
                            f"it cannot be seen whether it is gone: {getattr(news.error, 'message', '')}"
                        )
                        del left[identity]
                for identity in _gone(news, uids):
                    left.pop(identity, None)
                    watches.settle(identity)
            heartbeat.beat(left)
    return refused | {identity: _why(client, identity, timeout, index) for index, identity in enumerate(sorted(left))}


def _gone(news: News, uids: Mapping[Identity, str]) -> Iterator[Identity]:
    """The objects that this news shows to be gone."""
    there = {place(obj): str(obj["metadata"]["uid"]) for obj in news.objects}
    if news.what is What.LISTED:
        yield from (identity for at, identity in news.scope.places.items() if there.get(at) != uids[identity])
    elif news.what in (What.SEEN, What.DELETED):
        for at, uid in there.items():
            identity = news.scope.places[at]
            if (uid == uids[identity]) == (news.what is What.DELETED):
                yield identity


def _why(client: Client, identity: Identity, timeout: float, index: int) -> str:
    text = f"still there after {timeout:.0f} s"
    if index >= _MAX_REASONS:
        return text
    try:
        why = why_not_gone(client, identity)
    except AmbientError as error:
        why = f"the reason cannot be read: {error}"
    return f"{text}: {why}" if why else text
