# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The written documents say what the code says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import variables
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
MODULES = sorted((CHECKOUT / "plugins/modules").glob("*.py"))
PLAYBOOKS = sorted((CHECKOUT / "playbooks").glob("*.yml"))
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")


def project_files(*patterns: str) -> list[Path]:
    """Files that are in the repository, or would be added to it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [CHECKOUT / name for name in names if (CHECKOUT / name).is_file()]


def write_spec(roles: Path, role: str, options: dict[str, Any]) -> None:
    path = roles / role / "meta/argument_specs.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"argument_specs": {"main": {"options": options}}}))


def test_variables_document_is_current() -> None:
    expected = variables.render(variables.collect(CHECKOUT / "roles"))
    assert (CHECKOUT / "docs/variables.md").read_text() == expected, "docs/variables.md is old: run `make docs`"


def test_variable_is_written_once_with_all_its_roles(tmp_path: Path) -> None:
    option = {"type": "list", "elements": "str", "default": [], "description": ["Names.", "See O(other)."]}
    write_spec(tmp_path, "one", {"ambient_names": option})
    write_spec(tmp_path, "two", {"ambient_names": option})
    text = variables.render(variables.collect(tmp_path))
    assert text.count("## ambient_names") == 1
    assert "list of str, default `[]`; used by one, two." in text
    assert "Names. See `other`." in text


def test_roles_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    write_spec(tmp_path, "one", {"ambient_version": {"type": "str"}})
    write_spec(tmp_path, "two", {"ambient_version": {"type": "float"}})
    with pytest.raises(variables.ContradictionError, match="type is 'str' in role one, 'float' in role two"):
        variables.collect(tmp_path)


def test_every_variable_carries_the_prefix_of_the_collection_or_of_its_role() -> None:
    strangers = [
        f"{role}: {name}"
        for role, name, dummy in variables.specs(CHECKOUT / "roles")
        if not name.startswith(("ambient_", f"{role}_"))
    ]
    assert strangers == []


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_playbook_cannot_be_green_without_a_look(path: Path) -> None:
    for play in yaml.safe_load(path.read_text()):
        pattern = ", 'localhost'" if path.stem == "cluster" else ""
        assert play["hosts"] == f"{{{{ lookup('alauda.ambient.hosts'{pattern}) }}}}"
        first = (play.get("pre_tasks") or play["tasks"])[0]
        assert first["alauda.ambient.variables"]["whole_play"] is True
        assert first["tags"] == ["always"]
        others = [*play.get("pre_tasks", []), *play["tasks"]][1:]
        assert not [task for task in [play, *others] if "tags" in task]


def test_every_command_of_a_document_names_an_inventory() -> None:
    for path in project_files("*.md", "docs/*.yaml", "plugins/*.py"):
        lines = [line for line in path.read_text().splitlines() if re.search("ansible-playbook .*alauda.ambient", line)]
        assert [line for line in lines if not re.search("ansible-playbook .*-i ", line)] == [], path


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(CHECKOUT)}: {target}"
        for path in project_files("*.md")
        for target in LINK.findall(path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_action_group_holds_every_module_that_talks_to_a_cluster(path: Path) -> None:
    group = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())["action_groups"]["ambient"]
    documentation = re.search(r'^DOCUMENTATION = r?"""(.*?)"""', path.read_text(), re.DOTALL | re.MULTILINE)
    assert documentation is not None
    fragments = yaml.safe_load(documentation[1]).get("extends_documentation_fragment", [])
    assert (path.stem in group) == ("alauda.ambient.auth" in fragments)


def test_action_group_is_sorted_and_names_only_modules_that_exist() -> None:
    group = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())["action_groups"]["ambient"]
    assert group == sorted(group)
    assert set(group) <= {path.stem for path in MODULES}


def test_every_file_says_its_licence() -> None:
    silent = [
        str(path.relative_to(CHECKOUT))
        for path in project_files("*.py", "*.yml", "*.yaml", "*.sh", "*.go", "*.toml", "Makefile")
        if path.name != "changelog.yaml"
        and path.read_text().strip()
        and "SPDX-License-Identifier: GPL-3.0-or-later" not in path.read_text()[:500]
    ]
    assert silent == []
