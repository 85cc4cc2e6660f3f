# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the test suite, in the order they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

PYTHON = ".venv/bin/python"
CLUSTER = {"AMBIENT_DIR": str(Path(__file__).resolve().parents[1] / "build/test")}
ENVIRONMENT = (PYTHON, "tests/environment/env.py")
ROUTING = "tests/cluster/test_routing_client.py"
SPEED = "test_*_speed.py"
ORACLE = ("tests/cluster/test_oracle.py", "tests/cluster/test_oracle_ztunnel.py")
# Seconds. CI ends a run after 90 minutes, and nothing of it counts then: on a slow machine the last parts are left out.
TIME_FOR_ALL, TIME_FOR_CLUSTER, TIME_FOR_ADOPTION = 3600.0, 4000.0, 4400.0
TEST_CLUSTER = ("--name", "ambient-test", "--dir", "build/test")


@dataclass(frozen=True)
class Command:
    """One command of a part. `counts_cases`: it is a pytest run, and its cases are counted."""

    name: str
    argv: tuple[str, ...]
    timeout: int = 900  # seconds
    counts_cases: bool = False


@dataclass(frozen=True)
class Part:
    """Commands that belong together, the parts without which they make no sense, and their environment.

    `beside`: it runs at the same time as the first of these parts that was asked for, and prints at the end of that
    one; where none was, by itself.
    """

    name: str
    commands: tuple[Command, ...]
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    long: bool = False  # only in `make test-all`
    when_green: bool = False  # left out where something has failed, so that it can be looked at
    beside: tuple[str, ...] = ()
    within: float = 0  # seconds: left out, and said so, where a run of all parts has taken longer by then


def tool(name: str, *arguments: str) -> Command:
    return Command(" ".join((name, *arguments)), (f".venv/bin/{name}", *arguments))


def pytest(*paths: str, timeout: int = 1800) -> Command:
    return Command("pytest", (PYTHON, "-m", "pytest", *paths), timeout=timeout, counts_cases=True)


def playbook(name: str) -> Command:
    return Command(name, (".venv/bin/ansible-playbook", f"playbooks/{name}"))


def molecule(scenario: str) -> Command:
    return Command(scenario, (".venv/bin/molecule", "test", "--scenario-name", scenario), timeout=1800)


def parts(*, fresh: bool) -> tuple[Part, ...]:
    """All parts in their order; `fresh`: the test cluster is made anew."""
    return (
        Part(
            "lint",
            (
                tool("ruff", "check"),
                tool("ruff", "format", "--check"),
                tool("mypy", "-p", "ansible_collections.alauda.ambient.plugins"),
                tool("yamllint", "--strict", "."),
                tool("ansible-lint"),
                tool("antsibull-changelog", "lint"),
                tool(
                    "antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "all", "."
                ),
            ),
        ),
        Part(
            "lint sanity",  # as long as all of lint: in a whole run beside what leaves a core idle
            (Command("ansible-test sanity", ("nice", "-n", "10", PYTHON, "tests/setup/sanity.py"), timeout=1800),),
            beside=("integration", "lint"),
        ),
        Part("unit", (pytest("tests/unit", "tests/docs", f"--ignore-glob=*/{SPEED}"),), beside=("lint",)),
        Part("speed", (pytest("tests/unit", "-o", f"python_files={SPEED}"),)),  # beside nothing: it measures
        Part("toolchain", (Command("build", (*ENVIRONMENT, "toolchain"), timeout=5400),)),
        Part("stand-in", (pytest("tests/environment/ztunnel_standin"),), needs=("toolchain",)),
        Part("integration", (pytest("tests/integration"),), needs=("toolchain",)),
        Part(
            "integration-long",
            (pytest("tests/integration/test_faults_real.py", "tests/integration/test_foreign_edits.py"),),
            needs=("toolchain",),
            environment={"AMBIENT_LONG": "1"},
            long=True,
        ),
        Part("terminal", (pytest("tests/terminal"),), needs=("toolchain",)),
        Part(
            "parity",
            (pytest("tests/parity", "--ignore=tests/parity/test_parity_1_30.py"),),
            needs=("toolchain",),
        ),
        Part("parity-1.30", (pytest("tests/parity/test_parity_1_30.py"),), needs=("toolchain",), long=True),
        Part(
            "environment",
            (
                Command("cluster", (*ENVIRONMENT, "up", *TEST_CLUSTER, *(["--replace"] if fresh else []))),
                playbook("images.yml"),
                Command("shop", (*ENVIRONMENT, "shop", "--dir", "build/test")),
            ),
            needs=("toolchain",),
            environment=CLUSTER,
        ),
        Part("molecule install", (molecule("install"),), needs=("environment",), environment=CLUSTER),
        Part("molecule engine", (molecule("engine"),), needs=("environment",), environment=CLUSTER),
        Part("packaging", (pytest("tests/packaging"),), needs=("environment",), environment=CLUSTER),
        Part(
            "cluster",
            (pytest("tests/cluster", f"--ignore={ROUTING}"),),
            needs=("environment",),
            environment=CLUSTER,
            within=TIME_FOR_CLUSTER,
        ),
        Part(
            "molecule adoption",
            (molecule("adoption"),),
            needs=("environment",),
            environment=CLUSTER,
            within=TIME_FOR_ADOPTION,
        ),
        Part("kills", (pytest("tests/kills"),), needs=("environment",), environment=CLUSTER, within=TIME_FOR_ALL),
        Part("molecule guard", (molecule("guard"),), needs=("environment",), environment=CLUSTER, within=TIME_FOR_ALL),
        Part(
            "oracle",
            (pytest(*ORACLE),),
            needs=("environment",),
            environment={**CLUSTER, "AMBIENT_ORACLE_CASES": "300"},
            long=True,
        ),
        Part("cluster-long", (pytest(ROUTING),), needs=("environment",), environment=CLUSTER, long=True),
        Part(
            "kills-all",
            (pytest("tests/kills", timeout=3600),),
            needs=("environment",),
            environment={**CLUSTER, "AMBIENT_KILLS": "20"},
            long=True,
        ),
        Part("molecule waypoints", (molecule("waypoints"),), needs=("environment",), environment=CLUSTER, long=True),
        Part("molecule policies", (molecule("policies"),), needs=("environment",), environment=CLUSTER, long=True),
        Part("lifecycle", (pytest("tests/lifecycle"),), needs=("toolchain",), long=True),
        Part("clean-up", (Command("cluster", (*ENVIRONMENT, "down", *TEST_CLUSTER)),), when_green=True),
    )
