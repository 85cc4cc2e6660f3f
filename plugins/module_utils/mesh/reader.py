# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads values of a declaration, and collects every error in it instead of stopping at the first one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from ..errors import AmbientError
from .names import did_you_mean, is_dns_label, is_dns_subdomain

NAME_HINT = "Use lower-case letters, digits and '-', at most 63 characters"
_ACCOUNT_HINT = "Use lower-case letters, digits, '-' and '.', at most 253 characters"
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGTPE]i?)?")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_PORTS = range(1, 65536)

E = TypeVar("E", bound=Enum)


def type_name(value: Any) -> str:
    """The type of a value in the words of someone who writes YAML."""
    if value is None:
        return "nothing"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a mapping"}
    for known, name in names.items():
        if isinstance(value, known):
            return name
    return type(value).__name__


class Reader:
    """Each method takes the path of a value and the value, and gives what it means, or something harmless."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.errors: list[AmbientError] = []

    def error(self, path: str, message: str, hint: str) -> None:
        """Note an error and go on."""
        self.errors.append(AmbientError(message, path=path, hint=hint))

    def raise_errors(self) -> None:
        """AmbientError with all that was noted, if anything was."""
        if not self.errors:
            return
        if len(self.errors) == 1:
            raise self.errors[0]
        lines = [f"{len(self.errors)} errors in {self._root}; the first: {self.errors[0]}"]
        lines += [f"  {error}" for error in self.errors[1:]]
        raise AmbientError("\n".join(lines))

    def mapping(self, path: str, value: Any, known: Sequence[str], example: str = "") -> Mapping[str, Any]:
        """The fields of a mapping; empty where it is none. A key that is left empty is as good as not there."""
        if not isinstance(value, Mapping):
            hint = f"Write {example}" if example else f"Write {', '.join(known)} under it"
            self.error(path, f"{type_name(value)} where a mapping is expected", hint)
            return {}
        for key in value:
            if key not in known:
                self.error(path, f"unknown key {shown(str(key))}", did_you_mean(str(key), known))
        return {key: field for key, field in value.items() if field is not None}

    def entry(self, path: str, value: Any, known: Sequence[str], example: str) -> Mapping[str, Any]:
        """The fields of an entry of a list; one that says nothing at all is an error, too."""
        fields = self.mapping(path, value, known, example)
        if not fields and isinstance(value, Mapping) and all(key in known for key in value):
            self.error(path, "the entry says nothing", f"Write {example}, or take it out")
        return fields

    def entries(self, path: str, value: Any, example: str) -> list[tuple[str, Any]]:
        """The entries of a list, each with its path; nothing at all is an empty list."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.error(path, f"{type_name(value)} where a list is expected", f"Write '{example}'")
            return []
        return [(f"{path}[{index}]", entry) for index, entry in enumerate(value)]

    def name(self, path: str, value: Any) -> bool:
        """Whether it is a name that Kubernetes takes for a Namespace or a Service (RFC 1123 label)."""
        return self._name(path, value, is_dns_label, NAME_HINT)

    def account(self, path: str, value: Any) -> bool:
        """Whether it is a name that Kubernetes takes for a ServiceAccount."""
        return self._name(path, value, is_dns_subdomain, _ACCOUNT_HINT)

    def _name(self, path: str, value: Any, fits: Callable[[str], bool], hint: str) -> bool:
        if value == "" or value is None:
            self.error(path, "the name is missing", hint)
        elif not isinstance(value, str):
            self.error(path, f"{type_name(value)} where a string is expected", _quote(value))
        elif not fits(value):
            self.error(path, f"{shown(value)} is not a name that Kubernetes takes", hint)
        else:
            return True
        return False

    def flag(self, path: str, fields: Mapping[str, Any], key: str, default: bool) -> bool:
        """True or false."""
        value = fields.get(key, default)
        if isinstance(value, bool):
            return value
        self.error(f"{path}.{key}", f"{shown(value)} is neither true nor false", "Say true or false, without quotes")
        return default

    def word(self, path: str, value: Any, kind: type[E], what: str, default: E) -> E:
        """One of the words of an enumeration."""
        try:
            return kind(value)
        except ValueError:
            known = [each.value for each in kind]
            hint = did_you_mean(value, known) if isinstance(value, str) else f"Say {one_of(known)}"
            self.error(path, f"{shown(value)} is not {what}", hint)
            return default

    def whole(self, path: str, value: Any, low: int, high: int) -> int:
        """A whole number between two bounds, both included."""
        if isinstance(value, bool) or not isinstance(value, int):
            self.error(path, f"{shown(value)} is not a whole number", f"Give a number from {low} to {high}")
            return low
        if not low <= value <= high:
            self.error(path, f"{value} is out of range", f"Give a number from {low} to {high}")
            return low
        return value

    def ports(self, path: str, value: Any) -> tuple[int, ...]:
        """TCP ports; in the order of the numbers, so that the order of the declaration changes nothing."""
        entries = self.entries(path, value, "[9090]")
        return tuple(sorted({self.whole(where, port, _PORTS.start, _PORTS.stop - 1) for where, port in entries}))

    def labels(self, path: str, value: Any) -> dict[str, str]:
        """Labels with their values."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.error(path, f"{type_name(value)} where a mapping of labels is expected", "Write {app: cart}")
            return {}
        for key, text in value.items():
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                self.error(path, f"{shown(key)} is not a label", "Use letters, digits, '-', '_' and '.'")
            elif not isinstance(text, str):
                self.error(f"{path}[{key}]", f"{type_name(text)} where a string is expected", _quote(text))
            elif not _VALUE.fullmatch(text):
                self.error(
                    f"{path}[{key}]",
                    f"{shown(text)} is not a value of a label",
                    "Use letters, digits, '-', '_' and '.', at most 63",
                )
        return {str(key): str(text) for key, text in sorted(value.items(), key=str)}

    def quantities(self, path: str, value: Any, known: Iterable[str]) -> dict[str, str]:
        """Kubernetes quantities by resource name."""
        fields = self.mapping(path, value, tuple(known))
        for key, amount in fields.items():
            if not isinstance(amount, (str, int, float)) or isinstance(amount, bool) or not _is_quantity(amount):
                hint = "Write 100m or 2 for cpu, 128Mi or 1Gi for memory"
                self.error(f"{path}.{key}", f"{shown(amount)} is not a quantity", hint)
        return {str(key): str(amount) for key, amount in fields.items()}

    def duplicates(self, root: str, names: Sequence[str], what: str) -> None:
        """Refuse a name that stands twice in a list."""
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            if name and name in first:
                self.error(
                    f"{root}[{index}].name",
                    f"{what} {name} is declared twice, first in {root.rpartition('.')[2]}[{first[name]}]",
                    "Keep one entry",
                )
            first.setdefault(name, index)


def _quote(value: Any) -> str:
    """What to do about a value that should be a string; YAML turns yes, on, 8 and the like into something else."""
    if isinstance(value, bool):
        return "Put it in quotes: YAML reads a bare on, off, yes or no as true or false"
    return f"Quote it: '{value}'" if isinstance(value, (int, float)) else "Write a string"


def _is_quantity(amount: Any) -> bool:
    return _QUANTITY.fullmatch(str(amount)) is not None


def one_of(words: Sequence[str]) -> str:
    """The words as a choice."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value: Any) -> str:
    """The value as far as a line holds it."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
