# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Principals in a mesh that has a trust domain of its own."""

from __future__ import annotations

from typing import Any

import policy_cases as cases
import policy_mesh as parts
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.engine import Selection, run_checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_table import POLICY_CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_world import Planned, written
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item

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


CODE = "AMB0744"
THEIRS, PLAIN = cases.mesh_config("trustDomain: td.example"), cases.mesh_config("")


def planned(trust: str, *objects: Any) -> Planned:
    return Planned([Item(obj, 0) for obj in objects], trust_domain=trust)


@pytest.mark.parametrize(
    ("there", "brought", "given", "real"),
    [
        ([THEIRS], [], "cluster.local", "td.example"),
        ([PLAIN], [], "td.example", "cluster.local"),
        ([PLAIN], [THEIRS], "cluster.local", "td.example"),
        ([], [THEIRS], "cluster.local", "td.example"),
    ],
)
def test_another_trust_domain_than_istiods_is_refused(
    world: Any, examine: Any, there: Any, brought: Any, given: str, real: str
) -> None:
    report = examine(world(*there), CODE, policies=planned(given, *brought), known_errors_warn=True)

    (finding,) = report.findings
    assert (finding.severity, finding.object) == ("error", "ConfigMap istio-system/istio")
    assert finding.message.startswith(f"has trust domain {real}, and ambient_trust_domain is {given}")
    assert finding.hint == f"Set ambient_trust_domain to {real}"


@pytest.mark.parametrize(
    ("there", "brought", "given"),
    [
        ([THEIRS], [], "td.example"),
        ([PLAIN], [], "cluster.local"),
        ([PLAIN], [THEIRS], "td.example"),
        ([], [], "td.example"),
        ([{**THEIRS, "metadata": {**THEIRS["metadata"], "name": "istio-1-31"}}], [], "cluster.local"),
    ],
)
def test_the_one_of_istiod_passes_and_so_does_any_before_the_first_run(
    world: Any, examine: Any, there: Any, brought: Any, given: str
) -> None:
    report = examine(world(*there), CODE, policies=planned(given, *brought))

    assert [result.status for result in report.results] == ["pass"]


def test_whoever_may_not_look_and_a_tree_skip_it(world: Any, examine: Any) -> None:
    denied = examine(world(THEIRS, denied=("ConfigMap",)), CODE)
    context = Context(Snapshot(None), Wishes(tree=written([Item(THEIRS, 0)])))  # type: ignore[arg-type]
    tree = run_checks(POLICY_CHECKS, Selection((Phase.POLICIES,), (CODE,)), context)

    assert [result.status for result in (*denied.results, *tree.results)] == ["skipped", "skipped"]
