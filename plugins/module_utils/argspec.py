# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that every module which talks to a cluster shares; the twin of the doc fragment `auth`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from .kube.connection import AUTH_OPTIONS, FILE_OPTIONS, is_path
from .modules import Module, Spec


def auth_argument_spec() -> Spec:
    """The connection options, named as in kubernetes.core."""
    return copy.deepcopy(AUTH_OPTIONS)


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
    return module
