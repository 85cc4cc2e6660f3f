# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module `apply` and shows, while it waits, what it waits for."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.alauda.ambient.plugins.plugin_utils.progress import run_with_progress

_BULK = ("created", "changed_objects", "failed_objects", "diff", "summary", "invocation")


class ActionModule(ActionBase):  # type: ignore[misc]
    """The module of the same name, made readable."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module; a failure is told in lines, its lists stand in the report file."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._connection.transport == "local":
            result.update(run_with_progress(self, task_vars or {}))
        else:
            result.update(self._execute_module(task_vars=task_vars))
        display = Display()
        if result.get("failed") and display.verbosity == 0:
            for line in result.get("summary") or []:
                display.display(f"  {line}")
            for key in _BULK:
                result.pop(key, None)
        return result
