# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A websocket to the API server, with the connection's own credentials.

The kubernetes library's way there loads every model it has (1.4 s) and forgets whom to impersonate.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ..errors import AmbientError
from .errors import UNREACHABLE, ApiError, from_response


def open_websocket(
    api_client: Any, headers: Mapping[str, str], path: str, query: Sequence[tuple[str, str]], timeout: float
) -> Any:
    """A `websocket.WebSocket` on a path of the API server; ApiError where it is refused.

    Args:
        api_client: the `kubernetes.client.ApiClient` whose TLS and proxy settings count.
        headers: what every request carries, credentials among them.
        path: of a streaming subresource.
        query: its parameters; a name may stand there several times.
        timeout: seconds for the connection and for each read after it.
    """
    try:
        import websocket
        from kubernetes.stream.ws_client import websocket_proxycare
    except ImportError as error:
        raise AmbientError(f"the Python library {error.name} is missing", hint="Install `kubernetes`") from error
    configuration = api_client.configuration
    url = f"ws{configuration.host.removeprefix('http')}{path}?{urlencode(query)}"
    options: dict[str, Any] = {"header": [f"{name}: {value}" for name, value in headers.items()]}
    if configuration.proxy or configuration.proxy_headers:
        options = websocket_proxycare(options, configuration, url, headers)
    connection: Any = websocket.WebSocket(sslopt=_tls(configuration), skip_utf8_validation=True)
    connection.settimeout(timeout)
    try:
        connection.connect(url, subprotocols=["v4.channel.k8s.io"], **options)
    except websocket.WebSocketBadStatusException as error:
        body = error.resp_body or b""
        answer = body if isinstance(body, bytes) else str(body).encode()
        raise from_response(int(error.status_code), answer, path) from error
    except (OSError, websocket.WebSocketException) as error:
        raise ApiError(f"no connection: {error}", status=UNREACHABLE, path=path) from error
    return connection


def _tls(configuration: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE}
    if configuration.verify_ssl:
        if configuration.ssl_ca_cert:
            options["ca_certs"] = configuration.ssl_ca_cert
        if configuration.assert_hostname is not None:
            options["check_hostname"] = configuration.assert_hostname
    else:
        options["check_hostname"] = False
    for ours, theirs in (("cert_file", "certfile"), ("key_file", "keyfile"), ("tls_server_name", "server_hostname")):
        if getattr(configuration, ours, None):
            options[theirs] = getattr(configuration, ours)
    return options
