# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the host's variables with the roles' argument specs. The module of this name documents it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils.errors import AmbientError
from ..module_utils.variables import CONNECTION, PREFIX, misspelt, problems

ROLES = Path(__file__).resolve().parents[2] / "roles"
GIVEN = object()
Specs = dict[str, dict[str, Any]]


class ActionModule(ActionBase):
    """The action `alauda.ambient.variables`."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = task_vars or {}
        try:
            roles = self._roles()
            specs = _specs(roles)
            known = set(_specs(path.parts[-3] for path in ROLES.glob("*/meta/argument_specs.yml")))
            known |= {PREFIX + option for option in CONNECTION}
            wrong = misspelt(known, {name for name in given if name.startswith(PREFIX)})
            defaults = _defaults(roles)
            chosen = [name for name in sorted(specs) if name in given and given[name] != defaults.get(name, GIVEN)]
            values = {name: self._evaluate(name, given[name]) for name in chosen}
            wrong += problems(
                {name: spec for name, spec in specs.items() if name in values or name not in given}, values
            )
        except AmbientError as error:
            wrong = [error]
        if wrong:
            raise AnsibleActionFail("\n".join(map(str, wrong)))
        return {**result, "changed": False, "checked": sorted(values)}

    def _roles(self) -> list[str]:
        roles = self._task.args.get("roles")
        if not isinstance(roles, list) or set(self._task.args) != {"roles"}:
            raise AmbientError("takes a list of role names and nothing else", path="alauda.ambient.variables: roles")
        return roles

    def _evaluate(self, name: str, value: Any) -> Any:
        try:
            return self._templar.template(value)
        except AnsibleError as error:
            reason = str(error).splitlines()[0]
            raise AmbientError(f"cannot be evaluated: {reason}", path=name, hint="Correct its expression") from error


def _specs(roles: Iterator[str] | list[str]) -> Specs:
    """The options of all entry points of the roles, by name; where entry points differ, what one requires stays."""
    found: Specs = {}
    for role in roles:
        for entry in _entries(role):
            for name, spec in (entry.get("options") or {}).items():
                if name not in found or spec.get("required"):
                    found[name] = spec
    return found


def _defaults(roles: list[str]) -> dict[str, Any]:
    """What the roles themselves give, unevaluated: nobody can have got that wrong."""
    found: dict[str, Any] = {}
    for role in roles:
        path = ROLES / role / "defaults/main.yml"
        if path.is_file():
            found.update(yaml.safe_load(path.read_text()) or {})
    return found


def _entries(role: str) -> Iterator[Mapping[str, Any]]:
    path = ROLES / role / "meta/argument_specs.yml"
    if not path.is_file():
        raise AmbientError("has no argument spec", path=f"role {role}", hint="Name a role of alauda.ambient")
    yield from yaml.safe_load(path.read_text())["argument_specs"].values()
