# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests over a pool of keep-alive connections, with one kind of error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

try:
    import urllib3
except ImportError:  # `connect` says so
    urllib3 = None  # type: ignore[assignment]

from .errors import UNREACHABLE, ApiError, from_response

JSON = "application/json"
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 60.0
Headers = Callable[[], Mapping[str, str]]
BROKEN: tuple[type[Exception], ...] = (OSError, ValueError, *([urllib3.exceptions.HTTPError] if urllib3 else []))


class Transport:
    """Sends requests to one API server. Safe to use from several threads."""

    def __init__(self, pool: urllib3.PoolManager, host: str, headers: Headers) -> None:
        self._pool = pool
        # Everything that is sent may be sent twice: applies, deletes of one UID, reviews.
        self._retries = urllib3.Retry(
            total=4,
            connect=2,
            read=2,
            other=0,
            status=4,
            backoff_factor=0.3,
            status_forcelist=(429, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        self.headers = headers
        self.host = host.rstrip("/")

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """The body of the answer; ApiError for anything that is no success.

        `body` is sent as JSON unless it is bytes.
        """
        response = self._open(method, path, query, body, content_type, accept, READ_TIMEOUT, stream=False)
        data: bytes = response.data
        if response.status >= 400:
            raise self._error(response.status, data, method, path)
        return data

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        """As `send`, with the answer decoded."""
        data = self.send(method, path, **arguments)
        try:
            return json.loads(data) if data else {}
        except ValueError as error:
            raise ApiError(
                f"the answer is not JSON: {data[:80].decode(errors='replace')!r}",
                status=UNREACHABLE,
                path=f"{method} {self.host}{path}",
                hint="Is this the address of a Kubernetes API server?",
            ) from error

    def stream(
        self, path: str, *, query: Mapping[str, Any], read_timeout: float, accept: str = JSON
    ) -> urllib3.BaseHTTPResponse:
        """An answer that is read line by line; the caller closes it."""
        response = self._open("GET", path, query, None, JSON, accept, read_timeout, stream=True)
        if response.status >= 400:
            raise self._error(response.status, response.read(), "GET", path)
        return response

    def _error(self, status: int, body: bytes, method: str, path: str) -> ApiError:
        return from_response(status, body, self.host if status == 401 else f"{method} {path}")

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        content_type: str,
        accept: str,
        read_timeout: float,
        *,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse:
        headers = urllib3.HTTPHeaderDict(self.headers())
        headers["Accept"] = accept
        data = body
        if body is not None:
            headers["Content-Type"] = content_type
            data = body if isinstance(body, bytes) else json.dumps(body, allow_nan=False).encode()
        url = f"{self.host}{path}"
        words = {key: value for key, value in (query or {}).items() if value is not None}
        if words:
            url = f"{url}?{urlencode(words, doseq=True)}"
        try:
            return self._pool.request(
                method,
                url,
                body=data,
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=read_timeout),
                retries=self._retries,
                preload_content=not stream,
            )
        except BROKEN as error:
            raise unreachable(self.host, error) from error


def unreachable(host: str, error: Exception) -> ApiError:
    """The error for an API server from which no answer came."""
    reason: Any = getattr(error, "reason", None) or error
    reason = getattr(reason, "reason", None) or reason
    text = " ".join(str(reason).split())
    hint = "Check the address, the network and the proxy"
    if "CERTIFICATE" in text.upper() or "SSL" in type(reason).__name__.upper():
        hint = "Check the certificate authority (ca_cert) and the client certificate"
    elif "refused" in text:
        text = "connection refused"
    elif "timed out" in text:
        text = "no answer in time"
    elif ": " in text and "(host=" in text:
        text = text.rsplit(": ", 1)[-1]
    return ApiError(f"the API server cannot be reached: {text}", status=UNREACHABLE, path=host, hint=hint)
