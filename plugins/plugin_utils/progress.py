# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show on the terminal what a running module says in its progress file."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from .module_action import ModuleAction

QUICK = 3.0  # seconds in which nothing is printed: a quick task needs no progress
QUIET = 5.0  # seconds without news after which the last line is shown again


class ProgressAction(ModuleAction):
    """Runs the module of the same name, and shows what it is doing."""

    _supports_async = False

    def execute(self, variables: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Run the module with the option `progress_file`, and print what it writes there."""
        if self._connection.transport != "local":  # the file would lie elsewhere
            return super().execute(variables, **more)
        handle, path = tempfile.mkstemp(prefix="ambient-progress-")
        os.close(handle)
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(Path(path), ended), daemon=True)
        watcher.start()
        try:
            return super().execute(variables, progress_file=path, **more)
        finally:
            ended.set()
            watcher.join(timeout=2)
            Path(path).unlink()


def _watch(path: Path, ended: threading.Event) -> None:
    display, start = Display(), time.monotonic()
    shown, said_at = 0, start
    while not ended.wait(0.3):
        lines = path.read_text(encoding="utf-8").splitlines()
        now = time.monotonic()
        if lines[shown:] and now - start > QUICK:
            for line in lines[shown:]:
                display.display(f"  {now - start:3.0f} s  {line}")
            shown, said_at = len(lines), now
        elif lines and now - said_at > QUIET:
            display.display(f"  {now - start:3.0f} s  still: {lines[-1]}")
            said_at = now
