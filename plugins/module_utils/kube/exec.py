# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in containers, over the websocket of the kubernetes library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import UNREACHABLE, ApiError


def run_command(
    api_client: Any, namespace: str, pod: str, container: str | None, command: Sequence[str], timeout: float
) -> tuple[int, str, str]:
    """Exit status, output and error output of a command; ApiError where it could not be run in time."""
    from kubernetes.client import CoreV1Api
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import stream

    arguments = {"container": container} if container else {}
    where = f"Pod {namespace}/{pod}"
    try:
        session = stream(
            CoreV1Api(api_client).connect_get_namespaced_pod_exec,
            pod,
            namespace,
            command=list(command),
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,
            **arguments,
        )
    except ApiException as error:
        reason = " ".join(str(error.reason).split())
        raise ApiError(
            f"the command cannot be run: {reason}", status=int(error.status or UNREACHABLE), path=where
        ) from error
    try:
        session.run_forever(timeout=timeout)
        if session.is_open():
            raise ApiError(f"{command[0]} did not end within {timeout:.0f} s", status=UNREACHABLE, path=where)
        output, errors = session.read_stdout(timeout=0), session.read_stderr(timeout=0)
        code = session.returncode
    finally:
        session.close()
    return (int(code) if code is not None else 1), output or "", errors or ""
