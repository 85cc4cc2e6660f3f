# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on the terminal: quick tasks say nothing, long ones say what and for how long."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.progress import Progress
from ansible_collections.alauda.ambient.plugins.plugin_utils import progress


class Screen:
    """Notes what is displayed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, line: str) -> None:
        """Note it."""
        self.lines.append(line.split(" s  ", 1)[1])


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    found = Screen()
    monkeypatch.setattr(progress, "Display", lambda: found)
    return found


def watch(path: Path, seconds: float) -> None:
    ended = threading.Event()
    timer = threading.Timer(seconds, ended.set)
    timer.start()
    progress._watch(path, ended)


def test_a_quick_task_says_nothing(screen: Screen, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Progress(str(tmp_path / "file")).say("reading")
    watch(tmp_path / "file", 0.7)
    assert screen.lines == []


def test_a_long_task_says_each_step_once_and_repeats_the_last(
    screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUICK", 0.2)
    monkeypatch.setattr(progress, "QUIET", 0.8)
    says = Progress(str(tmp_path / "file"))
    says.say("reading\nthe mesh")
    says.say("enrolling")
    watch(tmp_path / "file", 1.7)
    assert screen.lines == ["reading the mesh", "enrolling", "still: enrolling"]


def test_a_file_that_cannot_be_written_costs_the_line_only(tmp_path: Path) -> None:
    says = Progress(str(tmp_path / "none" / "file"))
    says.say("one")
    says.say("two")
    Progress(None).say("three")
    assert list(tmp_path.iterdir()) == []
