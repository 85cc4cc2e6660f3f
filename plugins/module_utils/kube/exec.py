# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in containers, over a websocket to the API server."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import UNREACHABLE, ApiError
from .websocket import open_websocket

_OUTPUT, _ERRORS, _STATUS = 1, 2, 3


def run_command(
    api_client: Any,
    headers: Mapping[str, str],
    path: str,
    container: str | None,
    command: Sequence[str],
    timeout: float,
) -> tuple[int, str, str]:
    """Exit status, output and error output of a command; ApiError where it could not be run in time.

    `path` is that of the pod's subresource `exec`.
    """
    query = [("command", word) for word in command] + [("stdout", "true"), ("stderr", "true")]
    if container:
        query.append(("container", container))
    connection = open_websocket(api_client, headers, path, query, timeout)
    try:
        channels = _read(connection, time.monotonic() + timeout)
    finally:
        connection.close(timeout=1)
    if channels is None:
        raise ApiError(f"{command[0]} did not end within {timeout:.0f} s", status=UNREACHABLE, path=path)
    code = exit_status(channels[_STATUS].decode(errors="replace"), path)
    return code, channels[_OUTPUT].decode(errors="replace"), channels[_ERRORS].decode(errors="replace")


def exit_status(text: str, path: str) -> int:
    """The exit status out of the Status that ends a command; ApiError where the command was not even started."""
    try:
        status = json.loads(text)
    except ValueError:
        raise ApiError("the connection ended before the command", status=UNREACHABLE, path=path) from None
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause.get("message"))
    raise ApiError(str(status.get("message") or text), status=int(status.get("code") or UNREACHABLE), path=path)


def _read(connection: Any, deadline: float) -> dict[int, bytes] | None:
    """What came on each channel until the end; None where that did not come in time."""
    from websocket import ABNF, WebSocketConnectionClosedException, WebSocketTimeoutException

    channels = {_OUTPUT: b"", _ERRORS: b"", _STATUS: b""}
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            opcode, data = connection.recv_data()
        except WebSocketTimeoutException:
            return None
        except WebSocketConnectionClosedException:
            return channels
        if opcode == ABNF.OPCODE_CLOSE:
            return channels
        if data and data[0] in channels:
            channels[data[0]] += data[1:]
    return None
