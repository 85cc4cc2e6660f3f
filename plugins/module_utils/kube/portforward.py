# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to a port on a pod's loopback, through the API server's port-forward."""

from __future__ import annotations

import http.client
from typing import Any

from ..errors import AmbientError
from .errors import UNREACHABLE, ApiError


def http_get(api_client: Any, namespace: str, pod: str, port: int, path: str, timeout: float = 10) -> tuple[int, str]:
    """GET from a port that a pod may have open for itself only: HTTP status and body.

    Raises ApiError where the right is missing, the port is closed, or no answer comes within `timeout` seconds.
    Safe to use from several threads.
    """
    where = f"Pod {namespace}/{pod} port {port}"
    forward = _open(api_client, namespace, pod, port, where)
    connection = http.client.HTTPConnection("localhost", port, timeout=timeout)
    connection.sock = forward.socket(port)
    connection.sock.settimeout(timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        reason = _reason(forward.error(port), error)
        raise ApiError(f"GET {path} got no answer: {reason}", status=UNREACHABLE, path=where) from error
    finally:
        connection.close()
        forward.close()


def _open(api_client: Any, namespace: str, pod: str, port: int, where: str) -> Any:
    try:
        from kubernetes.client import ApiClient, CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import portforward
    except ImportError as error:
        raise AmbientError(f"the Python library {error.name} is missing") from error
    own = ApiClient(configuration=api_client.configuration)  # the library swaps a method of it while it connects
    own.default_headers.update(api_client.default_headers)
    try:
        return portforward(CoreV1Api(own).connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
    except ApiException as error:
        reason = " ".join(str(error.reason).split())
        status = 403 if "403" in reason else int(error.status or UNREACHABLE)
        raise ApiError(f"the port cannot be forwarded: {reason}", status=status, path=where) from error


def _reason(said: Any, error: Exception) -> str:
    """The kubelet's reason is a long line that ends with the cause."""
    text = " ".join(str(said or error).split())
    return "connection refused" if "refused" in text else text[:200]
