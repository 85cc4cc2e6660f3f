# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows in plain lines what the module `mesh_info` answers, whatever callback is in use."""

from __future__ import annotations

from ansible_collections.alauda.ambient.plugins.plugin_utils.lines import LinesAction


class ActionModule(LinesAction):
    """Always tells."""
