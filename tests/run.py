# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of the test suite one after the other, with the time of each, and count what passed.

Usage: run.py [--all] [PART…]   a part's name, or the first word of several ("molecule", "molecule install")
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from parts import Command, Part, parts

CHECKOUT = Path(__file__).resolve().parents[1]
REPORTS = CHECKOUT / "build/reports"
LONGEST = 300  # characters of what a failed case says at the end
RUNNING: set[subprocess.Popen[bytes]] = set()


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


def failed_cases(report: Path) -> list[str]:
    """The failed cases of a JUnit report, each with the first line of what was wrong; none without a report."""
    try:
        cases = list(ET.parse(report).getroot().iter("testcase"))
    except (OSError, ET.ParseError):
        return []
    found = [(case, bad) for case in cases for bad in case if bad.tag in ("failure", "error")]
    return [f"{case.get('name')}: {(bad.get('message') or bad.tag).splitlines()[0][:LONGEST]}" for case, bad in found]


def execute(command: Command, environment: dict[str, str], output: IO[str] | None = None) -> int:
    """Run one command in a process group of its own, so that a time-out or an interrupt ends all of it."""
    process = subprocess.Popen(
        command.argv, cwd=CHECKOUT, env=environment, start_new_session=True, stdout=output, stderr=output
    )
    RUNNING.add(process)
    try:
        return process.wait(timeout=command.timeout)
    except subprocess.TimeoutExpired:
        print(f"{command.name}: ended after {command.timeout} s", file=output, flush=True)
        return 124
    finally:
        end(process)
        RUNNING.discard(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def run_command(part: Part, command: Command, output: IO[str] | None = None) -> Tally:
    """Run one command and count it: a pytest run by its cases, anything else as one test."""
    print(f"\n=== {part.name}: {command.name}", file=output, flush=True)
    report = REPORTS / f"{part.name}-{command.name}.xml".replace(" ", "-").replace("/", "-")
    environment = {**os.environ, **part.environment}
    report.unlink(missing_ok=True)
    environment["PYTEST_ADDOPTS"] = f"{os.environ.get('PYTEST_ADDOPTS', '')} --junit-xml={report}"  # molecule's, too
    start = time.monotonic()
    status = execute(command, environment, output)
    seconds = time.monotonic() - start
    if command.counts_cases:
        tally = pytest_tally(report)
        if status != 0 and not tally.failed:
            tally.failed = 1
    else:
        tally = Tally(passed=int(status == 0), failed=int(status != 0))
    tally.seconds = seconds
    if tally.failed:
        tally.failures = [f"{part.name}: {command.name}", *(f"  {case}" for case in failed_cases(report))]
    print(f"--- {part.name}: {command.name}: {tally}, {seconds:.0f} s", file=output, flush=True)
    return tally


def run_part(part: Part, broken: set[str], output: IO[str] | None = None) -> Tally:
    """Run a part, unless one that it needs has failed: then its commands count as failed."""
    tally = Tally()
    missing = [need for need in part.needs if need in broken]
    if missing:
        print(f"\n=== {part.name}: not run, because {', '.join(missing)} failed", file=output, flush=True)
        return Tally(failed=len(part.commands), failures=[f"{part.name}: not run ({missing[0]} failed)"])
    for command in part.commands:
        tally.add(run_command(part, command, output))
    return tally


def together(wanted: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts in their order, each with those that run beside it."""
    names = {part.name for part in wanted}
    host = {part.name: next((name for name in part.beside if name in names), "") for part in wanted}
    for part in wanted:
        if not host[part.name]:
            yield [part, *(other for other in wanted if host[other.name] == part.name)]


def run_group(group: Sequence[Part], broken: set[str]) -> list[Tally]:
    """Run parts at the same time; the first prints as it goes, the others when it is through."""
    first, *others = group
    logs = [REPORTS / f"{part.name}.log" for part in others]

    def logged(part: Part, log: Path) -> Tally:
        with log.open("w") as output:
            return run_part(part, broken, output)

    with ThreadPoolExecutor(max(1, len(others))) as pool:
        try:
            if others:
                print(f"\n=== beside {first.name}: {', '.join(part.name for part in others)}", flush=True)
            started = [pool.submit(logged, part, log) for part, log in zip(others, logs, strict=True)]
            tally = run_part(first, broken)
            tallies = [tally, *(future.result() for future in started)]
        except KeyboardInterrupt:
            for process in list(RUNNING):
                end(process)
            raise
    for log in logs:
        print(log.read_text(errors="replace"), end="", flush=True)
    return tallies


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


def late(part: Part, seconds: float, asked_for: bool) -> bool:
    """Whether the run has taken too long for a part that was not asked for: CI ends it, and all would be lost."""
    return bool(part.within) and seconds > part.within and not asked_for


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the parts of the test suite.")
    parser.add_argument("--all", action="store_true", help="also the long parts")
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these, and what they need")
    arguments = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    total, start = Tally(), time.monotonic()
    rows: list[str] = []
    broken: set[str] = set()
    try:
        for group in together(chosen(arguments.parts, arguments.all)):
            if group[0].when_green and broken:
                continue
            if late(group[0], time.monotonic() - start, arguments.all or bool(arguments.parts)):
                reason = f"left out after {time.monotonic() - start:.0f} s; `make test-all` runs it"
                print(f"\n=== {group[0].name}: {reason}", flush=True)
                rows.append(f"{group[0].name:<20} {reason}")
                total.add(Tally(skipped=len(group[0].commands)))
                continue
            for part, tally in zip(group, run_group(group, broken), strict=True):
                if tally.failed:
                    broken.add(part.name)
                rows.append(f"{part.name:<20} {tally.seconds:>6.0f} s   {tally}")
                total.add(tally)
    except KeyboardInterrupt:
        total.add(Tally(failed=1, failures=["interrupted"]))
    print("\n" + "\n".join(rows))
    print(f"{'all, by the clock':<20} {time.monotonic() - start:>6.0f} s")
    for failure in total.failures:
        print(failure if failure.startswith("  ") else f"failed: {failure}")
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
