# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of the test suite: what it counts, what it leaves out, how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import run
from parts import Command, Part, parts

CHECKOUT = Path(__file__).resolve().parents[2]
REPORT = '<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1"/></testsuites>'
GOOD = Command("good", (sys.executable, "-c", "pass"))
BAD = Command("bad", (sys.executable, "-c", "raise SystemExit(3)"))


def test_cases_of_a_report_are_counted(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    assert str(run.pytest_tally(tmp_path / "report.xml")) == "2 passed, 2 failed, 1 skipped"


@pytest.mark.parametrize("text", ["", '<testsuites><testsuite tests="0"/></testsuites>'])
def test_a_run_without_cases_has_failed(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.xml").write_text(text)
    assert run.pytest_tally(tmp_path / "report.xml").failed == 1
    assert run.pytest_tally(tmp_path / "none.xml").failed == 1


def test_a_failed_case_is_named_at_the_end_with_what_was_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = tmp_path / "test_it.py"
    test.write_text("def test_good():\n    pass\n\n\ndef test_bad():\n    assert 1 == 2, 'no good'\n")
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    argv = (sys.executable, "-m", "pytest", "-q", str(test))
    for counts in (True, False):
        tally = run.run_part(Part("part", (Command("it", argv, counts_cases=counts),)), set())
        assert tally.failures == ["part: it", "  test_bad: AssertionError: no good"]
    assert run.failed_cases(tmp_path / "none.xml") == []


def test_each_command_counts_and_a_failure_does_not_stop_the_part() -> None:
    tally = run.run_part(Part("part", (BAD, GOOD)), set())
    assert str(tally) == "1 passed, 1 failed"
    assert tally.failures == ["part: bad"]


def test_a_part_whose_need_has_failed_counts_as_failed() -> None:
    tally = run.run_part(Part("part", (GOOD, GOOD), needs=("cluster",)), {"cluster"})
    assert str(tally) == "0 passed, 2 failed"


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    assert run.execute(Command("hangs", (sys.executable, "-c", script), timeout=1), {}) == 124


def test_named_parts_bring_what_they_need_and_keep_the_order() -> None:
    assert [part.name for part in run.chosen(["molecule"], False)] == [
        "toolchain",
        "environment",
        "molecule install",
        "molecule engine",
        "molecule adoption",
        "molecule guard",
        "molecule waypoints",
        "molecule policies",
    ]


def test_long_parts_run_only_when_asked_for() -> None:
    short = {part.name for part in run.chosen([], False)}
    every = {part.name for part in run.chosen([], True)}
    assert every - short == {part.name for part in parts(fresh=True) if part.long}
    assert every - short


def test_an_unknown_part_is_answered_with_the_list() -> None:
    with pytest.raises(SystemExit, match=r"called mole\. The parts: lint, lint sanity, unit"):
        run.chosen(["mole"], False)


def test_every_need_is_a_part_that_runs_before() -> None:
    seen: set[str] = set()
    for part in parts(fresh=True):
        assert set(part.needs) <= seen
        seen.add(part.name)


def test_the_run_closes_with_its_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = Part("after", (GOOD,), when_green=True)
    monkeypatch.setattr(run, "chosen", lambda names, everything: [Part("a", (GOOD, BAD)), Part("b", (GOOD,)), after])
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert run.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "2 passed, 1 failed"
    assert lines[-2] == "failed: a: bad"


def test_parts_beside_each_other_run_at_the_same_time_and_print_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each waits for the other's file: one after the other, neither would ever end."""
    script = "import pathlib, sys, time; mine, other = map(pathlib.Path, sys.argv[1:]); mine.touch()\n"
    script += "while not other.exists(): time.sleep(0.01)\nprint('said by', mine.name)"
    paths = [str(tmp_path / name) for name in ("one", "two")]
    meet = [Command("meet", (sys.executable, "-c", script, *each), timeout=60) for each in (paths, paths[::-1])]
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    wanted = [Part("one", (meet[0],)), Part("two", (meet[1], BAD), beside=("one",)), Part("three", (GOOD,))]

    groups = list(run.together(wanted))

    assert [[part.name for part in group] for group in groups] == [["one", "two"], ["three"]]
    assert [str(tally) for tally in run.run_group(groups[0], set())] == ["1 passed, 0 failed", "1 passed, 1 failed"]
    printed = capfd.readouterr().out
    order = ["=== beside one: two", "said by one", "--- one: meet", "=== two: meet", "said by two", "--- two: bad"]
    assert sorted(map(printed.index, order)) == list(map(printed.index, order))


def groups(*names: str) -> list[list[str]]:
    return [[part.name for part in group] for group in run.together(run.chosen(names, False))]


def test_a_part_that_is_asked_for_alone_runs_beside_none() -> None:
    assert groups("unit") == [["unit"]]
    assert groups("unit", "speed") == [["unit"], ["speed"]]
    assert groups("lint sanity") == [["lint sanity"]]


def test_sanity_is_a_part_of_lint_and_runs_beside_the_integration_tests_where_these_run() -> None:
    assert groups("lint") == [["lint", "lint sanity"]]
    assert groups("lint", "speed") == [["lint", "lint sanity"], ["speed"]], "speed runs beside nothing"
    every = groups()
    assert ["lint", "unit"] in every and ["integration", "lint sanity"] in every
    assert [name for group in every for name in group].count("lint sanity") == 1


def test_what_runs_beside_a_part_needs_no_more_than_that_one_and_has_nothing_beside_itself() -> None:
    by_name = {part.name: part for part in parts(fresh=True)}
    for part in by_name.values():
        for host in (by_name[name] for name in part.beside):
            assert set(part.needs) <= set(host.needs) and not host.beside and not host.long


def test_a_failure_of_what_runs_beside_others_is_shown_and_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    says = Command("says", (sys.executable, "-c", "print('plugins/x.py: E1: no'); raise SystemExit(1)"))
    wanted = [Part("a", (GOOD,)), Part("a sanity", (says,), beside=("a",)), Part("b", (GOOD,))]
    monkeypatch.setattr(run, "chosen", lambda names, everything: wanted)
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert run.main() == 1
    printed = capfd.readouterr().out
    assert "plugins/x.py: E1: no" in printed
    assert printed.splitlines()[-2:] == ["failed: a sanity: says", "2 passed, 1 failed"]


def test_help_is_the_default_and_names_the_targets() -> None:
    shown = subprocess.run(["make"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "demo-down", "test", "test-all", "lint", "unit", "molecule", "cluster", "help"):
        assert f" {target} " in shown


def test_what_the_time_does_not_allow_is_left_out_unless_it_was_asked_for() -> None:
    part = Part("slow", (GOOD,), within=60)
    assert run.late(part, 61, asked_for=False)
    assert not run.late(part, 59, asked_for=False)
    assert not run.late(part, 61, asked_for=True)
    assert not run.late(Part("always", (GOOD,)), 9999, asked_for=False)
