# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables against argument specs: one line each, that says which, what and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.variables import (
    misspelt,
    mistaken,
    not_taken,
    problems,
)

CHECKOUT = Path(__file__).resolve().parents[4]
SPECS: dict[str, dict[str, Any]] = {
    "ambient_version": {"type": "str", "required": True, "description": "Istio's version, such as V(1.31.0)."},
    "ambient_platform": {"type": "str", "choices": ["kind", "k3s"], "default": "kind"},
    "ambient_prune": {"type": "bool", "default": False},
    "ambient_timeout": {"type": "int", "default": 300},
    "ambient_share": {"type": "float"},
    "ambient_dir": {"type": "path", "default": ""},
    "ambient_mesh": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "default": "default"},
            "namespaces": {"type": "list", "elements": "dict", "options": {"name": {"type": "str", "required": True}}},
        },
    },
    "ambient_names": {"type": "list", "elements": "str", "default": []},
    "ambient_phases": {"type": "list", "elements": "str", "choices": ["pre", "mesh"], "default": ["pre"]},
}
GOOD = {
    "ambient_version": "1.31.0",
    "ambient_platform": "k3s",
    "ambient_prune": "yes",
    "ambient_timeout": "20",
    "ambient_share": 0.5,
    "ambient_mesh": {"name": "east", "namespaces": [{"name": "shop"}]},
    "ambient_names": ["a"],
    "ambient_phases": ["mesh", "pre"],
}


def lines(**changes: Any) -> list[str]:
    return [str(error) for error in problems(SPECS, {**GOOD, **changes})]


def test_good_values_pass() -> None:
    assert lines() == []


def test_a_path_may_not_be_an_empty_text_unless_that_is_its_default() -> None:
    specs = {"ambient_work_dir": {"type": "path"}, "ambient_list": {"type": "list", "elements": "path"}}
    for empty in ("", " "):
        found = problems(specs, {"ambient_work_dir": empty, "ambient_list": ["a", empty]})
        assert [str(error) for error in found] == [
            "ambient_list[1]: is empty. Give a path, or take the variable out",
            "ambient_work_dir: is empty. Give a path, or take the variable out",
        ]
    assert lines(ambient_dir="") == []


def test_a_value_without_default_may_be_empty() -> None:
    assert lines(ambient_mesh=None) == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("ambient_version", 1.31, 'ambient_version: is the number 1.31, not a text. Put it in quotes: "1.31"'),
        ("ambient_version", True, 'ambient_version: is true or false, not a text. Put it in quotes: "True"'),
        ("ambient_version", None, "ambient_version: is empty, not a text. Give it a value, or take the variable out"),
        ("ambient_platform", "aks", "ambient_platform: 'aks' is not one of kind, k3s. Take one of these"),
        ("ambient_phases", ["mesh", "x"], "ambient_phases[1]: 'x' is not one of pre, mesh. Take one of these"),
        ("ambient_prune", "maybe", "ambient_prune: is a text, not true or false. Give true or false"),
        ("ambient_timeout", "5m", "ambient_timeout: is a text, not a whole number. Give a whole number"),
        ("ambient_timeout", True, "ambient_timeout: is true or false, not a whole number. Give a whole number"),
        ("ambient_share", "half", "ambient_share: is a text, not a number. Give a number"),
        ("ambient_dir", 7, 'ambient_dir: is the number 7, not a path. Put it in quotes: "7"'),
        ("ambient_dir", ["a"], "ambient_dir: is a list, not a path. Give a path"),
        (
            "ambient_mesh",
            "{}",
            "ambient_mesh: is a text, not a mapping. "
            "On the command line give structures as JSON: -e '{…}', or in a file: -e @file.yml",
        ),
        ("ambient_mesh", {"nmae": "x"}, "ambient_mesh.nmae: unknown key. Known here: name, namespaces"),
        (
            "ambient_mesh",
            {"namespaces": [{"name": "a"}, {}]},
            "ambient_mesh.namespaces[1].name: is required and not given",
        ),
        ("ambient_names", ["a", 2], 'ambient_names[1]: is the number 2, not a text. Put it in quotes: "2"'),
    ],
)
def test_bad_value_is_one_line(name: str, value: Any, line: str) -> None:
    assert lines(**{name: value}) == [line]


def test_missing_value_is_explained_by_its_description() -> None:
    without = {name: value for name, value in GOOD.items() if name != "ambient_version"}
    (error,) = problems(SPECS, without)
    assert str(error) == "ambient_version: is required and not given. Istio's version, such as 1.31.0"


def test_all_problems_are_named_in_the_order_of_the_names() -> None:
    assert [line.partition(":")[0] for line in lines(ambient_version=1, ambient_names="x")] == [
        "ambient_names",
        "ambient_version",
    ]


def test_a_name_almost_like_a_known_one_is_refused() -> None:
    (error,) = misspelt(set(SPECS), {"ambient_plattform", "ambient_version"})
    assert str(error).startswith("ambient_plattform: no role knows this variable. Did you mean ambient_platform?")


@pytest.mark.parametrize("name", ["ambient_office_hours", "plattform", "my_ambient_version"])
def test_other_names_are_left_alone(name: str) -> None:
    assert misspelt(set(SPECS), {name}) == []


def test_a_variable_of_the_command_line_almost_like_one_that_is_taken_is_refused() -> None:
    known = ["from", "to", "method", "path", "headers"]
    assert [str(error) for error in mistaken(known, ["form", "to", "methd", "header", "env", "tp"])] == [
        "form: the playbook does not take it. Did you mean from?",
        "header: the playbook does not take it. Did you mean headers?",
        "methd: the playbook does not take it. Did you mean method?",
    ]


def test_others_that_nothing_takes_are_named_but_not_those_of_others() -> None:
    given = ["from", "verb", "env", "ambient_context", "ansible_user", "awx_job_id", "tower_job_id"]
    assert not_taken(["from", "to"], given) == ["env", "verb"]


@pytest.mark.parametrize("playbook", ["can", "explain"])
def test_the_playbooks_of_questions_name_all_that_they_take(playbook: str) -> None:
    (play,) = yaml.safe_load((CHECKOUT / f"playbooks/{playbook}.yml").read_text())
    (asked,) = (task["alauda.ambient.mesh_info"] for task in play["tasks"])
    used = set(re.findall(r"{{ (\w+) \| default\(omit\)|if (\w+) ", " ".join(asked.values())))
    names = {name for pair in used for name in pair if name and not name.startswith("ambient_")}
    assert set(play["pre_tasks"][0]["alauda.ambient.variables"]["extra"]) == names
