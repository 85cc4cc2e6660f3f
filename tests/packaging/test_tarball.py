# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball holds what users need, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
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


def test_relative_paths_start_where_the_user_types(collections: Path, tmp_path: Path) -> None:
    installed = collections / "ansible_collections/alauda/ambient"
    before = {path for path in installed.rglob("*") if "__pycache__" not in path.parts}
    (tmp_path / "deploy").mkdir()
    manifest = "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: a, namespace: b}}"
    (tmp_path / "deploy/a.yaml").write_text(manifest)
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "hosts.yml").write_text(
        "all: {hosts: {east: {ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}"
    )
    (tmp_path / "plays").mkdir()
    role = "{hosts: all, gather_facts: false, roles: [alauda.ambient.policies]}"
    (tmp_path / "plays/render.yml").write_text(f"[{role}]")
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{CHECKOUT / '.venv/bin'}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
    }

    def run(playbook: str, **variables: str) -> str:
        options = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        command = ["ansible-playbook", "-i", "hosts.yml", playbook, *options]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    run("alauda.ambient.check", ambient_check_tree="deploy/", ambient_guard_report="out/report.json")
    assert (tmp_path / "out/report.json").is_file()
    render = {"ambient_exit": "render", "ambient_render_dir": "./tree", "ambient_work_dir": "~/work"}
    said = run("plays/render.yml", **render, ambient_manifests="deploy")
    assert f"manifests in {tmp_path}/tree\n" in said
    assert (tmp_path / "tree/README.md").is_file() and (tmp_path / "work/objects/policies.json").is_file()
    images = {"ambient_images_source": "tags", "ambient_version": "1.31.0", "ambient_images_file": "images.json"}
    run("alauda.ambient.images", **images)
    assert (tmp_path / "images.json").is_file()
    assert {path for path in installed.rglob("*") if "__pycache__" not in path.parts} == before
