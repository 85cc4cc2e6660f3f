# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Principals in a mesh that has a trust domain of its own."""

from __future__ import annotations

from typing import Any

import policy_mesh as parts
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_world import Planned

TD = Planned(trust_domain="td.example")
SELECTOR: dict[str, Any] = {"selector": parts.selected(app="db")}
TARGET: dict[str, Any] = {"targetRefs": parts.TO_CART}
WHOLE, PART = "cluster.local/ns/web/sa/web", "cluster.local/ns/web/*"
TAKEN = "names clients of trust domain cluster.local, which ztunnel takes as written, and the mesh is td.example"
IN_PARTS = "names clients of trust domain cluster.local, which stands so only in whole principals, and the mesh is"


def found(world: Any, examine: Any, *objects: Any) -> list[str]:
    own = [obj for obj in parts.mesh() if obj["kind"] != "AuthorizationPolicy"]
    report = examine(world(*own, *objects), "AMB0729", policies=TD)
    return [f"{each.severity} {each.object}: {each.message}" for each in report.findings]


@pytest.mark.parametrize("action", ["ALLOW", "DENY"])
@pytest.mark.parametrize(
    ("where", "principal", "words"),
    [
        (SELECTOR, WHOLE, TAKEN),
        (SELECTOR, PART, TAKEN),
        (SELECTOR, "cluster.local/*", TAKEN),
        ({}, WHOLE, TAKEN),
        (TARGET, PART, IN_PARTS),
        (TARGET, "other.example/ns/web/sa/web", "names clients of trust domain other.example and the mesh is"),
        (SELECTOR, "other.example/ns/web/sa/web", "names clients of trust domain other.example and the mesh is"),
    ],
)
def test_what_names_nobody_of_this_mesh_is_told(
    world: Any, examine: Any, action: str, where: Any, principal: str, words: str
) -> None:
    for rule in (
        parts.rule(principals=[principal]),
        parts.rule(notPrincipals=[principal]),
        parts.rule(when=[{"key": "source.principal", "values": [principal]}]),
    ):
        (told,) = found(world, examine, parts.policy(action=action, rules=[rule], **where))
        assert told.startswith(f"warning AuthorizationPolicy shop/it: {words}")


@pytest.mark.parametrize(
    ("where", "principal"),
    [
        (TARGET, WHOLE),
        (TARGET, "td.example/ns/web/sa/web"),
        (SELECTOR, "td.example/ns/web/sa/web"),
        (SELECTOR, "td.example/*"),
        (SELECTOR, "*/ns/web/sa/web"),
        (SELECTOR, f"spiffe://{WHOLE}"),
    ],
)
def test_what_names_somebody_passes(world: Any, examine: Any, where: Any, principal: str) -> None:
    assert found(world, examine, parts.policy(rules=[parts.rule(principals=[principal])], **where)) == []


def test_istiod_replaces_it_for_sidecars(world: Any, examine: Any) -> None:
    theirs = parts.policy(where="old", rules=[parts.rule(principals=[WHOLE])])

    assert found(world, examine, theirs) == []
