# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows objects with one watch per kind: a list, a watch from its version on, and on again after every cut."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING

from ..manifests.identity import Identity, Object
from .client import Client
from .errors import ApiError

if TYPE_CHECKING:
    import urllib3

_WATCH_SECONDS = 30.0
_POLL = 2.0  # between two reads of what cannot be watched
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_LIVED = 5.0  # a watch of this many seconds was a good one
_TO_JUDGE = 0.05  # what a list settles needs no watch
_MAX_WATCHES = 16  # per kind, where not all namespaces may be listed
_NEVER_LISTED = ("Secret",)


class What(Enum):
    """What a piece of news says."""

    LISTED = auto()  # `objects` is all that there is of the scope
    SEEN = auto()  # one object, as it is now
    DELETED = auto()  # one object, as it was
    TROUBLE = auto()  # nothing can be read just now


@dataclass(frozen=True)
class Scope:
    """Objects of one kind, in one namespace or ("") in all: those that are wanted, or those with these labels."""

    api_version: str
    kind: str
    namespace: str = ""
    wanted: tuple[Identity, ...] = ()
    labels: str = ""

    @property
    def field_selector(self) -> str | None:
        """Selects the wanted object where it is one."""
        return f"metadata.name={self.wanted[0].name}" if len(self.wanted) == 1 else None

    @cached_property
    def places(self) -> dict[tuple[str, str], Identity]:
        """The wanted by `place`."""
        return {(identity.namespace, identity.name): identity for identity in self.wanted}


@dataclass(frozen=True)
class News:
    """What was heard about a scope. Objects that nobody wants are left out."""

    scope: Scope
    what: What
    objects: Sequence[Object] = ()
    error: Exception | None = None

    @property
    def refused(self) -> bool:
        """Whether it may not be read: nothing more will be heard of the scope."""
        return isinstance(self.error, ApiError) and self.error.status in (401, 403)


def scopes_of(identities: Iterable[Identity]) -> list[Scope]:
    """One scope per kind: its namespace where all objects lie in one, else all namespaces."""
    by_kind: dict[tuple[str, str], list[Identity]] = defaultdict(list)
    for identity in sorted(set(identities)):
        by_kind[identity.api_version, identity.kind].append(identity)
    scopes = []
    for (api_version, kind), group in by_kind.items():
        namespaces = {identity.namespace for identity in group}
        namespace = group[0].namespace if len(namespaces) == 1 else ""
        scopes.append(Scope(api_version, kind, namespace, tuple(group)))
    return scopes


