# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No module may forget the way to the cluster, or the directory where the user typed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.template import Templar, trust_as_template
from ansible_collections.alauda.ambient.plugins.module_utils.variables import CONNECTION
from ansible_collections.alauda.ambient.plugins.plugin_utils.module_action import ModuleAction

CHECKOUT = Path(__file__).resolve().parents[4]
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py"))
GROUP = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())["action_groups"]["ambient"]
SAYS = {name: f"the {name}" for name in CONNECTION} | {"impersonate_groups": ["one"], "validate_certs": False}
VARIABLES = {f"ambient_{name}": trust_as_template(f"{{{{ says.{name} }}}}") for name in CONNECTION} | {"says": SAYS}


def action_of(module: str, variables: Mapping[str, Any], **arguments: Any) -> ModuleAction:
    """The action plugin of a module, as a task has it."""
    plugin = importlib.import_module(f"ansible_collections.alauda.ambient.plugins.action.{module}")
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, action=f"alauda.ambient.{module}")
    shell = SimpleNamespace(tmpdir="/tmp")
    connection = SimpleNamespace(transport="local", has_native_async=False, _shell=shell)
    loader = DataLoader()
    templar = Templar(loader=loader, variables=dict(variables))
    made: ModuleAction = plugin.ActionModule(task, connection, SimpleNamespace(), loader, templar, None)
    return made


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments with which modules were run."""
    found: list[dict[str, Any]] = []

    def execute(self: ActionBase, module_args: dict[str, Any], **dummy: Any) -> dict[str, Any]:
        found.append(module_args)
        return {"failed": True, "msg": "not run"}

    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if name != "variables"])
def test_every_module_is_run_by_our_action(module: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.alauda.ambient.plugins.action.{module}")
    assert issubclass(plugin.ActionModule, ModuleAction)
    overridden = {"_execute_module", "_low_level_execute_command", "arguments"} & set(vars(plugin.ActionModule))
    assert not overridden


@pytest.mark.parametrize("module", GROUP)
def test_every_module_of_the_group_gets_the_connection(module: str, ran: list[dict[str, Any]]) -> None:
    action = action_of(module, VARIABLES)
    action.run(task_vars=VARIABLES)
    (arguments,) = ran
    assert {name: arguments[name] for name in CONNECTION} == SAYS
    assert action._task.args == {}  # what callbacks show


@pytest.mark.parametrize("module", GROUP)
def test_the_task_goes_first(module: str, ran: list[dict[str, Any]]) -> None:
    action_of(module, VARIABLES, context="mine", kubeconfig="other").run(task_vars=VARIABLES)
    assert {name: ran[0][name] for name in CONNECTION if name in ran[0]} == {"context": "mine", "kubeconfig": "other"}


@pytest.mark.parametrize("module", sorted({*MODULES} - {*GROUP, "variables"}))
def test_other_modules_do_not(module: str, ran: list[dict[str, Any]]) -> None:
    action_of(module, VARIABLES).run(task_vars=VARIABLES)
    assert not {*CONNECTION} & {*ran[0]}


def test_a_variable_that_is_omitted_is_not_given(ran: list[dict[str, Any]]) -> None:
    variables = {
        "ambient_context": trust_as_template("{{ omit }}"),
        "ambient_host": trust_as_template("{{ nothing | default(omit) }}"),
        "ambient_proxy": trust_as_template("{{ '' }}"),
    }
    action_of("mesh_facts", variables).run(task_vars=variables)
    assert ran == [{}]


def test_a_variable_that_cannot_be_evaluated_is_named(ran: list[dict[str, Any]]) -> None:
    variables = {"ambient_context": trust_as_template("{{ nothing }}")}
    with pytest.raises(
        AnsibleActionFail, match=r"^ambient_context: cannot be evaluated: 'nothing' is undefined"
    ) as error:
        action_of("mesh_facts", variables).run(task_vars=variables)
    assert "\n" not in str(error.value)
    assert ran == []


@pytest.mark.parametrize(("transport", "expected"), [("local", "'{}'"), ("ssh", "None")])
def test_a_module_starts_where_the_user_typed(
    transport: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "with space"
    here.mkdir()
    monkeypatch.chdir(here)
    seen: list[str] = []

    def run(self: ActionBase, cmd: str, chdir: str | None = None) -> dict[str, Any]:
        seen.append(str(chdir))
        return {}

    monkeypatch.setattr(ActionBase, "_low_level_execute_command", run)
    action = action_of("render", {})
    action._connection.transport = transport
    action._low_level_execute_command("true")
    assert seen == [expected.format(here)]
