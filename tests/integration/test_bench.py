# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`, small: it measures, writes its file, and judges by the bars."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import bench, report
from bench.tools import COMMAND, KUBECTL, MODULE, RAW, BenchError, Sample, measured


def test_a_small_bench_measures_and_writes_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bench.json"
    small = ["--sizes", "30", "--tools", "raw", "--ours", "module", "--settle", "0", "--skip-growth"]
    document = tmp_path / "engine.md"
    document.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    assert (
        bench.main([*small, "--dir", str(tmp_path / "work"), "--output", str(output), "--document", str(document)]) == 0
    )
    rows = json.loads(output.read_text())
    assert [(row["case"], row["ours"], row["tool"]) for row in rows] == [
        ("create-30", "module", "raw"),
        ("unchanged-30", "module", "raw"),
        ("one-percent-30", "module", "raw"),
    ]
    assert all(row["seconds"] > 0 and row["ratio"] > 0 for row in rows)
    assert "create-30 " in document.read_text() and "old" not in document.read_text()
    assert document.read_text().endswith("<!-- /bench -->\nafter\n")
    told = capsys.readouterr().out
    assert "create-30 by module: " in told and "0 bars missed" in told


def test_bars_are_those_of_the_design() -> None:
    samples = {
        ("unchanged-3000", MODULE): Sample(2.0),
        ("unchanged-3000", COMMAND): Sample(4.0),
        ("unchanged-3000", KUBECTL): Sample(19.0),
        ("create-3000", MODULE): Sample(12.5),
        ("create-3000", RAW): Sample(10.0),
    }
    rows = {(row.case, row.ours, row.tool): row for row in report.rows(samples)}
    assert not rows["unchanged-3000", MODULE, KUBECTL].met
    assert rows["unchanged-3000", COMMAND, KUBECTL].met
    assert rows["create-3000", MODULE, RAW].met
    assert "NOT MET" in "\n".join(report.table(list(rows.values())))


def test_growth_is_told_by_number_of_objects() -> None:
    growth = {300: {"create": Sample(1.5, 60.0), "unchanged": Sample(0.5, 70.0)}}
    assert report.growth_table(growth)[1].split() == ["300", "1.50", "s", "0.50", "s", "5.00", "70", "MB"]


def test_rows_of_another_run_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    report.write(path, [report.Row("site", COMMAND, "istioctl", 10.0, 1.5)])
    report.write(path, [report.Row("create-600", MODULE, RAW, 1.0, 1.2)])
    report.write(path, [report.Row("create-600", MODULE, RAW, 2.0, 1.1)])
    assert [(row["case"], row["seconds"]) for row in json.loads(path.read_text())] == [
        ("site", 10.0),
        ("create-600", 2.0),
    ]


def test_a_tool_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="sh ended with 3:\nno luck"):
        measured(["/bin/sh", "-c", "echo no luck; exit 3"], tmp_path / "log")


def test_the_bench_of_the_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bench.json"
    status = bench.main(["--guard", "5,20,3", "--dir", str(tmp_path / "work"), "--output", str(output)])

    (row,) = json.loads(output.read_text())
    assert (row["case"], row["ours"], row["tool"]) == ("pre", "check", "lists")
    assert row["seconds"] > 0
    told = capsys.readouterr().out
    assert "LISTs, none twice" in told
    assert status == (0 if row["ratio"] <= 1.5 else 1)
