# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress that a person sees while a long step runs, and the time each step took."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

INTERVAL = 10.0


class Progress:
    """Prints one line per step, and one more every ten seconds while it runs.

    Steps shorter than a second stay silent. The times are kept in `timings` (name to seconds).
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.started = time.monotonic()
        self.timings: dict[str, float] = {}
        self._stream = stream or sys.stderr
        self._depth = 0

    def say(self, text: str) -> None:
        """Print one line with the time since the start."""
        elapsed = time.monotonic() - self.started
        print(f"[{elapsed:5.0f} s] {'  ' * self._depth}{text}", file=self._stream, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; speak up every ten seconds until it ends."""
        begun = time.monotonic()
        finished = threading.Event()

        def tick() -> None:
            while not finished.wait(INTERVAL):
                self.say(f"{name}: running, {time.monotonic() - begun:.0f} s")

        watcher = threading.Thread(target=tick, daemon=True)
        watcher.start()
        if self._depth == 0:
            self.say(f"{name} …")
        self._depth += 1
        try:
            yield
        finally:
            finished.set()
            watcher.join()
            self._depth -= 1
        took = time.monotonic() - begun
        self.timings[name] = round(self.timings.get(name, 0.0) + took, 1)
        if took >= 1 or self._depth == 0:
            self.say(f"{name}: done in {took:.1f} s")


def record(path: Path, timings: dict[str, float]) -> None:
    """Merge the times of steps into a JSON file (name to seconds of its latest run)."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(known | timings, indent=1, sort_keys=True) + "\n")
    partial.replace(path)


progress = Progress()
