# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module `render` and says in a line what it did or would do."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    """The module of the same name, made readable."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module, unchanged."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        result.update(self._execute_module(task_vars=variables))
        if not result.get("failed"):
            written, removed = len(result["written"]), len(result["removed"])
            if self._task.check_mode:
                said = f"{written} files to write, {removed} to remove"
            else:
                said = f"{written} files written, {removed} removed"
            host = variables.get("inventory_hostname", "tree")
            Display().display(f"{host}:\n  {said}; {result['objects']} manifests in {self._task.args.get('dest')}")
        return result
