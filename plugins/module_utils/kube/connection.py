# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a cluster. The only file that knows kubernetes.core: its options and how it reads them."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core

from ..errors import AmbientError, missing_library
from .client import Client
from .transport import Session, Transport

AUTH_OPTIONS: dict[str, dict[str, Any]] = copy.deepcopy(AUTH_ARG_SPEC)
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
        said: list[str] = []
        try:
            with _listening(said):
                # get_api_client() would also run a discovery and keep it in a file under /tmp.
                auth = core._create_auth_spec(None, **copy.deepcopy(options))
                configuration = core._create_configuration(auth)
                impersonation = core._create_headers(None, **options)
        except Exception as error:  # whatever a broken kubeconfig makes the loader raise
            raise _unusable(str(error), options) from error
    if said:
        raise _unusable(said[0], options)
    if not str(configuration.host).startswith(("https://", "http://")):
        raise AmbientError(
            "the address of the API server is no URL", path=f"host {configuration.host}", hint="Begin it with https://"
        )
    configuration.connection_pool_maxsize = CONNECTIONS
    try:
        api_client = kubernetes.client.ApiClient(configuration)
    except Exception as error:  # certificates that are no certificates
        raise AmbientError(
            f"the credentials cannot be used: {error}", path=_source(options), hint="Check certificate and key"
        ) from error
    for header, value in impersonation.items():
        core._set_header(api_client, header, value)

    def headers() -> Mapping[str, str]:
        result = urllib3.HTTPHeaderDict({"User-Agent": "alauda.ambient"})
        for name, value in impersonation.items():
            for single in value if isinstance(value, list) else [value]:
                result.add(name, single)
        for setting in configuration.auth_settings().values():  # runs an exec plugin whose token has expired
            if setting["value"]:
                result[setting["key"]] = setting["value"]
        if "authorization" not in result and configuration.username:
            result["authorization"] = configuration.get_basic_auth_token()
        return result

    return Session(api_client.rest_client.pool_manager, configuration.host, headers, api_client)


class _Ear(logging.Handler):
    """Keeps what is logged as an error: the loader says so, and only so, that an exec plugin has failed."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self._said.append(record.getMessage())


@contextlib.contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    ear = _Ear(said)
    logging.getLogger().addHandler(ear)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(ear)


def _unusable(reason: str, options: Mapping[str, Any]) -> AmbientError:
    text = " ".join(reason.split())
    hint = "Check kubeconfig and context"
    if text.startswith("exec: "):
        text, hint = f"its command for credentials fails: {text.removeprefix('exec: ')}", "Run that command by hand"
    return AmbientError(f"the kubeconfig cannot be used: {text}", path=_source(options), hint=hint)


def _refuse_missing_files(options: Mapping[str, Any]) -> None:
    for name in ("kubeconfig", "ca_cert", "client_cert", "client_key"):
        value = options.get(name)
        if isinstance(value, str):
            paths = value.split(":") if name == "kubeconfig" else [value]
            if not any(Path(path).expanduser().is_file() for path in paths):
                raise AmbientError("no such file", path=f"{name} {value}", hint=f"Check the option {name}")


def _source(options: Mapping[str, Any]) -> str:
    kubeconfig = options.get("kubeconfig")
    where = kubeconfig if isinstance(kubeconfig, str) else "kubeconfig"
    context = options.get("context")
    return f"{where}, context {context}" if context else where
