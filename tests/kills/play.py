# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of site.yml as a process that can be killed, alone or with everything that it has started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
_TASK = re.compile(r"^TASK \[(.+?)\]", re.MULTILINE)
_RECAP = re.compile(r"changed=(\d+)")


@dataclass(frozen=True)
class Process:
    """A process; its start time tells it from a later one of the same id."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs (one that has ended and was not waited for does not)."""
        found = _stat(self.pid)
        return found is not None and found[2] == self.started and found[0] != "Z"


class Play:
    """A command, started at once, in a process group of its own; what it says stands in the file `output`."""

    def __init__(self, command: Sequence[str | Path], output: Path) -> None:
        self.output = output
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "false"}
        with output.open("w") as said:
            self._process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=environment,
                stdout=said,
                stderr=said,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.begun = time.time()
        self.seconds = 0.0

    @classmethod
    def of(cls, playbook: str, variables: dict[str, Any], folder: Path) -> Play:
        """A playbook of this collection."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [str(CHECKOUT / ".venv/bin/ansible-playbook"), f"playbooks/{playbook}", "-e", json.dumps(variables)]
        return cls(command, folder / f"{Path(playbook).stem}.txt")

    def wait(self, seconds: float) -> int | None:
        """The exit status, None while it still runs after so many seconds."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.seconds = self.seconds or time.time() - self.begun
        return status

    def kill_parent(self) -> list[Process]:
        """SIGKILL for ansible-playbook alone; what it leaves behind, which goes on by itself."""
        children = self.descendants()
        self._process.kill()
        self._process.wait()
        return [child for child in children if child.alive]

    def kill_everything(self) -> None:
        """SIGKILL for the process group, and for those that Ansible gives to its workers: nothing goes on."""
        pids: list[int] = []
        while True:  # stopped first, so that none starts another meanwhile
            new = [pid for pid in (self._process.pid, *(p.pid for p in self.descendants())) if pid not in pids]
            if not new:
                break
            for pid in new:
                _signal(pid, signal.SIGSTOP)
            pids += new
        groups = set()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                groups.add(os.getpgid(pid))
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._process.wait()

    def descendants(self) -> list[Process]:
        """All that it has started, directly or not, and that still has a living line to it."""
        children: dict[int, list[Process]] = {}
        for pid, parent, started in _processes():
            children.setdefault(parent, []).append(Process(pid, started))
        found, pending = [], [self._process.pid]
        while pending:
            below = children.get(pending.pop(), [])
            found += below
            pending += [child.pid for child in below]
        return found

    @property
    def text(self) -> str:
        """All that it has said so far."""
        return self.output.read_text(errors="replace")

    @property
    def task(self) -> str:
        """The task that ran last."""
        return [str(name) for name in ["before the first task", *_TASK.findall(self.text)]][-1]

    @property
    def changed(self) -> int:
        """How many tasks have changed something."""
        match = _RECAP.search(self.text)
        assert match, self.end()
        return int(match[1])

    def end(self) -> str:
        """Its last lines."""
        return "\n".join(self.text.splitlines()[-40:])


def wait_until_gone(processes: list[Process], seconds: float) -> list[Process]:
    """Those that still run after so many seconds."""
    deadline = time.monotonic() + seconds
    while (left := [process for process in processes if process.alive]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _stat(pid: int) -> tuple[str, int, str] | None:
    """State, parent and start time."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), fields[19]


def _processes() -> Iterator[tuple[int, int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            found = _stat(int(entry.name))
            if found is not None:
                yield int(entry.name), found[1], found[2]