class Watches:
    """News of any number of scopes, each followed by a thread of its own. A context manager."""

    def __init__(self, client: Client, *, metadata_only: bool = False) -> None:
        self._client = client
        self._metadata_only = metadata_only
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self._settled: set[Identity] = set()

    def __enter__(self) -> Watches:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def add(self, scope: Scope) -> None:
        """Begin to follow a scope."""
        threading.Thread(target=self._run, args=(scope,), name=f"watch {scope.kind}", daemon=True).start()

    def next(self, timeout: float) -> News | None:
        """The next piece of news, None after `timeout` seconds. Raises what is no answer of the API server."""
        try:
            news = self._news.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None
        error = news.error
        if error is not None and not isinstance(error, ApiError):
            raise error
        return news

    def settle(self, identity: Identity) -> None:
        """Nobody waits for this object any more: reads of it alone can stop."""
        self._settled.add(identity)

    def close(self) -> None:
        """End all watches. Threads that are in the middle of a request end after it."""
        self._stop.set()
        with self._lock:
            for response in self._open:
                _shut_down(response)

    def _run(self, scope: Scope) -> None:
        try:
            if scope.kind in _NEVER_LISTED:
                self._poll([scope])
            else:
                self._follow(scope)
        except Exception as error:
            self._news.put(News(scope, What.TROUBLE, error=error))

    def _follow(self, scope: Scope) -> None:
        pause = _FIRST_PAUSE
        while not self._is_done(scope):
            started = time.monotonic()
            try:
                version = self._list(scope)
                self._stop.wait(_TO_JUDGE)
                while version and not self._is_done(scope):
                    started = time.monotonic()
                    version = self._watch(scope, version)
                    if version:
                        pause = self._rest(pause, started)
            except ApiError as error:
                if error.status == 401 or (error.status == 403 and not scope.wanted):
                    raise
                if error.status == 403:
                    self._narrow(scope)
                    return
                if error.status == 405:  # the kind can be listed but not watched
                    self._poll([scope])
                    return
                if error.status != 410:
                    self._news.put(News(scope, What.TROUBLE, error=error))
            pause = self._rest(pause, started)
            if not self._client.exists_kind(scope.api_version, scope.kind):
                self._client.discovery.refresh()  # its CRD may have come

    def _is_done(self, scope: Scope) -> bool:
        return self._stop.is_set() or bool(scope.wanted and self._settled.issuperset(scope.wanted))

    def _rest(self, pause: float, started: float) -> float:
        """Pause after a watch that broke early, longer each time; how long to pause next time."""
        if time.monotonic() - started >= _LIVED:
            return _FIRST_PAUSE
        self._stop.wait(pause)
        return min(_LONGEST_PAUSE, pause * 2)

    def _list(self, scope: Scope) -> str:
        objects, version = self._client.list_for_watch(
            scope.api_version,
            scope.kind,
            scope.namespace or None,
            scope.field_selector,
            scope.labels or None,
            metadata_only=self._metadata_only,
        )
        self._news.put(News(scope, What.LISTED, _of_interest(scope, objects)))
        return version

    def _watch(self, scope: Scope, version: str) -> str:
        """Follow one watch; the version to go on from, "" where a new list is needed."""
        opened: list[urllib3.BaseHTTPResponse] = []

        def on_open(response: urllib3.BaseHTTPResponse) -> None:
            opened.append(response)
            with self._lock:
                self._open.add(response)
                if self._stop.is_set():
                    _shut_down(response)

        try:
            for event, obj in self._client.watch(
                scope.api_version,
                scope.kind,
                version,
                scope.namespace or None,
                scope.field_selector,
                _WATCH_SECONDS,
                scope.labels or None,
                metadata_only=self._metadata_only,
                on_open=on_open,
            ):
                if event == "ERROR":
                    return "" if obj.get("code") else version  # without a code the connection was cut
                version = str(obj["metadata"]["resourceVersion"])
                if event != "BOOKMARK" and (objects := _of_interest(scope, [obj])):
                    what = What.DELETED if event == "DELETED" else What.SEEN
                    self._news.put(News(scope, what, objects))
        finally:
            with self._lock:
                self._open.difference_update(opened)
        return version

    def _narrow(self, scope: Scope) -> None:
        """All namespaces (or the whole namespace) may not be read: read less at once."""
        by_namespace: dict[str, list[Identity]] = defaultdict(list)
        for identity in scope.wanted:
            by_namespace[identity.namespace].append(identity)
        if scope.namespace or "" in by_namespace:
            self._poll([scope])
            return
        narrower = [
            Scope(scope.api_version, scope.kind, namespace, tuple(group)) for namespace, group in by_namespace.items()
        ]
        if len(narrower) > _MAX_WATCHES:
            self._poll(narrower)
            return
        for each in narrower:
            self.add(each)

    def _poll(self, scopes: Sequence[Scope]) -> None:
        """Read again and again: by lists where these are allowed, else object by object."""
        listable = {scope: scope.kind not in _NEVER_LISTED for scope in scopes}
        while not self._stop.is_set():
            for scope in scopes:
                if self._is_done(scope):
                    continue
                try:
                    self._poll_once(scope, listable)
                except ApiError as error:
                    if error.status in (401, 403):
                        raise
                    self._news.put(News(scope, What.TROUBLE, error=error))
            self._stop.wait(_POLL)

    def _poll_once(self, scope: Scope, listable: dict[Scope, bool]) -> None:
        if listable[scope]:
            try:
                self._list(scope)
                return
            except ApiError as error:
                if error.status != 403:
                    raise
                listable[scope] = False
        wanted = tuple(identity for identity in scope.wanted if identity not in self._settled)
        found = [self._client.get(identity, metadata_only=self._metadata_only) for identity in wanted]
        part = Scope(scope.api_version, scope.kind, scope.namespace, wanted)
        self._news.put(News(part, What.LISTED, [obj for obj in found if obj is not None]))


def _of_interest(scope: Scope, objects: Iterable[Object]) -> list[Object]:
    if not scope.wanted:
        return list(objects)
    return [obj for obj in objects if place(obj) in scope.places]


def place(obj: Object) -> tuple[str, str]:
    """Where an object lies: its namespace ("" for none) and its name."""
    metadata = obj["metadata"]
    return str(metadata.get("namespace") or ""), str(metadata["name"])


def _shut_down(response: urllib3.BaseHTTPResponse) -> None:
    """Wake the thread that reads from it. An urllib3 before 2.3 cannot: there the watch ends by its time-out."""
    try:
        response.shutdown()
    except (AttributeError, OSError, RuntimeError, ValueError):
        return
