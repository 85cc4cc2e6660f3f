# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an apply would do, without doing it: the API server's dry run, and our word where it cannot know yet."""

from __future__ import annotations

from ..manifests.identity import Object
from ..manifests.items import Item
from . import outcome as words
from .client import Client
from .errors import ApiError
from .fields import changed_paths, same_ownership
from .outcome import Outcome
from .plan import Decision, Served, still_there

_INVALID = (400, 422, 500)  # 500: what the API server cannot type, such as an unknown field


def preview(client: Client, decision: Decision, coming: Served, force: bool) -> Outcome:
    """The outcome that applying would have, once what is `coming` is there. ApiError where it would fail."""
    item = decision.item
    identity = item.identity
    if client.discovery.find(identity.group, identity.version, identity.kind) is None:
        return _unseen(item, None)
    if decision.live is None and item.patch:
        return _unseen(item, None)
    before = None if decision.live is None else client.get(identity)
    try:
        after = client.apply(to_send(item, before), item.manager, dry_run=True, force=force)
    except ApiError as error:
        if error.status == 404 and before is None and identity.namespace in coming.namespaces:
            return _unseen(item, before)
        if error.status in _INVALID and (identity.group, identity.kind) in coming.kinds:
            return _unseen(item, before)
        if "does not support dry run" in error.message:
            action = words.CREATED if before is None else words.CHANGED
            return Outcome(item, action, reason="a webhook does not support dry runs: not looked at closer")
        raise
    stays = still_there(item, after)
    if stays:
        return Outcome(item, words.FAILED, reason=stays)
    if before is None:
        return Outcome(item, words.CREATED, after=after)
    paths = changed_paths(before, after)
    if not paths and same_ownership(before, after):
        return Outcome(item, words.UNCHANGED)
    return Outcome(item, words.CHANGED, tuple(paths or ["metadata.managedFields"]), before=before, after=after)


def to_send(item: Item, live: Object | None) -> Object:
    """The manifest to apply. A patch carries the UID of its target: so the API server never creates it."""
    if not item.patch or live is None:
        return item.object
    return {**item.object, "metadata": {**item.object["metadata"], "uid": live["metadata"]["uid"]}}


def _unseen(item: Item, before: Object | None) -> Outcome:
    action = words.CREATED if before is None and not item.patch else words.CHANGED
    reason = "validated only when its namespace or CRD is there as it will be"
    return Outcome(item, action, reason=reason, before=before, after=item.object)
