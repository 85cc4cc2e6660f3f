# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: what it selects, how often it asks, what it makes of trouble, and what people read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks import report as reports
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.engine import Selection, run_checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import (
    Check,
    Outcome,
    Phase,
    Problem,
    Severity,
)
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import NAMESPACES, SkipError, Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError


def check(code: str, outcome: Outcome | Exception, **parts: Any) -> Check:
    def run(dummy: Context) -> Outcome:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Check(code, parts.pop("category", "some"), f"Title {code}", (Phase.PRE,), run, **parts)


def run(world: Any, *checks: Check, **selection: Any) -> Any:
    return run_checks(checks, Selection(phases=(Phase.PRE,), **selection), Context(Snapshot(world), Wishes()))


BAD = Problem("Thing a/b", "is bad", "Make it good")


def test_a_code_is_used_once_and_belongs_to_its_category() -> None:
    codes = [check.code for check in CHECKS]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"AMB0\d{3}", code) for code in codes)
    assert len({(check.category, check.code[:5]) for check in CHECKS}) == len({check.category for check in CHECKS})


def test_the_table_is_grouped_by_category() -> None:
    categories = [check.category for check in CHECKS]
    assert categories == sorted(categories, key=categories.index)


def test_status_is_that_of_the_worst_problem(world: Any) -> None:
    mild = Problem("Thing c", "is so so", "Look", Severity.INFO)
    report = run(
        world(),
        check("X1", Outcome(note="fine")),
        check("X2", Outcome([mild, BAD])),
        check("X3", Outcome([mild])),
        check("X4", Outcome([BAD]), severity=Severity.WARNING),
    )

    assert [(result.status, result.detail) for result in report.results] == [
        ("pass", "fine"),
        ("error", ""),
        ("info", ""),
        ("warning", ""),
    ]
    assert [finding.severity for finding in report.findings] == ["error", "warning", "info", "info"]


@pytest.mark.parametrize(("fail_on", "codes"), [("never", []), ("error", ["X1"]), ("warning", ["X1", "X2"])])
def test_fail_on_is_the_least_severity_that_refuses(world: Any, fail_on: str, codes: list[str]) -> None:
    report = run(
        world(),
        check("X2", Outcome([BAD]), severity=Severity.WARNING),
        check("X1", Outcome([BAD])),
        check("X3", Outcome([BAD]), severity=Severity.INFO),
    )

    assert [finding.code for finding in report.refuses(fail_on)] == codes


def test_what_cannot_be_looked_at_is_never_a_pass(world: Any) -> None:
    report = run(world(), check("X1", SkipError("no right to list Pod")), check("X2", AmbientError("time is up")))

    assert [result.status for result in report.results] == ["skipped", "error"]
    assert report.results[0].detail == "no right to list Pod"
    assert report.findings[0].message == "could not be checked: time is up"


def test_a_missing_right_skips_what_needs_it(world: Any) -> None:
    def look(context: Context) -> Outcome:
        return Outcome(note=str(len(context.cluster.all(NAMESPACES))))

    table = (Check("X1", "some", "Title", (Phase.PRE,), look, needs=(NAMESPACES,)),)
    report = run(world(denied=("Namespace",)), *table)

    assert (report.results[0].status, report.results[0].detail) == ("skipped", "no right to list Namespace")


def test_nothing_is_asked_of_a_cluster_that_does_not_answer(world: Any) -> None:
    silent = world()
    silent.failure = AmbientError("no route to host", path="https://10.0.0.1:6443", hint="Check the network")
    report = run_checks(CHECKS, Selection(phases=(Phase.PRE, Phase.NAMESPACES)), Context(Snapshot(silent), Wishes()))

    assert [finding.code for finding in report.findings] == ["AMB0101"]
    assert str(report.findings[0]) == "AMB0101 https://10.0.0.1:6443: no route to host. Check the network"
    assert {result.status for result in report.results[1:]} == {"skipped"}
    assert not silent.lists
    assert reports.lines(report, "findings")[:2] == [
        "cluster:",
        "  error   AMB0101 API server answers: https://10.0.0.1:6443",
    ]
    assert len(reports.lines(report, "findings")) == 10


