# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error family of the collection: what is wrong, where, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.client import InvalidURL
from typing import Any

# Who writes a password into a URL does not always encode it: `/`, `@` and `#` may stand in it. A port is no password.
_IN_URL = re.compile(r"(?<=://)(?:[^\s/?#\"'<>]*|[^\s/?#@:\[]*:(?!\d+[/?#])[^\s\"'<>]*)@")
_BEFORE_HOST = re.compile(r"(?<![\w/@.:+%-])(?!mailto:)[^\s/@:\"'()]+:[^\s/@\"']+@(?!sha\d+:)(?=[\w.\[-])")


def without_userinfo(text: str) -> str:
    """The text with no user and no password in its URLs (and in addresses such as `user:password@host`)."""
    return _BEFORE_HOST.sub("", _IN_URL.sub("", text)) if "@" in text else text


def holds_password(text: str) -> bool:
    """Whether a URL in the text has a password, or, where it is one of HTTP, a user, which is often a token."""
    return any(
        ":" in found.group() or text[: found.start()].endswith(("http://", "https://"))
        for found in _IN_URL.finditer(text)
    )


def all_without_userinfo(value: Any) -> Any:
    """The same structure with `without_userinfo` done to every text in it, keys included."""
    if isinstance(value, str):
        return without_userinfo(value)
    if isinstance(value, Mapping):
        return {all_without_userinfo(key): all_without_userinfo(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_without_userinfo(each) for each in value]
    return value


class AmbientError(Exception):
    """An error that a person can act on. Users and passwords in URLs never get into its text.

    Args:
        message: what is wrong, without a full stop.
        path: where: a path in the declaration, an object, or a file.
        hint: what to do, one sentence.
    """

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(without_userinfo(message))
        self.message = without_userinfo(message)
        self.path = without_userinfo(path)
        self.hint = without_userinfo(hint)

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        hint = f". {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


def why_no_answer(error: Exception) -> str:
    """Why a URL could not be asked. What is said of a malformed one may quote the part that was taken for a port."""
    if isinstance(error, (ValueError, InvalidURL)) and not isinstance(error, OSError):
        return "its address is malformed"
    return str(error if hasattr(error, "code") else getattr(error, "reason", None) or error)


def missing_library(name: str) -> AmbientError:
    """The error for a Python library that cannot be imported."""
    return AmbientError(
        f"the Python library {name} is missing", hint="Install it for the interpreter that runs the modules"
    )
