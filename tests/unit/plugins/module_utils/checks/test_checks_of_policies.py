# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each check of policies finds what it is for in a mesh that is ill, and nothing in one that is well."""

from __future__ import annotations

from typing import Any

import policy_cases as cases
import policy_mesh as parts
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_table import POLICY_CHECKS

CODES = tuple(check.code for check in POLICY_CHECKS)


def told(report: Any) -> list[str]:
    return [f"{finding.severity} {finding.code} {finding.object}: {finding.message}" for finding in report.findings]


def test_a_mesh_that_is_well_has_nothing_to_tell(world: Any, examine: Any) -> None:
    report = examine(world(*parts.mesh()), *CODES)

    assert told(report) == []
    assert {result.status for result in report.results} == {"pass"}


def test_every_check_has_a_good_and_a_bad_case() -> None:
    assert {case.code for case in cases.CASES} == set(CODES)
    assert {case.code for case in cases.CASES if case.good} == set(CODES)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: f"{case.code} {case.words[:24]}")
def test_the_bad_is_found_and_the_good_passes(world: Any, examine: Any, case: cases.Case) -> None:
    bad = examine(world(*parts.changed(parts.mesh(), case.bad, case.without)), case.code)
    good = examine(world(*parts.changed(parts.mesh(), case.good, case.without)), case.code)

    found = [(each.severity, each.object) for each in bad.findings if case.words in each.message]
    assert found.count((case.severity, case.object)) == 1, told(bad)
    assert len({(each.object, each.message) for each in bad.findings}) == len(bad.findings)
    assert all(each.hint.strip() and each.hint != "Known: " for each in bad.findings)
    assert told(good) == []


def asleep(*objects: parts.Object) -> list[parts.Object]:
    """The same, with all policies among them in dry run."""
    return [
        {**obj, "metadata": {**obj["metadata"], "annotations": cases.DRY}}
        if obj["kind"] == "AuthorizationPolicy"
        else obj
        for obj in objects
    ]


OF_EFFECT = ("AMB0701", "AMB0708", "AMB0709", "AMB0710", "AMB0722", "AMB0723", "AMB0724", "AMB0725", "AMB0737")
SLEEPERS = [case for case in cases.CASES if case.code in OF_EFFECT]


@pytest.mark.parametrize("case", SLEEPERS, ids=lambda case: f"{case.code} {case.words[:24]}")
def test_a_policy_in_dry_run_does_no_harm(world: Any, examine: Any, case: cases.Case) -> None:
    found = examine(world(*parts.changed(parts.mesh(), asleep(*case.bad), case.without)), case.code)

    assert [line for line in told(found) if case.words in line] == []


HEADLESS = [parts.service("plain", clusterIP="None"), *asleep(parts.policy(targetRefs=cases.TO_PLAIN))]
BESIDE = [
    parts.policy(selector=parts.selected(app="cart")),
    *asleep(parts.policy("tried", selector=parts.selected(app="cart"), rules=[{}])),
]
GUARDED = asleep(parts.policy("it", "web", rules=[parts.rule(namespaces=["old"])]))


@pytest.mark.parametrize(
    ("code", "changes", "says"),
    [
        ("AMB0721", HEADLESS, []),
        ("AMB0724", BESIDE, ["info AMB0724 AuthorizationPolicy shop/it"]),
        (
            "AMB0736",
            [parts.make("NetworkPolicy", "open", "web", spec=cases.OPENED), *GUARDED],
            ["warning AMB0736 NetworkPolicy web/open"],
        ),
    ],
)
def test_a_policy_in_dry_run_does_no_good(world: Any, examine: Any, code: str, changes: Any, says: list[str]) -> None:
    found = examine(world(*parts.changed(parts.mesh(), changes)), code)

    assert [line.partition(": ")[0] for line in told(found)] == says
