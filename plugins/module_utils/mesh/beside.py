# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that come from plain manifests beside a declaration."""

from __future__ import annotations

from dataclasses import replace

from ..manifests.dry_run import DRY_RUN, put_in_dry_run
from ..manifests.identity import Object, annotations_of
from ..manifests.items import load_items
from .facts import Facts, Policy
from .survey import POLICY, attached_among, policies_among

NOT_ENFORCED = "not enforced by ztunnel"  # no action of Istio's: it is of targetRefs, or in dry run


def policies_beside(path: str | None, facts: Facts | None) -> list[Policy]:
    """Those of the file that `manifest_objects` has written; none without a file.

    Those that ztunnel does not enforce are among them by name only: they take the place of one that it did enforce.
    """
    found: list[Policy] = []
    for obj in _policies(path, facts or Facts()):
        by_name = Policy(str(obj["metadata"].get("namespace")), str(obj["metadata"]["name"]), NOT_ENFORCED, {}, ())
        found += list(policies_among([obj])) or [by_name]
    return found


def with_attached(facts: Facts, path: str | None) -> Facts:
    """The facts with the ALLOWs at waypoints that the file brings, in the place of those with the same names."""
    objects = _policies(path, facts)
    names = {(obj["metadata"].get("namespace"), obj["metadata"]["name"]) for obj in objects}
    left = [each for each in facts.attached if (each.namespace, each.name) not in names]
    return replace(facts, attached=(*left, *attached_among(objects)))


def _policies(path: str | None, facts: Facts) -> list[Object]:
    """The policies of the file as they will stand: what others keep in dry run stays so unless a manifest ends it."""
    items = load_items([path]).items if path else []
    found = [item.object for item in items if item.identity.kind == POLICY[1]]
    return [put_in_dry_run(obj) if _stays_asleep(obj, facts) else obj for obj in found]


def _stays_asleep(obj: Object, facts: Facts) -> bool:
    metadata = obj["metadata"]
    return DRY_RUN not in annotations_of(obj) and (metadata.get("namespace"), metadata["name"]) in facts.asleep
