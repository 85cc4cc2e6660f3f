# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is doing, for people who watch: one line per step, in a file that the action plugin shows."""

from __future__ import annotations

from pathlib import Path

from .errors import without_userinfo


class Progress:
    """Appends lines to a file; without a file it says nothing."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None

    def say(self, text: str) -> None:
        """What is being done now. A file that cannot be written costs the line, not the run."""
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(without_userinfo(" ".join(text.split())) + "\n")
        except OSError:
            self._path = None
