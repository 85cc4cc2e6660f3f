# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that come from plain manifests beside a declaration."""

from __future__ import annotations

from dataclasses import replace

from ..manifests.identity import Object
from ..manifests.items import load_items
from .facts import Facts, Policy
from .survey import POLICY, attached_among, policies_among

TARGETED = "by targetRefs"  # no action of Istio's: it stands for a policy that only waypoints enforce


def policies_beside(path: str | None) -> list[Policy]:
    """Those of the file that `manifest_objects` has written; none without a file.

    Those that ztunnel does not enforce are among them by name only: they take the place of one that it did enforce.
    """
    found: list[Policy] = []
    for obj in _policies(path):
        targeted = Policy(str(obj["metadata"].get("namespace")), str(obj["metadata"]["name"]), TARGETED, {}, ())
        found += list(policies_among([obj])) or [targeted]
    return found


def with_attached(facts: Facts, path: str | None) -> Facts:
    """The facts with the ALLOWs at waypoints that the file brings, in the place of those with the same names."""
    objects = _policies(path)
    names = {(obj["metadata"].get("namespace"), obj["metadata"]["name"]) for obj in objects}
    left = [each for each in facts.attached if (each.namespace, each.name) not in names]
    return replace(facts, attached=(*left, *attached_among(objects)))


def _policies(path: str | None) -> list[Object]:
    items = load_items([path]).items if path else []
    return [item.object for item in items if item.identity.kind == POLICY[1]]
