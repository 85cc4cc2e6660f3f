# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of the test suite, with the time of each, and count what passed.

Parts that need the cluster run one after the other, and beside them those that do not.

Usage: run.py [--all] [PART…]   a part's name, or the first word of several ("molecule", "molecule install")
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from parts import Command, Part, parts

CHECKOUT = Path(__file__).resolve().parents[1]
REPORTS = CHECKOUT / "build/reports"
RUNNING: set[subprocess.Popen[bytes]] = set()
STOPPED = threading.Event()
PRINTING = threading.Lock()


@dataclass
class Tally:
    """How many tests passed, failed and were skipped, and the seconds they took."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.seconds += other.seconds
        self.failures += other.failures

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def pytest_tally(report: Path) -> Tally:
    """Count the cases of a JUnit report; none at all counts as one failure."""
    try:
        suites = list(ET.parse(report).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return Tally(failed=1)
    total, bad, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites for key in keys)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    return Tally(passed=total - bad - skipped, failed=bad, skipped=skipped) if total else Tally(failed=1)


def say(text: str) -> None:
    with PRINTING:
        print(text, flush=True)


def execute(command: Command, environment: Mapping[str, str], output: IO[str] | None = None) -> int:
    """Run one command in a process group of its own, so that a time-out or an interrupt ends all of it."""
    process = subprocess.Popen(
        command.argv, cwd=CHECKOUT, env=environment, start_new_session=True, stdout=output, stderr=output
    )
    RUNNING.add(process)
    try:
        return process.wait(timeout=command.timeout)
    except subprocess.TimeoutExpired:
        say(f"{command.name}: ended after {command.timeout} s")
        end(process)
        return 124
    finally:
        RUNNING.discard(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, by force what has not gone within half a minute."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        os.killpg(process.pid, signal.SIGKILL)


def run_command(part: Part, command: Command, aside: bool) -> Tally:
    """Run one command and count it: a pytest run by its cases, anything else as one test.

    The output of what runs aside is shown when it has ended.
    """
    name = f"{part.name}: {command.name}"
    say(f"\n=== {name}{' (beside the others, its output follows)' if aside else ''}")
    report = REPORTS / f"{part.name}-{command.name}.xml".replace(" ", "-").replace("/", "-")
    environment = {**os.environ, **part.environment}
    if command.counts_cases:
        report.unlink(missing_ok=True)
        environment["PYTEST_ADDOPTS"] = f"--junit-xml={report} {os.environ.get('PYTEST_ADDOPTS', '')}"
    start = time.monotonic()
    text = ""
    if aside:
        with report.with_suffix(".log").open("w+") as log:
            status = execute(command, environment, log)
            log.seek(0)
            text = f"\n=== {name}: its output\n{log.read()}"
    else:
        status = execute(command, environment)
    if command.counts_cases:
        tally = pytest_tally(report)
        if status != 0 and not tally.failed:
            tally.failed = 1
    else:
        tally = Tally(passed=int(status == 0), failed=int(status != 0))
    tally.seconds = time.monotonic() - start
    tally.failures = [name] if tally.failed else []
    say(f"{text}--- {name}: {tally}, {tally.seconds:.0f} s")
    return tally


def run_part(part: Part, before: Mapping[str, Future[Tally]], aside: bool = False) -> Tally:
    """Run a part when those that it needs are through. If one has failed, its commands count as failed."""
    if part.when_green and any(future.result().failed for future in before.values()):
        return Tally()
    missing = [need for need in part.needs if need in before and before[need].result().failed]
    if missing:
        say(f"\n=== {part.name}: not run, because {', '.join(missing)} failed")
        return Tally(failed=len(part.commands), failures=[f"{part.name}: not run ({missing[0]} failed)"])
    tally = Tally()
    for command in part.commands:
        if not STOPPED.is_set():
            tally.add(run_command(part, command, aside))
    return tally


def run_all(selected: Sequence[Part], *, lanes: Mapping[str, ThreadPoolExecutor]) -> dict[str, Tally]:
    """Run the parts, each in its lane and every lane in its order. Interrupted: those that had ended."""
    futures: dict[str, Future[Tally]] = {}
    for part in selected:
        aside = "cluster" in lanes and part.lane == "desk"
        lane = lanes.get(part.lane, lanes["desk"])
        futures[part.name] = lane.submit(run_part, part, dict(futures), aside)
    try:
        return {name: future.result() for name, future in futures.items()}
    except KeyboardInterrupt:
        STOPPED.set()
        for lane in lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)
        for process in list(RUNNING):
            end(process)
        done = {name: future.result() for name, future in futures.items() if future.done() and not future.cancelled()}
        return {**done, "interrupted": Tally(failed=1, failures=["interrupted"])}


def chosen(names: Sequence[str], everything: bool) -> list[Part]:
    """The parts that are named, with those they need; without names all (the long ones only if asked for)."""
    if not names:
        return [part for part in parts(fresh=True) if everything or not part.long]
    by_name = {part.name: part for part in parts(fresh=False)}
    wanted: set[str] = set()
    for name in names:
        matches = [part.name for part in by_name.values() if name in (part.name, part.name.split()[0])]
        if not matches:
            sys.exit(f"No part of the tests is called {name}. The parts: {', '.join(by_name)}")
        pending = matches
        while pending:
            found = pending.pop()
            wanted.add(found)
            pending += by_name[found].needs
    return [part for part in by_name.values() if part.name in wanted]


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the parts of the test suite.")
    parser.add_argument("--all", action="store_true", help="also the long parts")
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these, and what they need")
    arguments = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    total = Tally()
    rows: list[str] = []
    # A whole run has two lanes. A few parts by name run one after the other, with their output as it comes.
    lanes = {lane: ThreadPoolExecutor(1) for lane in (("desk",) if arguments.parts else ("desk", "cluster"))}
    for name, tally in run_all(chosen(arguments.parts, arguments.all), lanes=lanes).items():
        rows.append(f"{name:<20} {tally.seconds:>6.0f} s   {tally}")
        total.add(tally)
    print("\n" + "\n".join(rows))
    print(f"{'all':<20} {time.monotonic() - start:>6.0f} s")
    for failure in total.failures:
        print(f"failed: {failure}")
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
