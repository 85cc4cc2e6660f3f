# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP through a port-forward: frames in, answer out; a closed port is one clear error."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import websocket
from ansible_collections.alauda.ambient.plugins.module_utils.kube import portforward
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError

PORT = (15000).to_bytes(2, "little")
BEGIN = [b"\x00" + PORT, b"\x01" + PORT]


class Socket:
    """A websocket that plays frames, then ends."""

    def __init__(self, frames: list[bytes], end: Any = None) -> None:
        self.frames, self.end, self.sent, self.closed = list(frames), end, b"", False

    def send_binary(self, data: bytes) -> None:
        """Note what is sent."""
        self.sent += data

    def recv_data(self) -> tuple[int, bytes]:
        """The next frame."""
        if self.frames:
            return websocket.ABNF.OPCODE_BINARY, self.frames.pop(0)
        if self.end:
            raise self.end
        return websocket.ABNF.OPCODE_CLOSE, b""

    def close(self, timeout: float = 0) -> None:
        """Note it."""
        self.closed = True


def get(monkeypatch: pytest.MonkeyPatch, socket: Socket) -> tuple[int, str]:
    asked: dict[str, Any] = {}

    def connect(api_client: Any, headers: Any, path: str, query: Any, timeout: float) -> Socket:
        asked.update(headers=headers, path=path, query=query)
        return socket

    monkeypatch.setattr(portforward, "open_websocket", connect)
    transport = SimpleNamespace(headers=lambda: {"Impersonate-User": "reader"})
    client: Any = SimpleNamespace(api_client=None, transport=transport)
    try:
        return portforward.http_get(client, "ztunnel", "z-1", 15000, "/config_dump", timeout=1)
    finally:
        assert asked["path"] == "/api/v1/namespaces/ztunnel/pods/z-1/portforward"
        assert asked["query"] == [("ports", "15000")]
        assert asked["headers"] == {"Impersonate-User": "reader"}
        assert socket.sent.startswith(b"\x00GET /config_dump HTTP/1.1\r\n")
        assert socket.closed


def test_an_answer_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
    pieces = [b"\x00" + answer[i : i + 7] for i in range(0, len(answer), 7)]
    assert get(monkeypatch, Socket([*BEGIN, *pieces])) == (200, "hello world")


def test_a_chunked_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b"\x00HTTP/1.1 503 Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nnot r\r\n4\r\neady\r\n0\r\n\r\n"
    assert get(monkeypatch, Socket([*BEGIN, answer])) == (503, "not ready")


def test_an_answer_that_ends_with_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get(monkeypatch, Socket([*BEGIN, b"\x00HTTP/1.0 200 OK\r\n\r\nall", b"\x00 of it"])) == (200, "all of it")


@pytest.mark.parametrize(
    "said",
    [
        b"error forwarding port 15000: failed to connect: dial tcp4 127.0.0.1:15000: connect: connection refused",
        json.dumps({"message": "dial tcp 127.0.0.1:15000: connection refused"}).encode(),
    ],
)
def test_a_closed_port(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    with pytest.raises(ApiError, match=r"Pod ztunnel/z-1 port 15000: GET /config_dump .*: connection refused"):
        get(monkeypatch, Socket([*BEGIN, b"\x01" + said]))


def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Socket(BEGIN, end=websocket.WebSocketTimeoutException("timed out"))
    with pytest.raises(ApiError, match="timed out"):
        get(monkeypatch, silent)


def test_an_answer_that_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    torn = Socket([*BEGIN, b"\x00HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
    with pytest.raises(ApiError, match="got no answer"):
        get(monkeypatch, torn)
