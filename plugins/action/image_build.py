# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what the module of the same name is doing while it runs."""

from __future__ import annotations

from ansible_collections.alauda.ambient.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    """The module, with its progress on the terminal."""
