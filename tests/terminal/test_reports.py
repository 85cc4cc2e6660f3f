# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks say of a success under the default callback: plain lines, short, the whole in a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from world import World, play


@pytest.fixture(scope="module")
def part(world: World) -> World:
    return world.part("reports")


def after(text: str, task_name: str) -> list[str]:
    """The lines that follow the heading of a task, to the next heading."""
    dummy, dummy, rest = text.partition(f"{task_name}] ")
    return re.split(r"\n(?:TASK|PLAY) ", rest)[0].splitlines()[1:]


def require_plain(text: str) -> None:
    assert '"msg"' not in text
    assert "\\n" not in text
    assert "=> {" not in text
    assert max(map(len, text.splitlines())) < 250


def test_check_reports_each_check_in_a_line(part: World) -> None:
    outcome = play(part, "alauda.ambient.check", part.good)
    assert outcome.status == 0, outcome.text
    require_plain(outcome.text)
    assert re.search(r"^ +pass +AMB0101 API server answers: v1\.\d+", outcome.text, re.MULTILINE)
    assert re.search(r"^ +\d+ checks: \d+ pass", outcome.text, re.MULTILINE)


def test_render_says_how_many_files_and_where(part: World) -> None:
    first = play(part, "alauda.ambient.render", part.good)
    again = play(part, "alauda.ambient.render", part.good)
    require_plain(first.text + again.text)
    written = list(Path(part.good["ambient_render_dir"]).rglob("*.yaml"))
    assert written
    assert part.good["ambient_render_dir"] in "\n".join(after(first.text, "Write the tree"))
    assert re.search(r"changed=1 .*failed=0", first.text)
    assert re.search(r"changed=0 .*failed=0", again.text)


def test_foreseen_install_is_a_count_and_the_whole_list_is_in_a_file(part: World) -> None:
    outcome = play(part, "alauda.ambient.site", part.good, "--check")
    assert outcome.status == 0, outcome.text
    require_plain(outcome.text)
    lines = after(outcome.text, "Plan what has to be written")
    (count,) = (int(match[1]) for line in lines if (match := re.fullmatch(r" +(\d+) to create", line)))
    (report,) = (Path(match[1]) for line in lines if (match := re.fullmatch(r" +all of them: (.+)", line)))
    assert len(lines) < 20
    listed = [entry["action"] for entry in json.loads(report.read_text())["objects"]]
    assert listed.count("created") == count
    assert part.api.writes() == []
