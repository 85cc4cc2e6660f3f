# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests over a pool of keep-alive connections, with one kind of error."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..errors import AmbientError

try:
    import urllib3
except ImportError:  # `connect` says so
    urllib3 = None  # type: ignore[assignment]

from .errors import UNREACHABLE, ApiError, from_response
from .retries import Check, patience, spread, worth_repeating

JSON = "application/json"
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 65.0  # the API server gives up after 60 s and says why
_TRIES = 4
_HEADERS_KEPT = 5.0  # seconds; to read them costs more than the request, and tokens are renewed minutes too early
Headers = Callable[[], Mapping[str, str]]
BROKEN: tuple[type[Exception], ...] = (OSError, ValueError, *([urllib3.exceptions.HTTPError] if urllib3 else []))


@dataclass
class Session:
    """One way in: a pool of connections, and credentials.

    Args:
        pool: the connections, with the client certificate.
        host: the address of the API server.
        headers: what every request carries, credentials among it. Called by one thread at a time.
        api_client: the `kubernetes.client.ApiClient` behind it, for streams.
        proven: whether the API server has taken these credentials.
        kept: the headers as they were last read, used until `kept_until`.
    """

    pool: urllib3.PoolManager
    host: str
    headers: Headers
    api_client: Any = None
    proven: bool = False
    kept: Mapping[str, str] | None = None
    kept_until: float = 0

    def __post_init__(self) -> None:
        """The connections to this host; a manager finds them anew for each request, which costs a quarter of it."""
        self.host = self.host.rstrip("/")
        direct = self.pool.proxy is None
        self._connections: Any = self.pool.connection_from_url(self.host) if direct else self.pool
        self._prefix = urlsplit(self.host).path if direct else self.host

    def send(self, method: str, target: str, **words: Any) -> urllib3.BaseHTTPResponse:
        """As `request` of urllib3; `target` begins behind the host."""
        response: urllib3.BaseHTTPResponse = self._connections.request(method, f"{self._prefix}{target}", **words)
        return response

    def with_credentials(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """These headers and those that every request carries."""
        kept = self.kept or {}
        if isinstance(kept, dict):
            return {**kept, **headers}
        every = urllib3.HTTPHeaderDict(kept)
        every.update(headers)
        return every


class Transport:
    """Sends requests to one API server. Safe to use from several threads.

    `connect` builds a session; it is called again for fresh credentials when the API server refuses the present ones.
    """

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._session = connect()
        self._first = self._session
        self._renewing = threading.Lock()
        self._reading = threading.Lock()
        self._answers = self._known = False  # at the last try; ever
        self.host = self._session.host

    @property
    def api_client(self) -> Any:
        """The `kubernetes.client.ApiClient` with the present credentials."""
        return self._session.api_client

    def headers(self) -> Mapping[str, str]:
        """What every request carries: credentials, impersonation, our name."""
        return self._headers_of(self._session)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        check: Check | None = None,
    ) -> bytes:
        """The body of the answer; ApiError for anything that is no success.

        `body` is sent as JSON unless it is bytes. `check` is called before it is sent again, and may raise.
        """
        response = self._exchange(method, path, query, body, content_type, accept, READ_TIMEOUT, check)
        data: bytes = response.data
        return data

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        """As `send`, with the answer decoded. One that is no JSON was cut on its way: it is asked for again."""
        for attempt in range(_TRIES):
            data = self.send(method, path, **arguments)
            try:
                return json.loads(data) if data else {}
            except ValueError as error:
                if method != "POST" and attempt < _TRIES - 1:
                    time.sleep(spread(0.1 * 2**attempt))
                    if arguments.get("check"):
                        arguments["check"]()
                    continue
                raise self._no_json(data, f"{method} {self.host}{path}") from error
        raise AssertionError("not reached")

    def stream(
        self, path: str, *, query: Mapping[str, Any], read_timeout: float, accept: str = JSON
    ) -> urllib3.BaseHTTPResponse:
        """An answer that is read line by line; the caller closes it."""
        return self._exchange("GET", path, query, None, JSON, accept, read_timeout, stream=True)

    def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        content_type: str,
        accept: str,
        read_timeout: float,
        check: Check | None = None,
        *,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """A successful answer, sent again where what went wrong may be over a moment later."""
        headers = {"Accept": accept}
        data = body
        if body is not None:
            headers["Content-Type"] = content_type
            data = body if isinstance(body, bytes) else json.dumps(body, allow_nan=False).encode()
        target = path
        words = {key: value for key, value in (query or {}).items() if value is not None}
        if words:
            target = f"{path}?{urlencode(words, doseq=True)}"
        attempt = 0
        while True:
            session = self._session
            response = self._open(session, method, target, data, headers, read_timeout, check, stream=stream)
            if response.status != 401:
                session.proven = True
            if response.status < 400:
                return response
            attempt += 1
            where = self.host if response.status == 401 else f"{method} {path}"
            error = from_response(response.status, response.data, where)
            if attempt == _TRIES:
                raise error
            if error.status == 401:
                self._renew(session, error)
            elif worth_repeating(error, method):
                time.sleep(spread(0.2 * 2**attempt))
            else:
                raise error
            if check is not None:
                check()

    def _open(
        self,
        session: Session,
        method: str,
        target: str,
        data: bytes | None,
        headers: Mapping[str, str],
        read_timeout: float,
        check: Check | None,
        *,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse:
        self._headers_of(session)
        try:
            response = session.send(
                method,
                target,
                body=data,
                headers=session.with_credentials(headers),
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=read_timeout),
                retries=patience(self._answers, check),
                preload_content=not stream,
            )
        except BROKEN as error:
            self._answers = False  # whoever comes next does not wait as long again
            raise unreachable(self.host, error, self._known) from (None if _malformed(error) else error)
        self._answers = self._known = True
        return response

    def _headers_of(self, session: Session) -> Mapping[str, str]:
        if session.kept is not None and time.monotonic() < session.kept_until:
            return session.kept
        with self._reading:  # an exec plugin whose token has expired runs once, not once per thread
            if session.kept is None or time.monotonic() >= session.kept_until:
                found = session.headers()
                plain = dict(found)
                # urllib3's own mapping is slow; only several groups to impersonate need it.
                session.kept = plain if len(plain) == len(list(found.items())) else found
                session.kept_until = time.monotonic() + _HEADERS_KEPT
            return session.kept

    def _renew(self, refused: Session, error: ApiError) -> None:
        """Get fresh credentials, once for all threads; raise `error` where these were fresh and are refused too."""
        with self._renewing:
            if self._session is not refused:
                return
            if not refused.proven and refused is not self._first:
                raise error
            try:
                self._session = self._connect()
            except AmbientError as problem:
                raise ApiError(
                    f"{error.message}, and there are no new ones: {problem.message}",
                    status=401,
                    path=problem.path or error.path,
                    hint=problem.hint or error.hint,
                ) from problem

    def _no_json(self, data: bytes, path: str) -> ApiError:
        if data.lstrip().startswith(b"{"):
            message, hint = "the answer is cut off", "Look for a proxy that limits the size or the time of answers"
        else:
            message = f"the answer is not JSON: {data[:80].decode(errors='replace')!r}"
            hint = "Is this the address of a Kubernetes API server?"
        return ApiError(message, status=UNREACHABLE, path=path, hint=hint)


