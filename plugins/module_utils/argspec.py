# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that every module which talks to a cluster shares; the twin of the doc fragment `auth`."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .kube.connection import AUTH_OPTIONS, FILE_OPTIONS
from .manifests.files import is_path
from .modules import Module, Spec, with_absolute_paths


def auth_argument_spec() -> Spec:
    """The connection options, named as in kubernetes.core."""
    return copy.deepcopy(AUTH_OPTIONS)


# What K8S_AUTH_* say of a cluster, and of who we are there. The others say how to get to any cluster.
OF_A_CLUSTER = (
    *("HOST", "API_KEY", "USERNAME", "PASSWORD", "VERIFY_SSL", "VALIDATE_CERTS"),
    *("SSL_CA_CERT", "CA_CERT", "CERT_FILE", "CLIENT_CERT", "KEY_FILE", "CLIENT_KEY"),
)


def _forget_other_clusters(params: Mapping[str, Any]) -> None:
    """Keep the environment from mixing its cluster with the one that the options name.

    kubernetes.core fills each option from the environment singly: a K8S_AUTH_HOST there would take the place of the
    address that a context stands for.
    """
    named = [name for name in ("kubeconfig", "context", "host") if params.get(name)]
    if not named:
        return
    others = [*OF_A_CLUSTER, *(["KUBECONFIG", "CONTEXT"] if named != ["context"] else [])]
    for name in others:
        os.environ.pop(f"K8S_AUTH_{name}", None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    else:
        yield str(value)


def ambient_module(argument_spec: Spec, **settings: Any) -> Module:
    """A Module with the connection options."""
    module = Module({**auth_argument_spec(), **argument_spec}, **settings)
    kubeconfig = module.params.get("kubeconfig")
    if is_path(kubeconfig):
        # The option is secret because it may be a whole kubeconfig; a path is none, and errors must name it.
        module.no_log_values.discard(kubeconfig)
    for name in FILE_OPTIONS:
        value = module.params.get(name)
        if isinstance(value, str) and not is_path(value):  # the key itself, which `connect` refuses
            module.no_log_values.add(value)
    # Manifests stay out of logs and invocation as a whole; their single words would blot out every message.
    module.no_log_values.difference_update(_texts(module.params.get("objects")))
    _forget_other_clusters(module.params)
    with_absolute_paths(module)
    return module
