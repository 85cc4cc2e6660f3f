# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do a person's variables fit the roles' argument specs? Says so in one line each, before a role looks at them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from .errors import AmbientError

PREFIX = "ambient_"
# Every module that talks to a cluster takes these for the option of the same name; its action plugin sees to it.
CONNECTION = (
    "kubeconfig",
    "context",
    "host",
    "api_key",
    "ca_cert",
    "client_cert",
    "client_key",
    "validate_certs",
    "proxy",
    "impersonate_user",
    "impersonate_groups",
)
_OF_OTHERS = ("ansible_", "awx_", "tower_")
_ALIKE = 0.75
WORDS = {"true", "false", "yes", "no", "on", "off", "1", "0"}


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or value in (0, 1) or (isinstance(value, str) and value.lower() in WORDS)


def _is_int(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, str) and value.strip().lstrip("-").isdigit())


KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a text", lambda value: isinstance(value, str)),
    "path": ("a path", lambda value: isinstance(value, str)),
    "bool": ("true or false", _is_bool),
    "int": ("a whole number", _is_int),
    "float": ("a number", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)),
    "dict": ("a mapping", lambda value: isinstance(value, Mapping)),
    "list": ("a list", lambda value: isinstance(value, (list, tuple))),
    "raw": ("anything", lambda value: True),
}


def problems(specs: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]) -> list[AmbientError]:
    """What is wrong with `values`, by the option dictionaries of argument specs, in the order of the names."""
    return list(_mapping(specs, values, ""))


def misspelt(known: set[str], given: set[str]) -> list[AmbientError]:
    """Names of ours that no role knows and that look like one that a role does."""
    found = []
    for name in sorted(given - known):
        bare = [other.removeprefix(PREFIX) for other in sorted(known)]
        close = (
            get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=_ALIKE) if name.startswith(PREFIX) else []
        )
        if close:
            hint = f"Did you mean {PREFIX}{close[0]}? Names that start with {PREFIX} belong to the collection"
            found.append(AmbientError("no role knows this variable", path=name, hint=hint))
    return found


def mistaken(known: Collection[str], given: Collection[str]) -> list[AmbientError]:
    """Names that nothing takes and that look like one of `known`."""
    found = []
    for name in sorted(set(given) - set(known)):
        if close := get_close_matches(name, sorted(known), n=1, cutoff=_ALIKE):
            found.append(AmbientError("the playbook does not take it", path=name, hint=f"Did you mean {close[0]}?"))
    return found


def not_taken(known: Collection[str], given: Collection[str]) -> list[str]:
    """Names that nothing takes; those that Ansible, AWX and the collection have for themselves are not among them."""
    return sorted(name for name in set(given) - set(known) if not name.startswith((PREFIX, *_OF_OTHERS)))


def _mapping(specs: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any], path: str) -> Iterator[AmbientError]:
    for name in sorted(specs):
        where = f"{path}.{name}" if path else name
        if name in values:
            yield from _value(specs[name], values[name], where)
        elif specs[name].get("required"):
            yield AmbientError("is required and not given", path=where, hint=_meaning(specs[name]))


def _value(spec: Mapping[str, Any], value: Any, path: str) -> Iterator[AmbientError]:
    kind = str(spec.get("type", "str"))
    wanted, fits = KINDS[kind]
    if value is None and spec.get("default") is None and not spec.get("required"):
        return
    if not fits(value):
        yield AmbientError(f"is {_what(value)}, not {wanted}", path=path, hint=_remedy(kind, value))
        return
    if kind == "path" and not str(value).strip() and spec.get("default") != "":
        # With a folder put behind it, it would be one in `/`.
        yield AmbientError("is empty", path=path, hint="Give a path, or take the variable out")
        return
    choices = spec.get("choices")
    if choices and kind != "list" and value not in choices:  # a list's are those of its elements
        listed = ", ".join(str(choice) for choice in choices)
        yield AmbientError(f"{value!r} is not one of {listed}", path=path, hint="Take one of these")
        return
    if kind == "list" and spec.get("elements"):
        for index, item in enumerate(value):
            yield from _value(_element(spec), item, f"{path}[{index}]")
    elif kind == "dict" and spec.get("options"):
        yield from _nested(spec["options"], value, path)


def _nested(options: Mapping[str, Any], value: Mapping[str, Any], path: str) -> Iterator[AmbientError]:
    for key in sorted(map(str, set(value) - set(options))):
        yield AmbientError("unknown key", path=f"{path}.{key}", hint=f"Known here: {', '.join(sorted(options))}")
    yield from _mapping(options, value, path)


def _element(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": spec["elements"], "options": spec.get("options"), "choices": spec.get("choices")}


def _what(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return "a text"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def _remedy(kind: str, value: Any) -> str:
    if value is None:
        return "Give it a value, or take the variable out"
    if kind in ("str", "path") and isinstance(value, (int, float)):
        return f'Put it in quotes: "{value}"'
    if kind in ("dict", "list") and isinstance(value, str):
        return "On the command line give structures as JSON: -e '{…}', or in a file: -e @file.yml"
    return f"Give {KINDS[kind][0]}"


def _meaning(spec: Mapping[str, Any]) -> str:
    """The first paragraph of the description, without Ansible's markup."""
    text = spec.get("description", "")
    paragraph = str(text[0]) if isinstance(text, list) and text else str(text)
    return re.sub(r"\b[A-Z]\(([^()]*)\)", r"\1", paragraph).strip().rstrip(".")
