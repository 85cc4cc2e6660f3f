# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cluster a task goes to: its own options first, then the host's `ambient_*` variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..module_utils.errors import AmbientError
from ..module_utils.variables import CONNECTION, PREFIX

ALIASES = {
    "verify_ssl": "validate_certs",
    "ssl_ca_cert": "ca_cert",
    "cert_file": "client_cert",
    "key_file": "client_key",
}
# Of these, one alone makes no sense beside the other level's: a token of one user with the certificate of another.
_TOGETHER = (
    {"api_key", "client_cert", "client_key", "username", "password"},
    {"impersonate_user", "impersonate_groups"},
)


def is_given(value: Any) -> bool:
    """Whether an option says something. Nothing, an empty text, list or mapping does not."""
    return value is not None and value not in ("", [], {})


def completed(arguments: Mapping[str, Any], ambient: Mapping[str, Any]) -> dict[str, Any]:
    """The task's arguments with what the variables say of the connection; `ambient` has an option's name per value.

    A task that names a cluster of its own is not mixed with the cluster of the variables. If it names another
    kubeconfig and no context while the variables name a context, nobody can know which cluster is meant: AmbientError.
    """
    options = {*CONNECTION, *ALIASES}
    own = {name: value for name, value in arguments.items() if name not in options or is_given(value)}
    named = {ALIASES.get(name, name) for name in own}
    offered = {name: value for name, value in ambient.items() if is_given(value)}
    if any(name in named and not _same(own[name], offered.get(name)) for name in ("host", "kubeconfig")):
        _refuse_unclear(own, named, offered)
        offered = {}
    elif "context" in named and own["context"] != offered.get("context"):
        offered = {name: value for name, value in offered.items() if name == "kubeconfig"}
    for group in _TOGETHER:
        if named & group:
            offered = {name: value for name, value in offered.items() if name not in group}
    return {**{name: value for name, value in offered.items() if name not in named}, **own}


def _refuse_unclear(own: Mapping[str, Any], named: set[str], offered: Mapping[str, Any]) -> None:
    if named & {"host", "context"} or "context" not in offered:
        return
    what = own["kubeconfig"] if isinstance(own["kubeconfig"], str) else "a kubeconfig"
    raise AmbientError(
        f"the task names {what} and no context, while the host's {PREFIX}context is {offered['context']}",
        path="kubeconfig",
        hint="Give the task the option context, too",
    )


def _same(one: Any, other: Any) -> bool:
    """Whether two kubeconfigs are the same file or the same content, or two addresses the same."""
    if isinstance(one, str) and isinstance(other, str) and "://" not in one:
        return Path(one).expanduser().absolute() == Path(other).expanduser().absolute()
    return bool(one == other)
