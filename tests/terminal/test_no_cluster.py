# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook that has looked at no cluster is never green."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from world import CHECKOUT, INVENTORY, Outcome, environment

PLAYBOOKS = sorted(path.stem for path in (CHECKOUT / "playbooks").glob("*.yml"))
NO_HOSTS = (
    "the inventory has no hosts, so there is no cluster to work on. Give one with -i, such as: ansible-playbook -i"
)
WHOLE = "leaves nothing to do, for the playbook has no tags and runs as a whole. "


@dataclass(frozen=True)
class Case:
    """How a playbook is called, and what must then be said."""

    playbook: str
    options: str
    says: str

    @property
    def id(self) -> str:
        """For people."""
        return f"{self.playbook} {self.options}".strip()


CASES = [
    *(Case(name, "", NO_HOSTS) for name in PLAYBOOKS if name != "cluster"),
    *(Case(name, "-i hosts.yml --tags nothing", f"--tags nothing: {WHOLE}") for name in PLAYBOOKS),
    Case("check", "-i empty.yml", NO_HOSTS),
    Case("check", "-i missing.yml", NO_HOSTS),
    Case("check", "--limit east", NO_HOSTS),
    Case("check", "-i hosts.yml --limit west", "--limit leaves us with no hosts to target"),  # Ansible's own
    Case("check", "-i hosts.yml --limit localhost", "--limit leaves us with no hosts to target"),
    Case("check", "-i hosts.yml --skip-tags all", f"--skip-tags all: {WHOLE}"),
    Case("check", "-i hosts.yml --tags always", f"--tags always: {WHOLE}"),
    Case("check", "-i hosts.yml --tags a,b --skip-tags c", f"--tags a,b --skip-tags c: {WHOLE}"),
    Case("check", "-i hosts.yml --tags a --skip-tags always", "--skip-tags always: takes out the tasks that refuse"),
    Case("cluster", "--tags a --skip-tags always", "--skip-tags always: takes out the tasks that refuse"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "hosts.yml").write_text(INVENTORY)
    (folder / "empty.yml").write_text("all: {hosts: {}}\n")
    (folder / "ansible.cfg").touch()
    return folder


def call(folder: Path, playbook: str, options: str) -> Outcome:
    result = subprocess.run(
        ["ansible-playbook", *options.split(), playbook],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Outcome(result.returncode, result.stdout + result.stderr)


@pytest.fixture(scope="module")
def running(folder: Path, request: pytest.FixtureRequest) -> Iterator[dict[Case, Future[Outcome]]]:
    """The chosen cases, under way, two at a time."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    chosen = [value for item in items for value in item.callspec.params.values() if isinstance(value, Case)]
    with ThreadPoolExecutor(2) as pool:
        yield {case: pool.submit(call, folder, f"alauda.ambient.{case.playbook}", case.options) for case in chosen}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_fails_and_says_why_once(case: Case, running: dict[Case, Future[Outcome]]) -> None:
    outcome = running[case].result()
    assert outcome.status != 0, outcome.text
    assert "Traceback" not in outcome.text and "nexpected" not in outcome.text, outcome.text
    (error,) = outcome.errors
    assert case.says in error


def test_tags_that_leave_all_are_fine(folder: Path) -> None:
    outcome = call(folder, "alauda.ambient.check", "-i hosts.yml --tags all --skip-tags other -e ambient_mesh=x")
    assert "ambient_mesh: is a text, not a mapping" in outcome.text


def test_whoever_gives_the_playbook_tags_may_use_them(folder: Path) -> None:
    (folder / "own.yml").write_text("- {import_playbook: alauda.ambient.can, tags: [mesh]}\n")
    assert call(folder, "own.yml", "-i hosts.yml --tags others").status == 0
    outcome = call(folder, "own.yml", "-i hosts.yml --tags mesh")
    assert "Ask whether the call is allowed" in outcome.text and WHOLE not in outcome.text


@pytest.mark.parametrize("option", ["--syntax-check", "--list-hosts", "--list-tasks"])
def test_what_runs_nothing_needs_no_inventory(option: str, folder: Path) -> None:
    assert call(folder, "alauda.ambient.check", option).status == 0
