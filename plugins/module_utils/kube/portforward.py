# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to a port on a pod's loopback, through the API server's port-forward."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
from typing import Any, cast

from .client import Client
from .errors import UNREACHABLE, ApiError
from .websocket import open_websocket

_DATA, _ERROR = 0, 1


def http_get(client: Client, namespace: str, pod: str, port: int, path: str, timeout: float = 10) -> tuple[int, str]:
    """GET from a port that a pod may have open for itself only: HTTP status and body.

    Raises ApiError where the right is missing, the port is closed, or no answer comes within `timeout` seconds.
    Safe to use from several threads.
    """
    where = f"Pod {namespace}/{pod} port {port}"
    subresource = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    headers = client.transport.headers()
    websocket = open_websocket(client.api_client, headers, subresource, [("ports", str(port))], timeout)
    stream = _Stream(websocket)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    try:
        websocket.send_binary(bytes([_DATA]) + request.encode())
        response = http.client.HTTPResponse(cast(socket.socket, stream))
        response.begin()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        reason = _reason(stream.error or str(error))
        raise ApiError(f"GET {path} got no answer: {reason}", status=UNREACHABLE, path=where) from error
    finally:
        websocket.close(timeout=1)


class _Stream(io.RawIOBase):
    """What comes out of the port, as a file; what the kubelet says about it, in `error`."""

    def __init__(self, websocket: Any) -> None:
        super().__init__()
        self._websocket = websocket
        self._begun: set[int] = set()
        self._rest = b""
        self.error = ""

    def makefile(self, *dummy: Any) -> io.BufferedReader:
        """As of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for more; 0 at the end."""
        while not self._rest:
            if not self._receive():
                return 0
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def _receive(self) -> bool:
        from websocket import ABNF, WebSocketException

        try:
            opcode, data = self._websocket.recv_data()
        except WebSocketException as error:
            self.error = self.error or str(error)
            return False
        if opcode == ABNF.OPCODE_CLOSE:
            return False
        if not data:
            return True
        channel, payload = data[0], data[1:]
        if channel not in self._begun:  # the first frame of each channel repeats the port's number
            self._begun.add(channel)
        elif channel == _ERROR:
            self.error += payload.decode(errors="replace")
            return False
        else:
            self._rest += payload
        return True


def _reason(said: str) -> str:
    """The kubelet's reason is a long line that ends with the cause."""
    text = " ".join(said.split())
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["message"])
    return "connection refused" if "refused" in text else text[:200]