def events(response: urllib3.BaseHTTPResponse) -> Iterator[tuple[str, Any]]:
    """What a watch tells: (type, object). An ERROR without a code says that the connection broke."""
    try:
        buffer = b""
        for chunk in response.stream(65536):
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    event = json.loads(line)
                    yield event["type"], event["object"]
    except BROKEN as error:
        yield "ERROR", {"kind": "Status", "message": str(error)}
    finally:
        response.close()


def unreachable(host: str, error: Exception, known: bool = False) -> ApiError:
    """The error for an API server from which no answer came; `known`: others did."""
    reason: Any = getattr(error, "reason", None) or error
    reason = getattr(reason, "reason", None) or reason
    if _malformed(error) or _malformed(reason):
        what, hint = "its address or a header is malformed", "Check host, the credentials and impersonate_user"
        return ApiError(f"the request cannot be sent: {what}", status=UNREACHABLE, path=host, hint=hint)
    text = " ".join(str(reason).split())
    hint = (
        "It has answered before: run again when it is back" if known else "Check the address, the network and the proxy"
    )
    if "CERTIFICATE" in text.upper() or "SSL" in type(reason).__name__.upper():
        hint = "Check the certificate authority (ca_cert) and the client certificate"
    elif "refused" in text:
        text = "connection refused"
    elif "timed out" in text:
        text = "no answer in time"
    elif "IncompleteRead" in text or "InvalidChunk" in text:
        text = "the answer was cut off"
    elif "Connection reset" in text or "Connection aborted" in text:
        text = "the connection was reset"
    elif ": " in text and "(host=" in text:
        text = text.rsplit(": ", 1)[-1]
    return ApiError(f"the API server cannot be reached: {text}", status=UNREACHABLE, path=host, hint=hint)


def _malformed(error: Exception) -> bool:
    """Whether nothing could be sent. Such an error may quote a header: neither its text nor its traceback is shown."""
    return isinstance(error, ValueError) and not isinstance(error, (OSError, urllib3.exceptions.HTTPError))
