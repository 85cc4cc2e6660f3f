# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the verification as plain lines while and after it runs."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display
from ansible_collections.alauda.ambient.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    """The module of the same name, made readable."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, print its report, and keep the result short where it fails."""
        result = super().run(tmp, task_vars)
        display = Display()
        for line in result.get("summary", []):
            display.display(line)
        if result.get("failed") and display.verbosity < 1:
            for bulk in ("checks", "summary", "images", "versions", "namespaces", "refusal", "invocation"):
                result.pop(bulk, None)
        return result
