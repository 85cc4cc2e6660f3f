# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a cluster. The only file that knows kubernetes.core: its options and how it reads them."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core

from ..errors import AmbientError, missing_library
from ..manifests.files import is_path
from .client import Client
from .credentials import credentials_of, heard, refuse_bad_header, why_unusable
from .transport import Session, Transport

AUTH_OPTIONS: dict[str, dict[str, Any]] = copy.deepcopy(AUTH_ARG_SPEC)
FILE_OPTIONS = ("ca_cert", "client_cert", "client_key")
CONNECTIONS = 32
_BUILDING = threading.Lock()  # the kubernetes library keeps what it has read in a global


def connect(params: Mapping[str, Any]) -> Client:
    """A client for the cluster that the connection options name (a module's params serve as they are).

    Reads the options, the K8S_AUTH_* variables and the kubeconfig exactly as kubernetes.core does, and sends
    nothing yet. All of it is read again when the API server refuses the credentials. Raises AmbientError for a
    kubeconfig or context that cannot be used.
    """
    options = {name: params.get(name) for name in AUTH_OPTIONS}
    _refuse_missing_files(options)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a line on stderr per attempt
    return Client(Transport(lambda: _session(options)))


def _session(options: Mapping[str, Any]) -> Session:
    try:
        import kubernetes.client
        import urllib3
    except ImportError as error:
        raise missing_library(str(error.name)) from error
    with _BUILDING:
        kubernetes.client.Configuration.set_default(None)  # of an earlier connection in this process
        try:
            with heard() as said:
                # get_api_client() would also run a discovery and keep it in a file under /tmp.
                auth = core._create_auth_spec(None, **copy.deepcopy(options))
                configuration = core._create_configuration(auth)
                impersonation = core._create_headers(None, **options)
        except Exception as error:  # whatever a broken kubeconfig makes the loader raise
            # Not `from error`: its text may quote the kubeconfig, and whoever prints a traceback prints that, too.
            raise why_unusable(error, options, _source(options)) from None
    if said:
        raise why_unusable(said[0], options, _source(options))
    if not str(configuration.host).startswith(("https://", "http://")):
        raise AmbientError(
            "the address of the API server is no URL", path=f"host {configuration.host}", hint="Begin it with https://"
        )
    for name in ("host", "proxy"):
        _refuse_no_address(name, getattr(configuration, name, None))
    configuration.connection_pool_maxsize = CONNECTIONS
    try:
        api_client = kubernetes.client.ApiClient(configuration)
    except Exception as error:  # certificates that are no certificates
        raise AmbientError(
            f"the credentials cannot be used: {error}", path=_source(options), hint="Check certificate and key"
        ) from None
    for header, value in impersonation.items():
        refuse_bad_header(header, value, options)
        core._set_header(api_client, header, value)
    for header, value in (configuration.proxy_headers or {}).items():
        refuse_bad_header(header, value, options)

    def headers() -> Mapping[str, str]:
        result = urllib3.HTTPHeaderDict({"User-Agent": "alauda.ambient"})
        for name, value in impersonation.items():
            for single in value if isinstance(value, list) else [value]:
                result.add(name, single)
        for name, value in credentials_of(configuration).items():  # runs an exec plugin whose token has expired
            refuse_bad_header(name, value, options)
            result[name] = value
        return result

    return Session(api_client.rest_client.pool_manager, configuration.host, headers, api_client)


def _refuse_no_address(name: str, value: Any) -> None:
    """Here, because urllib3 would quote the part that it stumbles over, such as half a password."""
    import urllib3

    try:
        if value:
            urllib3.util.parse_url(str(value))
    except urllib3.exceptions.LocationParseError:
        hint = "Write /, @, : and # of a password as %2F, %40, %3A and %23"
        raise AmbientError("is no address", path=f"{name} {value}", hint=hint) from None


def _refuse_missing_files(options: Mapping[str, Any]) -> None:
    for name in ("kubeconfig", *FILE_OPTIONS):
        value = options.get(name)
        if isinstance(value, str):
            if not is_path(value):
                how = "it as a mapping, or the path of its file" if name == "kubeconfig" else "the path of the file"
                raise AmbientError("is the content of a file, not a path", path=name, hint=f"Give {how}")
            paths = value.split(":") if name == "kubeconfig" else [value]
            if not any(Path(path).expanduser().is_file() for path in paths):
                raise AmbientError("no such file", path=f"{name} {value}", hint=f"Check the option {name}")


def _source(options: Mapping[str, Any]) -> str:
    kubeconfig = options.get("kubeconfig")
    where = kubeconfig if isinstance(kubeconfig, str) and is_path(kubeconfig) else "kubeconfig"
    context = options.get("context")
    return f"{where}, context {context}" if context else where
