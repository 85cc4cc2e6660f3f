# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that come from plain manifests beside a declaration."""

from __future__ import annotations

from ..manifests.items import load_items
from .facts import Policy
from .survey import POLICY, policies_among


def policies_beside(path: str | None) -> list[Policy]:
    """Those of the file that `manifest_objects` has written, as far as ztunnel enforces them; none without a file."""
    items = load_items([path]).items if path else []
    return list(policies_among(item.object for item in items if item.identity.kind == POLICY[1]))
