# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module `render` and says in a line what it did or would do."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.plugin_utils.lines import show
from ansible_collections.alauda.ambient.plugins.plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    """The module of the same name, made readable."""

    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module, unchanged."""
        result = super().run(tmp, task_vars)
        if not result.get("failed"):
            written, removed = len(result["written"]), len(result["removed"])
            if self._task.check_mode:
                said = f"{written} files to write, {removed} to remove"
            else:
                said = f"{written} files written, {removed} removed"
            show(task_vars or {}, [f"{said}; {result['objects']} manifests in {result['dest']}"])
        return result
