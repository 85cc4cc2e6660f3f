# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: outcome, lines for people, the file, and the one line of a failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.verify import facts, installed, report
from ansible_collections.alauda.ambient.plugins.module_utils.verify.declared import Declared
from ansible_collections.alauda.ambient.plugins.module_utils.verify.report import Installed
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import (
    Checked,
    Verdict,
    by_namespace,
    failed,
    not_asked,
    not_proven,
    outcome,
    passed,
    shorten,
    skipped,
)
from unit.plugins.module_utils.verify.verify_cluster import World
from unit.plugins.module_utils.verify.verify_world import sound

GOOD = Checked("a", "Pods run", passed("2 pods"))
BAD = Checked("b", "Nodes are covered", failed("node-b has no pod", "See the DaemonSet"))
OPEN = Checked("c", "Traffic is encrypted", not_proven("the stand-in carries it"))
OUT = Checked("d", "Two nodes", skipped("there is one node"))
IDLE = Checked("e", "Waypoints are ready", not_asked("no waypoint is declared"))


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        ([GOOD], "verified"),
        ([GOOD, OPEN], "partly-proven"),
        ([GOOD, OUT], "partly-proven"),
        ([GOOD, OPEN, BAD], "failed"),
        ([], "partly-proven"),
        ([GOOD, IDLE], "verified"),
        ([IDLE], "partly-proven"),
    ],
)
def test_outcome(checked: list[Checked], expected: str) -> None:
    assert outcome(checked) == expected


def test_lines_are_plain() -> None:
    what = Installed({"istio": "1.31.0"}, [{"name": "pilot", "digest": "sha256:1", "source": "built"}], ["shop"])
    assert report.as_lines(what, [GOOD, BAD, OPEN, OUT], "default") == [
        "Mesh default: FAILED",
        "  installed   istio 1.31.0",
        "  image       pilot        sha256:1  (built)",
        "  enrolled    shop",
        "  PASS        Pods run: 2 pods",
        "  FAIL        Nodes are covered: node-b has no pod. See the DaemonSet",
        "  NOT PROVEN  Traffic is encrypted, because the stand-in carries it",
        "  SKIPPED     Two nodes, because there is one node",
        "  1 passed, 1 failed, 1 not proven, 1 skipped",
    ]


def test_the_line_of_a_failure_says_what_where_and_what_to_do() -> None:
    assert report.refusal([GOOD, BAD, BAD]) == (
        "Nodes are covered: no, node-b has no pod (and 1 more). See the DaemonSet"
    )
    assert report.refusal([GOOD, OPEN]) == ""


def test_the_file_has_the_promised_shape(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.json"
    report.write(str(path), report.as_data(Installed({"istio": "1"}, [], ["shop"]), [GOOD, OPEN]))
    assert json.loads(path.read_text()) == {
        "outcome": "partly-proven",
        "versions": {"istio": "1"},
        "images": [],
        "namespaces": ["shop"],
        "checks": [
            {"id": "a", "title": "Pods run", "result": "pass", "evidence": "2 pods"},
            {"id": "c", "title": "Traffic is encrypted", "result": "not-proven", "evidence": "the stand-in carries it"},
        ],
    }
    assert [entry.name for entry in path.parent.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AmbientError, match=r"report\.json: cannot be written"):
        report.write(str(tmp_path / "file" / "report.json"), {})


def test_images_are_what_runs_with_the_source_of_that_digest_only() -> None:
    images = {
        "ztunnel": {"digest": "sha256:" + "2" * 64, "source": "a binary"},
        "install-cni": {"digest": "sha256:other", "source": "wrong"},
    }
    what = installed.read(World(), sound(), images, {"helm": "3.22.0"})
    assert dict(what.versions) == {"istio": "1.31.0", "kubernetes": "v1.34.4", "helm": "3.22.0"}
    found = {image["name"]: image for image in what.images}
    assert found["ztunnel"] == {"name": "ztunnel", "digest": "sha256:" + "2" * 64, "source": "a binary"}
    assert found["install-cni"]["source"] == "docker.io/istio/install-cni:1"


def test_facts_of_a_world_are_read() -> None:
    found = facts.gather(World(), Declared())
    assert found.workloads.value == {}
    assert found.metrics.get()["node-a"].why.endswith("connection refused")
    assert found.stand_in.value == ""


def test_long_lists_are_cut() -> None:
    assert shorten("abc", 2) == "a, b and 1 more"
    assert Verdict("pass", "x").advice == ""


def test_what_nobody_asked_for_is_one_line() -> None:
    other = Checked("f", "Services are bound", not_asked("no waypoint is declared"))
    lines = report.as_lines(Installed({}, [], []), [IDLE, GOOD, other], "default")
    assert lines[-3:] == [
        "  PASS        Pods run: 2 pods",
        "  SKIPPED     Waypoints are ready; Services are bound, because no waypoint is declared",
        "  1 passed, 0 failed, 0 not proven, 2 skipped",
    ]


def test_all_that_is_wrong_in_a_namespace_is_told() -> None:
    troubles = {name: ["one", "two"] for name in "abc"}
    assert by_namespace(troubles, keep=2) == "a: one, two; b: one, two; and 1 more namespace"
