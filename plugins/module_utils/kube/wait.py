# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until objects are ready, by watching them; on time-out with the reason that a person needs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from .client import Client
from .errors import ApiError
from .ready import not_ready_because, waits
from .reasons import why_not_ready

_WATCH_SECONDS = 30.0
_PAUSE = 1.0
_TOLD = 3  # objects named in a line of progress

Group = tuple[str, str, str]  # apiVersion, kind, namespace
Waiting = dict[Identity, str]


def wait_ready(
    client: Client, items: Iterable[Item], timeout: float, progress: Callable[[str], None]
) -> dict[str, str]:
    """Wait until all are ready, at most `timeout` seconds.

    Returns why by Identity.short, for those that are not. `progress` gets a line whenever what is missing changes.
    """
    groups: dict[Group, list[Identity]] = {}
    for item in items:
        identity = item.identity
        if waits(identity.kind) and not item.patch:
            groups.setdefault((identity.api_version, identity.kind, identity.namespace), []).append(identity)
    if not groups:
        return {}
    waiting: Waiting = {identity: "not yet seen" for group in groups.values() for identity in group}
    deadline = time.monotonic() + timeout
    done = threading.Event()
    with ThreadPoolExecutor(len(groups) + 1) as pool:
        teller = pool.submit(_tell, waiting, done, progress)
        watchers = [
            pool.submit(_watch_group, client, group, identities, waiting, deadline)
            for group, identities in groups.items()
        ]
        try:
            for watcher in watchers:
                watcher.result()
        finally:
            done.set()
        teller.result()
    return {
        identity.short: f"{missing} after {timeout:.0f} s{_because(client, identity)}"
        for identity, missing in sorted(waiting.items())
    }


def _because(client: Client, identity: Identity) -> str:
    try:
        reason = why_not_ready(client, identity)
    except AmbientError as error:
        reason = f"the reason cannot be read: {error}"
    return f": {reason}" if reason else ""


def _tell(waiting: Mapping[Identity, str], done: threading.Event, progress: Callable[[str], None]) -> None:
    told = ""
    while not done.wait(_PAUSE):
        text = _told(dict(waiting))
        if text and text != told:
            progress(text)
            told = text


def _told(waiting: Waiting) -> str:
    """One line about what is waited for: a few objects with what they lack, many by their kinds."""
    if not waiting:
        return ""
    if len(waiting) <= _TOLD:
        return "wait for " + ", ".join(f"{identity.name}: {missing}" for identity, missing in sorted(waiting.items()))
    kinds = Counter(identity.kind for identity in waiting)
    return "wait for " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _watch_group(client: Client, group: Group, identities: list[Identity], waiting: Waiting, deadline: float) -> None:
    """Take those that become ready out of `waiting`; return when none is left or the time is up."""
    api_version, kind, namespace = group
    wanted = {identity.name: identity for identity in identities}
    while wanted and time.monotonic() < deadline:
        try:
            objects, version = client.list_for_watch(api_version, kind, namespace or None)
            for obj in objects:
                _judge(client, obj, wanted, waiting)
            while wanted and version and (left := deadline - time.monotonic()) > 0:
                version = _watch_once(client, group, version, min(left, _WATCH_SECONDS), wanted, waiting)
        except ApiError as error:
            if error.status in (401, 403):
                raise
            for identity in wanted.values():
                waiting[identity] = f"cannot be read: {error.message}"
        if wanted:
            time.sleep(min(_PAUSE, max(0.0, deadline - time.monotonic())))


def _watch_once(
    client: Client,
    group: Group,
    version: str,
    seconds: float,
    wanted: dict[str, Identity],
    waiting: Waiting,
) -> str:
    """Follow one watch; the version to go on from, "" where a new list is needed."""
    api_version, kind, namespace = group
    if _needs_polling(kind):
        return ""
    name = f"metadata.name={next(iter(wanted))}" if len(wanted) == 1 else None
    for event, obj in client.watch(api_version, kind, version, namespace or None, name, seconds):
        if event == "ERROR":
            return ""
        version = obj["metadata"]["resourceVersion"]
        if event in ("ADDED", "MODIFIED"):
            _judge(client, obj, wanted, waiting)
        if not wanted:
            break
    return version


def _needs_polling(kind: str) -> bool:
    return kind.endswith("WebhookConfiguration")  # ready also depends on the endpoints of its service


def _judge(client: Client, obj: Object, wanted: dict[str, Identity], waiting: Waiting) -> None:
    identity = wanted.get(obj["metadata"]["name"])
    if identity is None:
        return
    missing = not_ready_because(obj)
    if not missing and _needs_polling(identity.kind):
        missing = _endpoints_missing(client, obj)
    if missing:
        waiting[identity] = missing
    else:
        wanted.pop(identity.name)
        waiting.pop(identity, None)


def _endpoints_missing(client: Client, webhooks: Mapping[str, Any]) -> str:
    services = {
        (service["namespace"], service["name"])
        for webhook in webhooks.get("webhooks") or []
        if (service := (webhook.get("clientConfig") or {}).get("service"))
    }
    for namespace, name in sorted(services):
        slices = client.list(
            "discovery.k8s.io/v1", "EndpointSlice", namespace, label_selector=f"kubernetes.io/service-name={name}"
        )
        endpoints = [endpoint for each in slices for endpoint in each.get("endpoints") or []]
        if not any((endpoint.get("conditions") or {}).get("ready") for endpoint in endpoints):
            return f"service {namespace}/{name} has no ready endpoint"
    return ""
