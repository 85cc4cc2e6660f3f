# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that cannot be used, said without a word of them.

The kubernetes library quotes what it reads: lines and entries of kubeconfigs, and what exec plugins print.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import AmbientError

_HEADERS = {
    "impersonate-user": ("impersonate_user",),
    "impersonate-group": ("impersonate_groups",),
    "proxy-authorization": ("proxy_headers",),
    "user-agent": ("proxy_headers",),
    "authorization": ("api_key", "username", "password"),
}
_CHECK = "Check kubeconfig and context"
_BY_HAND = "Run that command by hand"
# What the loader says of a plugin without quoting it.
_PLUGIN = re.compile(
    r"missing key '\w+'|missing token or clientCertificateData|missing clientKeyData|failed to decode process output"
)
_EXIT = re.compile(r"^(?:exec|cmd-path): process returned (-?\d+)")
_ERRNO = re.compile(r"^\[Errno \d+\] ([^:]+)")
# A node's name holds the whole entry of a list of the kubeconfig, token included.
_EXPECTED = re.compile(r"Expected key (\S+) in (.*)", re.DOTALL)


class _Ear(logging.Handler):
    """Keeps what is logged as an error, and keeps it off the terminal."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self._said.append(record.getMessage())


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """The errors that are logged meanwhile: the loader says so, and only so, that an exec plugin has failed."""
    said: list[str] = []
    ear = _Ear(said)
    logging.getLogger().addHandler(ear)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(ear)


def credentials_of(configuration: Any) -> dict[str, str]:
    """The headers with the credentials of a `kubernetes.client.Configuration`, those of an exec plugin renewed.

    Where the plugin fails, the last ones are tried: they end some minutes later than the loader believes.
    """
    with heard():
        settings = configuration.auth_settings()
    found = {str(setting["key"]): str(setting["value"]) for setting in settings.values() if setting["value"]}
    if "authorization" not in found and configuration.username:
        pair = f"{configuration.username}:{configuration.password or ''}"
        found["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return found


def refuse_bad_header(name: str, value: Any, options: Mapping[str, Any]) -> None:
    """AmbientError for a value that no header takes. It names the option, never the value."""
    for each in value if isinstance(value, list) else [value]:
        text = str(each)
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            what = "holds a line break or another control character"
        elif not text.isascii():
            what = "holds a character that is not ASCII"
        else:
            continue
        hint = "Look at its end: files and commands often add a line break" if "\n" in text else "Correct it"
        raise AmbientError(what, path=_option(name, options), hint=hint)


def why_unusable(reason: Exception | str, options: Mapping[str, Any], source: str) -> AmbientError:
    """The error for a kubeconfig that cannot be used; `reason`: what the loader raised, or what it logged."""
    text = str(reason)
    if isinstance(reason, str) or text.startswith(("exec: ", "cmd-path: ")):
        what, hint = _plugin(text, options), _BY_HAND
    else:
        what, hint = f"the kubeconfig cannot be used: {_loader(reason)}", _CHECK
    return AmbientError(what, path=source, hint=hint)


def _option(header: str, options: Mapping[str, Any]) -> str:
    """The option that a header's value comes from."""
    names = _HEADERS.get(header.lower(), (header,))
    given = [name for name in names if options.get(name) or os.environ.get(f"K8S_AUTH_{name.upper()}")]
    if given or len(names) == 1:
        return (given or [*names])[0]
    return "the token in the kubeconfig, in its tokenFile, or printed by its command"


def _plugin(text: str, options: Mapping[str, Any]) -> str:
    """What is wrong with the command that gives credentials; what it prints may be secret and is left out."""
    name = _command(options)
    who = f"the command {name} of the kubeconfig, which gives the credentials," if name else _NAMELESS
    if found := _EXIT.search(text):
        return f"{who} failed with exit status {found.group(1)}"
    if found := _ERRNO.search(text):
        return f"{who} cannot be run: {found.group(1)}"
    found = _PLUGIN.search(text)
    return f"{who} gives none that can be used" + (f": {found.group()}" if found else "")


_NAMELESS = "the command of the kubeconfig, which gives the credentials,"


def _command(options: Mapping[str, Any]) -> str:
    """The name of the exec plugin's command, without folder and arguments; '' where it cannot be found out."""
    from kubernetes.config.kube_config import ConfigNode, KubeConfigMerger

    try:
        given = options.get("kubeconfig") or os.environ.get("K8S_AUTH_KUBECONFIG")
        config = ConfigNode("", given) if isinstance(given, Mapping) else None
        if config is None:
            config = KubeConfigMerger(given or os.environ.get("KUBECONFIG") or "~/.kube/config").config
        context = options.get("context") or os.environ.get("K8S_AUTH_CONTEXT") or config["current-context"]
        user = config["users"].get_with_name(config["contexts"].get_with_name(context)["context"]["user"])["user"]
        return Path(str(user["exec"]["command"])).name
    except Exception:  # a better message is not worth another error
        return ""


def _loader(error: Exception) -> str:
    """The loader's words, where these are known to quote no value of the kubeconfig."""
    import yaml
    from kubernetes.config.config_exception import ConfigException

    if isinstance(error, yaml.YAMLError):
        mark = getattr(error, "problem_mark", None)
        return "it is not valid YAML" + (f", line {mark.line + 1}, column {mark.column + 1}" if mark else "")
    text = " ".join(str(error).split())
    if isinstance(error, ConfigException):
        if found := _EXPECTED.search(text):
            return f"the key {found.group(1)} is missing in {_place(found.group(2))}"
        return text if "{" not in text else "an entry of it is not what it must be"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"an entry of it is not what it must be ({type(error).__name__})"


def _place(node: str) -> str:
    """A node of the kubeconfig by its name, without the content of entries."""
    return f"an entry of {node.partition('/{')[0]}" if "{" in node else node
