# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball holds what users need, and nothing else."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
FOR_DEVELOPERS = ("tests", "molecule", "inventories", ".cache", ".venv", ".ci", ".config", "build", "roles/cluster")


@pytest.fixture(scope="module")
def names(tarball: Path) -> set[str]:
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive if member.isfile()}


def test_no_file_for_developers_is_in_it(names: set[str]) -> None:
    assert [name for name in sorted(names) if name.startswith(tuple(f"{folder}/" for folder in FOR_DEVELOPERS))] == []
    assert "playbooks/cluster.yml" not in names
    assert not {"pyproject.toml", "Makefile", "ansible.cfg", "galaxy.yml"} & names


@pytest.mark.parametrize("pattern", ["plugins/**/*.py", "roles/*/**/*.yml", "playbooks/**/*.yml", "images/*/image.yml"])
def test_every_file_for_users_is_in_it(names: set[str], pattern: str) -> None:
    ours = {str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob(pattern)}
    assert ours
    assert {name for name in ours - names if not name.startswith("roles/cluster/")} == {
        name for name in ours if name == "playbooks/cluster.yml"
    }


def test_no_playbook_or_role_names_what_is_left_out(tarball: Path) -> None:
    strangers = []
    with tarfile.open(tarball) as archive:
        for member in archive:
            if member.isfile() and re.match(r"(playbooks|roles)/.*\.yml$", member.name):
                text = archive.extractfile(member).read().decode()  # type: ignore[union-attr]
                strangers += [member.name] if re.search(r"alauda\.ambient\.cluster|tests/environment", text) else []
    assert strangers == []


def test_it_is_small(tarball: Path) -> None:
    assert tarball.stat().st_size < 2_000_000
