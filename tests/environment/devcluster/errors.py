# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error family of the environment."""

from __future__ import annotations


class SetupError(Exception):
    """What is missing or failed, and what a person can do about it.

    Args:
        message: what is wrong, without a full stop.
        hint: what to do, one sentence.
        detail: the last lines of a failed command, shown below the message.
    """

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        text = f"{self.message}. {self.hint}" if self.hint else self.message
        return f"{text}\n{self.detail}" if self.detail else text
