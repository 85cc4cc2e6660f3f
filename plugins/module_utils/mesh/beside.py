# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that come from plain manifests beside a declaration."""

from __future__ import annotations

from ..manifests.items import load_items
from .facts import Policy
from .survey import POLICY, policies_among

TARGETED = "by targetRefs"  # no action of Istio's: it stands for a policy that only waypoints enforce


def policies_beside(path: str | None) -> list[Policy]:
    """Those of the file that `manifest_objects` has written; none without a file.

    Those that ztunnel does not enforce are among them by name only: they take the place of one that it did enforce.
    """
    items = load_items([path]).items if path else []
    found: list[Policy] = []
    for item in items:
        if item.identity.kind == POLICY[1]:
            targeted = Policy(item.identity.namespace, item.identity.name, TARGETED, {}, ())
            found += list(policies_among([item.object])) or [targeted]
    return found
