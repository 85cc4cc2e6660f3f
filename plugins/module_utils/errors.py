# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error family of the collection: what is wrong, where, what to do."""

from __future__ import annotations


class AmbientError(Exception):
    """An error that a person can act on.

    Args:
        message: what is wrong, without a full stop.
        path: where: a path in the declaration, an object, or a file.
        hint: what to do, one sentence.
    """

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        hint = f". {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


def missing_library(name: str) -> AmbientError:
    """The error for a Python library that cannot be imported."""
    return AmbientError(
        f"the Python library {name} is missing", hint="Install it for the interpreter that runs the modules"
    )