def test_a_cluster_that_does_not_answer_is_told_though_another_check_was_asked_for(world: Any) -> None:
    silent = world()
    silent.failure = AmbientError("no route to host")
    selection = Selection(phases=(Phase.PRE,), only=("AMB0203",))
    report = run_checks(CHECKS, selection, Context(Snapshot(silent), Wishes()))

    assert [(result.check.code, result.status) for result in report.results] == [
        ("AMB0101", "error"),
        ("AMB0203", "skipped"),
    ]


def test_each_kind_is_listed_at_most_once(world: Any, installation: Any) -> None:
    counting = world(*installation())
    run_checks(CHECKS, Selection(phases=tuple(Phase)), Context(Snapshot(counting), Wishes(version="1.31.0")))

    assert counting.lists
    assert set(counting.lists.values()) == {1}


def test_only_and_skip_take_codes_and_categories(world: Any) -> None:
    checks = (check("X1", Outcome(), category="a"), check("X2", Outcome(), category="b"), check("X3", Outcome()))
    only = run(world(), *checks, only=("a", "X3"))
    skip = run(world(), *checks, skip=("b",))

    assert [result.check.code for result in only.results] == ["X1", "X3"]
    assert [(result.status, result.detail) for result in skip.results] == [
        ("pass", ""),
        ("skipped", "on request"),
        ("pass", ""),
    ]


def test_a_word_that_selects_nothing_is_refused(world: Any) -> None:
    with pytest.raises(AmbientError) as caught:
        run_checks(CHECKS, Selection(phases=(Phase.PRE,), only=("other-mesh",)), Context(Snapshot(world()), Wishes()))

    assert (
        str(caught.value) == "only: 'other-mesh' is neither a code nor a category of checks. Did you mean other-meshes?"
    )


def test_people_read_one_line_for_each_check_and_what_to_do(world: Any) -> None:
    report = run(
        world(),
        check("X1", Outcome(note="v1")),
        check("X2", Outcome([BAD, BAD])),
        check("X3", SkipError("no right to list Pod"), category="other"),
    )

    assert reports.lines(report) == [
        "some:",
        "  pass    X1 Title X1: v1",
        "  error   X2 Title X2: Thing a/b and 1 more",
        "other:",
        "  skipped X3 Title X3: no right to list Pod",
        "",
        "findings:",
        *(
            [
                "  error X2 Thing a/b",
                "    is bad",
                "    do: Make it good",
                "    see: https://github.com/alauda/ansible-collection-ambient/blob/main/docs/checks/X2.md",
            ]
            * 2
        ),
        "",
        "3 checks: 1 pass, 1 error, 1 skipped",
    ]
    assert reports.lines(report, "findings")[:2] == ["some:", "  error   X2 Title X2: Thing a/b and 1 more"]
    assert reports.refusal(report.findings) == "X2 Thing a/b: is bad. Make it good (1 more above)"


def test_all_is_well_in_one_line(world: Any) -> None:
    report = run(world(), check("X1", Outcome(note="v1")))

    assert reports.lines(report, "findings") == ["1 checks: 1 pass"]


def test_programs_get_the_same(world: Any) -> None:
    data = reports.as_dict(run(world(), check("X1", Outcome([BAD]))))

    assert data == {
        "ok": False,
        "summary": "1 checks: 1 error",
        "checks": [{"code": "X1", "category": "some", "title": "Title X1", "status": "error", "detail": ""}],
        "findings": [
            {
                "code": "X1",
                "severity": "error",
                "category": "some",
                "object": "Thing a/b",
                "message": "is bad",
                "hint": "Make it good",
                "url": "https://github.com/alauda/ansible-collection-ambient/blob/main/docs/checks/X1.md",
            }
        ],
    }
