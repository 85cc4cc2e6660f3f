# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection needs before it runs: the way to the cluster, and the user's directory."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils.errors import AmbientError
from ..module_utils.variables import CONNECTION, PREFIX
from .connection import completed

RUNTIME = Path(__file__).resolve().parents[2] / "meta/runtime.yml"


@functools.cache
def connecting() -> frozenset[str]:
    """The modules that take the connection options: those of the action group."""
    return frozenset(yaml.safe_load(RUNTIME.read_text(encoding="utf-8"))["action_groups"]["ambient"])


class ModuleAction(ActionBase):
    """Runs the module of the same name."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module, unchanged."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        result.update(self.execute(variables))
        return result

    def execute(self, variables: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Run the module with the task's arguments, the host's connection, and `more`."""
        in_background = bool(self._task.async_val) and not self._connection.has_native_async
        result: dict[str, Any] = self._execute_module(
            module_args={**self.arguments(variables), **more}, task_vars=variables, wrap_async=in_background
        )
        return result

    def arguments(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The task's arguments; the task keeps its own, so that no callback sees a token from the variables."""
        own = dict(self._task.args)
        if type(self).__module__.rpartition(".")[2] not in connecting():
            return own
        try:
            return completed(own, self._ambient(variables))
        except AmbientError as error:
            raise AnsibleActionFail(str(error)) from error

    def _ambient(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        given = [option for option in CONNECTION if PREFIX + option in variables]
        return {option: self._evaluate(option, variables[PREFIX + option], variables.get("omit")) for option in given}

    def _evaluate(self, option: str, raw: Any, omitted: Any) -> Any:
        """The value of the option's variable; None where its expression says `omit`."""
        try:
            # In a mapping, because ansible-core 2.19 raises for an expression that is `omit` by itself.
            value = self._templar.template({option: raw}).get(option)
        except AnsibleError as error:
            reason = str(error).splitlines()[0]
            raise AmbientError(
                f"cannot be evaluated: {reason}", path=PREFIX + option, hint="Correct its expression"
            ) from error
        return None if isinstance(value, str) and value == omitted else value

    def _low_level_execute_command(self, cmd: str, *args: Any, **options: Any) -> dict[str, Any]:
        """Run in the directory where the user typed. Ansible takes the playbook's: that of the collection, for ours."""
        if self._connection.transport == "local" and not options.get("chdir"):
            options["chdir"] = shlex.quote(str(Path.cwd()))
        result: dict[str, Any] = super()._low_level_execute_command(cmd, *args, **options)
        return result
