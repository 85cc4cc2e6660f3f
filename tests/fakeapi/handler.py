# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP of the fake API server: paths and verbs to the store, and the faults on the way back."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from fakeapi import kinds
from fakeapi.faults import Fault
from fakeapi.store import Key, Object, RefusedError

if TYPE_CHECKING:
    from fakeapi.server import FakeApi

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _handle(self) -> None:
        from fakeapi.server import Request

        parts = urlsplit(self.path)
        self._query = dict(parse_qsl(parts.query))
        self._find(parts.path)
        length = int(self.headers.get("Content-Length") or 0)
        self._body = json.loads(self.rfile.read(length)) if length else {}
        verb = _VERBS[self.command]
        if verb == "get" and self._kind and not self._name:
            verb = "watch" if "watch" in self._query else "list"
        resource = self._kind.resource if self._kind else parts.path
        self._key: Key = (resource, self._namespace, self._name)
        fault = self._fake.meet(Request(verb, resource, self._namespace, self._name, self._query))
        time.sleep(fault.delay)
        try:
            if self._fake.tokens is not None and self._token() not in self._fake.tokens:
                raise RefusedError(401, "Unauthorized", "Unauthorized")
            if fault.answer and not fault.carried_out:
                raise fault.answer
            if fault.reset and not fault.carried_out:
                self._reset()
                return
            if verb == "watch":
                self._watch(fault)
                return
            status, answer = self._carry_out(verb, parts.path)
            if fault.reset:
                self._reset()
                return
            if fault.answer:
                raise fault.answer
        except RefusedError as refused:
            self._send(refused.code, refused.status, fault, refused.retry_after)
            return
        self._send(status, answer, fault)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    @property
    def _fake(self) -> FakeApi:
        found: FakeApi = self.server.fake  # type: ignore[attr-defined]
        return found

    def _token(self) -> str:
        return str(self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _find(self, path: str) -> None:
        """Kind, namespace and name out of a path; no kind where it is none of an object."""
        self._kind: kinds.Kind | None = None
        self._namespace = self._name = ""
        parts = path.strip("/").split("/")
        group, parts = ("", parts[1:]) if parts[0] == "api" else (parts[1] if len(parts) > 1 else "", parts[2:])
        if len(parts) < 2:
            return
        version, parts = parts[0], parts[1:]
        if parts[0] == "namespaces" and len(parts) > 2:
            self._namespace, parts = parts[1], parts[2:]
        self._name = parts[1] if len(parts) > 1 else ""
        for kind in self._fake.kinds():
            if (kind.group, kind.version, kind.resource) == (group, version, parts[0]):
                self._kind = kind

    def _carry_out(self, verb: str, path: str) -> tuple[int, Any]:
        if path in ("/api", "/apis"):
            return 200, kinds.discovery(self._fake.kinds(), core=path == "/api")
        if path == "/version":
            return 200, {"major": "1", "minor": "35", "gitVersion": "v1.35.0"}
        if self._kind is None:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        store, manager = self._fake.store, self._query.get("fieldManager", "unknown")
        if verb == "list":
            return 200, self._list()
        if verb == "get":
            return 200, self._shown(store.get(self._key))
        if verb == "delete":
            return 200, store.delete(self._key, self._body.get("preconditions") or {})
        if self._namespace and verb in ("create", "patch"):
            store.get(("namespaces", "", self._namespace))
        if verb == "create":
            key = (*self._key[:2], self._body["metadata"]["name"])
            return 201, store.create(key, self._body, manager)
        if verb == "update":
            return 200, store.replace(self._key, self._body, manager)
        force, dry_run = self._query.get("force") == "true", "dryRun" in self._query
        return 200, self._established(store.apply(self._key, self._body, manager, force, dry_run))

    def _established(self, obj: Object) -> Object:
        """A CRD is served at once."""
        if obj["kind"] != "CustomResourceDefinition" or "dryRun" in self._query:
            return obj
        conditions = [{"type": kind, "status": "True"} for kind in ("NamesAccepted", "Established")]
        return self._fake.put(obj["apiVersion"], obj["kind"], self._name, status={"conditions": conditions})

    def _list(self) -> Object:
        found = [obj for obj in self._fake.store.all(*self._key[:2]) if self._selected(obj)]
        begin = int(self._query.get("continue") or 0)
        end = begin + int(self._query.get("limit") or len(found) or 1)
        metadata = {"resourceVersion": str(self._fake.store.version)}
        if end < len(found):
            metadata["continue"] = str(end)
        as_table = "PartialObjectMetadataList" in self._accept()
        kind = "PartialObjectMetadataList" if as_table else f"{self._kind.kind if self._kind else ''}List"
        return {"kind": kind, "metadata": metadata, "items": [self._shown(obj) for obj in found[begin:end]]}

    def _accept(self) -> str:
        return str(self.headers.get("Accept") or "")

    def _shown(self, obj: Object) -> Object:
        if "PartialObjectMetadata" not in self._accept():
            return obj
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}

    def _selected(self, obj: Object) -> bool:
        labels = obj["metadata"].get("labels") or {}
        for term in filter(None, self._query.get("labelSelector", "").split(",")):
            name, equals, value = term.partition("=")
            if name not in labels or (equals and labels[name] != value):
                return False
        field, _equals, wanted = self._query.get("fieldSelector", "").partition("=")
        return field != "metadata.name" or obj["metadata"]["name"] == wanted

    def _watch(self, fault: Fault) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        if fault.watch == "cut":
            self._reset()
            return
        if fault.watch == "gone":
            self._event("ERROR", RefusedError(410, "Expired", "too old resource version").status)
        else:
            for kind, obj in self._news():
                self._event(kind, obj)
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _event(self, kind: str, obj: Object) -> None:
        line = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()

    def _news(self) -> Iterator[tuple[str, Object]]:
        """What happens from the asked version on; a bookmark each second."""
        store = self._fake.store
        version = int(self._query.get("resourceVersion") or store.version)
        end = time.monotonic() + float(self._query.get("timeoutSeconds") or 60)
        bookmark = time.monotonic() + 1
        while time.monotonic() < end and not self._fake.stopping.is_set():
            with store.changed:
                news = [event for event in store.events if event.version > version]
                if not news:
                    store.changed.wait(0.1)
            for event in news:
                version = event.version
                if event.key[0] == self._key[0] and self._key[1] in ("", event.key[1]) and self._selected(event.object):
                    yield event.type, self._shown(event.object)
            if time.monotonic() > bookmark:
                bookmark = time.monotonic() + 1
                yield "BOOKMARK", {"metadata": {"resourceVersion": str(version)}}

    def _send(self, status: int, answer: Any, fault: Fault, retry_after: int = 0) -> None:
        body = json.dumps(answer).encode()
        if fault.cut == "json":
            body = body[: len(body) // 2]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault.cut == "body" else body)
        self.wfile.flush()
        if fault.cut == "body":
            self.close_connection = True

    def _reset(self) -> None:
        """End the connection so that the client sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        """A connection that was reset has nothing to be flushed."""
        try:
            super().finish()
        except (OSError, ValueError):
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""
