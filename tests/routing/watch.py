# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches on the API, so that the order of changes can be asserted.

Events of different kinds come on different connections, so the moment of arrival says little. Their order is that of
their revisions: one etcd counts the changes of all kinds together.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.errors import SetupError
from devcluster.kubectl import Kubectl
from kubernetes import client, config

from .events import LISTED, Event

KINDS = {
    "Namespace": "/api/v1/namespaces",
    "Service": "/api/v1/namespaces/{}/services",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "Gateway": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways",
    "AuthorizationPolicy": "/apis/security.istio.io/v1/namespaces/{}/authorizationpolicies",
    "PeerAuthentication": "/apis/security.istio.io/v1/namespaces/{}/peerauthentications",
}
GRACE = 1.0  # seconds for what is on its way when the watch ends
SERVER_SIDE = 240  # seconds after which the server ends a watch, and the next one goes on


@dataclass(frozen=True)
class Feed:
    """What one watch follows."""

    kind: str
    path: str
    selector: str = ""


class ApiWatch:
    """Records, from `with` to its end, what happens to the objects of KINDS in these namespaces.

    Kinds whose CRD is not there yet are picked up once it is. A watch that cannot go on without a gap is an error of
    `events()`, never a hole in the record.
    """

    def __init__(self, kubectl: Kubectl, namespaces: Sequence[str]) -> None:
        text = kubectl.run("config", "view", "--minify", "--flatten", "--raw", "--output=json")
        self._api: client.ApiClient = config.new_client_from_config_dict(json.loads(text))
        self._feeds = [feed for namespace in namespaces for feed in feeds(namespace)]
        self._events: list[Event] = []
        self._broken: list[str] = []
        self._ending = threading.Event()
        self._begun = [threading.Event() for _feed in self._feeds]

    def __enter__(self) -> ApiWatch:
        for feed, begun in zip(self._feeds, self._begun, strict=True):
            threading.Thread(target=self._follow, args=(feed, begun), daemon=True).start()
        for feed, begun in zip(self._feeds, self._begun, strict=True):
            assert begun.wait(30), f"the watch on {feed.path} has not begun: {self._broken}"
        return self

    def __exit__(self, *_exception: object) -> None:
        time.sleep(GRACE)
        self._ending.set()

    def events(self) -> list[Event]:
        """All events so far, in the order in which the API server has made the changes."""
        if not self._ending.is_set():
            time.sleep(GRACE)
        assert not self._broken, self._broken
        return sorted(self._events)

    def _follow(self, feed: Feed, begun: threading.Event) -> None:
        try:
            revision = self._list(feed, begun)
            while revision and not self._ending.is_set():
                revision = self._watch(feed, revision)
        except Exception as failure:  # a thread's exception is seen by nobody
            if not self._ending.is_set():
                self._broken.append(f"{feed.path}: {failure!r}")

    def _list(self, feed: Feed, begun: threading.Event) -> str:
        """Record what is there; "" if the watch ended before there was such a kind."""
        while not self._ending.is_set():
            answer = self._get(feed, {})
            if answer.status == 200:
                found = json.loads(answer.read())
                for item in found["items"]:
                    self._record(feed, LISTED if not begun.is_set() else "ADDED", item)
                begun.set()
                return str(found["metadata"]["resourceVersion"])
            answer.drain_conn()
            if answer.status != 404:
                raise SetupError(f"LIST {feed.path} was answered with {answer.status}")
            begun.set()
            time.sleep(0.2)
        return ""

    def _watch(self, feed: Feed, revision: str) -> str:
        """Record until the server ends the watch; the revision to go on from."""
        query = {"watch": "true", "resourceVersion": revision, "timeoutSeconds": str(SERVER_SIDE)}
        query["allowWatchBookmarks"] = "true"
        answer = self._get(feed, query)
        if answer.status == 404:  # the CRD went
            return ""
        for line in lines(answer):
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise SetupError(f"the watch has a gap: {event['object'].get('message')}")
            revision = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._record(feed, event["type"], event["object"])
            if self._ending.is_set():
                break
        return revision

    def _get(self, feed: Feed, query: Mapping[str, str]) -> Any:
        query = {**query, **({"fieldSelector": feed.selector} if feed.selector else {})}
        settings = self._api.configuration.auth_settings().values()
        headers = {setting["key"]: setting["value"] for setting in settings if setting["in"] == "header"}
        url = f"{self._api.configuration.host}{feed.path}?{urllib.parse.urlencode(query)}"
        return self._api.rest_client.pool_manager.request("GET", url, headers=headers, preload_content=False)

    def _record(self, feed: Feed, what: str, item: Mapping[str, Any]) -> None:
        revision = int(item["metadata"]["resourceVersion"])
        self._events.append(Event(revision, feed.kind, what, item, time.time()))


def feeds(namespace: str) -> list[Feed]:
    """One feed a kind."""
    out = [Feed(kind, path.format(namespace)) for kind, path in KINDS.items() if "{}" in path]
    return [Feed("Namespace", KINDS["Namespace"], f"metadata.name={namespace}"), *out]


def lines(answer: Any) -> Iterator[bytes]:
    """The lines of a stream, each as soon as it is there."""
    rest = b""
    for chunk in answer.stream(amt=None, decode_content=False):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
