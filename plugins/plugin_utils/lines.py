# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for people, on the terminal whatever callback is in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.utils.display import Display

from .module_action import ModuleAction


def show(variables: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Print the lines under the name of the host that they are about; nothing without lines."""
    indented = [f"  {line}".rstrip() for line in lines]
    if indented:
        Display().display("\n".join([f"{variables.get('inventory_hostname', 'cluster')}:", *indented]))


class LinesAction(ModuleAction):
    """Runs the module of the same name, then prints the lines of its `summary`."""

    _requires_connection = False
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module, unchanged."""
        result = super().run(tmp, task_vars)
        if self.is_to_show():
            show(task_vars or {}, result.get("summary") or [])
        return result

    def is_to_show(self) -> bool:
        """Whether the lines are wanted."""
        return True
