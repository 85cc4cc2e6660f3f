# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of our own book-keeping objects."""

from __future__ import annotations

import hashlib
import re


def object_name(prefix: str, mesh: str, role: str = "", number: int = 0) -> str:
    """A readable name that no other mesh, role and number has. The usual ones get no digest."""
    plain = "-".join([prefix, mesh, *([role] if role else [])])
    name = re.sub(r"[^a-z0-9]+", "-", plain.lower())
    usual_mesh = "[a-z0-9]+" if role else "[a-z0-9]+(-[a-z0-9]+)*"  # a-b/c and a/b-c are two
    usual_role = "([a-z0-9]+(_[a-z0-9]+)*)?"
    if number or not re.fullmatch(usual_mesh, mesh) or not re.fullmatch(usual_role, role):
        digest = hashlib.sha256("/".join([mesh, role, str(number)]).encode()).hexdigest()[:6]
        name = f"{name}-{digest}"
    return f"{name}-{number}" if number else name
