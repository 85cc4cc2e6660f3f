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
