# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects of a run are ready: each is waited for once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..errors import AmbientError
from ..manifests.items import Item
from . import outcome as words
from .client import Client
from .errors import explain
from .lookups import is_waited_for
from .outcome import Outcome
from .settings import Settings
from .wait import wait_ready
from .waypoints import waypoint_wanted

# Ready as soon as they are served; to look again costs more than it tells.
_SERVED_AT_ONCE = ("CustomResourceDefinition", "Namespace")


class Readiness:
    """What was seen ready in one run."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._seen: set[str] = set()

    def wait(self, items: Iterable[Item]) -> dict[str, str]:
        """Wait for those that were not seen ready in this run; why by Item.key for those that are not.

        Without `wait` only for CRDs: before one is served its objects cannot be applied at all.
        """
        new = [
            item
            for item in items
            if item.key not in self._seen
            and (self._settings.wait or item.identity.kind == "CustomResourceDefinition")
            # On the way back a waypoint may be dead: what was bound to it is bound again, that is all.
            and (self._settings.require_ready or not waypoint_wanted(item))
        ]
        try:
            why = wait_ready(self._client, new, self._settings.timeout, self._settings.progress)
            missing = {
                item.key: why[item.identity.short]
                for item in new
                if item.identity.short in why and is_waited_for(item)  # not of its other patches
            }
        except AmbientError as error:  # what has been written until now is told all the same
            missing = {item.key: f"cannot be watched: {explain(error)}" for item in new}
        self._seen.update(item.key for item in new if item.key not in missing)
        return missing

    def wait_for_all(self, outcomes: list[Outcome], items: Iterable[Item]) -> list[Outcome]:
        """The outcomes after a look at all of the items that were not seen ready, written or not."""
        if any(each.action == words.FAILED for each in outcomes):
            return outcomes
        return with_missing(outcomes, self.wait(settled(items)))

    def doubt_patches(self, items: Iterable[Item]) -> None:
        """Look again at what patches bring about: another label has gone from beside them."""
        self._seen.difference_update(item.key for item in items if item.patch)


def settled(items: Iterable[Item]) -> list[Item]:
    """Those to look at again after their wave."""
    return [item for item in items if item.patch or item.identity.kind not in _SERVED_AT_ONCE]


def with_missing(outcomes: Iterable[Outcome], missing: Mapping[str, str]) -> list[Outcome]:
    """The outcomes, where those of objects that did not become ready are failures."""
    return [
        replace(each, action=words.FAILED, reason=missing[each.item.key])
        if each.item.key in missing and each.action != words.FAILED and not each.prune
        else each
        for each in outcomes
    ]
