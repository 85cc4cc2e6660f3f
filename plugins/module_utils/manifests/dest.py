# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a module writes its objects to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .items import Item, dump_role, would_change


def write_items(module: AnsibleModule, role: str, items: Sequence[Item]) -> dict[str, Any]:
    """Write a role's items to the module's option `dest`, or only compare in check mode; the result about the file."""
    dest = module.params["dest"]
    write = would_change if module.check_mode else dump_role
    return {"changed": write(dest, role, items), "file": dest, "count": len(items)}
