# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines about what is waited for: when it changes, and now and then that it is still so."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

from ..manifests.identity import Identity

_QUIET = 1.0  # a shorter wait says nothing, and no two lines come closer
_BEAT = 10.0
_TOLD = 3  # objects named in a line


class Heartbeat:
    """Tells `progress` what is left; call `beat` often, it says little."""

    def __init__(
        self, progress: Callable[[str], None], words: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress = progress
        self._words = words
        self._clock = clock
        self._start = self._told_at = clock()
        self._told = ""

    def beat(self, left: Mapping[Identity, str]) -> None:
        """Say what is left, each with what it lacks, if that is news or was last said long ago."""
        now = self._clock()
        since = now - self._told_at
        if not left or since < _QUIET:
            return
        text = what_is_left(left)
        if text != self._told or since >= _BEAT:
            self._progress(f"{self._words} {text} ({now - self._start:.0f} s)")
            self._told, self._told_at = text, now


def what_is_left(left: Mapping[Identity, str]) -> str:
    """A few objects with what they lack; of many the kinds, and the first few."""
    named = ", ".join(
        f"{identity.short}: {left[identity]}" if left[identity] else identity.short for identity in sorted(left)[:_TOLD]
    )
    if len(left) <= _TOLD:
        return named
    kinds = Counter(identity.kind for identity in left)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) + f"; first {named}"
