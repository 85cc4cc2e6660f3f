# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the report of the module `check` as plain lines, whatever callback is in use."""

from __future__ import annotations

from ansible_collections.alauda.ambient.plugins.plugin_utils.lines import LinesAction


class ActionModule(LinesAction):
    """Tells, unless the task says that nothing is to be shown."""

    def is_to_show(self) -> bool:
        """Whether the lines are wanted."""
        return bool(self._task.args.get("show") != "nothing")
