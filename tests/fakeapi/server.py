# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake API server: plain HTTP on loopback. For counting requests and injecting faults only."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fakeapi import kinds
from fakeapi.faults import Fault, Rule
from fakeapi.handler import Handler
from fakeapi.store import Object, Store


@dataclass(frozen=True)
class Request:
    """One request as it came, whatever became of it. `verb` is Kubernetes' word."""

    verb: str
    resource: str
    namespace: str
    name: str
    query: dict[str, str]

    @property
    def writes(self) -> bool:
        """Whether it would change something."""
        return self.verb in ("create", "update", "patch", "delete") and "dryRun" not in self.query


class FakeApi:
    """`requests` are all requests so far; `inject` makes some of the next ones fail.

    `connections` is how many were opened, `tokens` are those that are accepted; any where it is None.
    """

    def __init__(self, directory: Path) -> None:
        self.store = Store()
        self.requests: list[Request] = []
        self.connections = 0
        self.tokens: set[str] | None = None
        self._directory = directory
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.fake = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.stopping = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.put("v1", "Namespace", "default")
        self.requests.clear()

    def stop(self) -> None:
        """End it; open watches end too."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def inject(
        self,
        fault: Fault,
        *,
        verb: str = "",
        resource: str = "",
        name: str = "",
        times: int = 1,
        skip: int = 0,
        **where: str,
    ) -> Rule:
        """Let the next `times` matching requests (after `skip` of them) meet a fault; `.met` counts them.

        `where`: parameters of the query that must be there; "*" is any value.
        """
        rule = Rule(fault, verb, resource, name, times, skip, where)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """No faults any more."""
        with self._lock:
            self._rules.clear()

    def count(self, verb: str = "", resource: str = "") -> int:
        """How many requests of this verb and resource have come."""
        return sum(1 for each in self.requests if verb in ("", each.verb) and resource in ("", each.resource))

    def counts(self) -> Counter[tuple[str, str]]:
        """The requests by verb and resource."""
        return Counter((each.verb, each.resource) for each in self.requests)

    @contextmanager
    def counting(self) -> Iterator[list[Request]]:
        """The requests that come inside the `with`."""
        before = len(self.requests)
        new: list[Request] = []
        try:
            yield new
        finally:
            new += self.requests[before:]

    def put(self, api_version: str, kind: str, name: str, namespace: str = "", **parts: Any) -> Object:
        """Set an object from behind, as a controller does."""
        obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **parts}
        resource = next(each.resource for each in self.kinds() if each.kind == kind)
        return self.store.apply((resource, namespace, name), obj, "controller", force=True, dry_run=False)

    def kubeconfig(self, **user: Any) -> str:
        """The path of a kubeconfig, for a user with these credentials."""
        path = self._directory / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": user or {"token": "any"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        }
        path.write_text(json.dumps(config))
        return str(path)

    def kinds(self) -> list[kinds.Kind]:
        """What is served, the kinds of CRDs included."""
        crds = self.store.all("customresourcedefinitions", "")
        return [*kinds.BUILT_IN, *(kind for crd in crds for kind in kinds.of_crd(crd))]

    def meet(self, request: Request) -> Fault:
        """Note a request; the fault that it meets."""
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.times > 0 and _matches(rule, request):
                    if rule.skip:
                        rule.skip -= 1
                        continue
                    rule.times -= 1
                    rule.met += 1
                    return rule.fault
        return Fault()


class _Server(ThreadingHTTPServer):
    """With the fake that its handlers serve."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    fake: FakeApi

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Count the connection."""
        self.fake.connections += 1
        return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


def _matches(rule: Rule, request: Request) -> bool:
    return (
        rule.verb in ("", request.verb)
        and rule.resource in ("", request.resource)
        and rule.name in ("", request.name)
        and all(key in request.query and value in ("*", request.query[key]) for key, value in rule.where.items())
    )
