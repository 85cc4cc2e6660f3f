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

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

QUICK = 3.0  # seconds in which nothing is printed: a quick task needs no progress
QUIET = 5.0  # seconds without news after which the last line is shown again


def run_with_progress(action: ActionBase, task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Run the action's own module with the option `progress_file`, and print what it writes there."""
    handle, path = tempfile.mkstemp(prefix="ambient-progress-")
    os.close(handle)
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(Path(path), ended), daemon=True)
    watcher.start()
    try:
        result: dict[str, Any] = action._execute_module(
            module_args={**action._task.args, "progress_file": path}, task_vars=task_vars
        )
    finally:
        ended.set()
        watcher.join(timeout=2)
        Path(path).unlink()
    return result


class ProgressAction(ActionBase):
    """Runs the module of the same name, and shows what it is doing."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module, unchanged."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(run_with_progress(self, task_vars or {}))
        return result


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
