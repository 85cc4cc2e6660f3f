# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows in plain lines what the module `mesh_info` answers, whatever callback is in use."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.alauda.ambient.plugins.plugin_utils.lines import show


class ActionModule(ActionBase):
    """Runs the module, then prints what it says for people."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module, unchanged."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        result.update(self._execute_module(task_vars=variables))
        show(variables, result.get("summary") or [])
        return result
