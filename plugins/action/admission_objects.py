# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name in the directory where the user typed."""

from __future__ import annotations

from ansible_collections.alauda.ambient.plugins.plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    """Adds nothing."""
