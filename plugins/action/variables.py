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
from ansible.utils.vars import load_extra_vars

from ..module_utils.errors import AmbientError
from ..module_utils.variables import CONNECTION, PREFIX, misspelt, mistaken, not_taken, problems

ROLES = Path(__file__).resolve().parents[2] / "roles"
GIVEN = object()
OPTIONS = {"roles", "extra", "whole_play"}
EVERYTHING = {"all", "untagged"}  # the tags that stand for tasks without tags
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
            self._refuse_tags(given)
            roles = self._list("roles")
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
            wrong += self._extra()
        except AmbientError as error:
            wrong = [error]
        if wrong:
            raise AnsibleActionFail("\n".join(map(str, wrong)))
        return {**result, "changed": False, "checked": sorted(values)}

    def _refuse_tags(self, given: Mapping[str, Any]) -> None:
        """Refuse tags that leave of the play only this task. A play that was given tags may be left out by them."""
        if not self._task.args.get("whole_play") or set(self._task.tags) - {"always"}:
            return
        run, skip = given.get("ansible_run_tags") or ["all"], given.get("ansible_skip_tags") or []
        if EVERYTHING.intersection(run) and not EVERYTHING.intersection(skip):
            return
        words = [f"--tags {','.join(sorted(run))}"] if list(run) != ["all"] else []
        words += [f"--skip-tags {','.join(sorted(skip))}"] if skip else []
        raise AmbientError(
            "leaves nothing to do, for the playbook has no tags and runs as a whole",
            path=" ".join(words),
            hint="Leave it out. For a part, set variables with -e or use a single role of the collection",
        )

    def _list(self, option: str) -> list[str]:
        found = self._task.args.get(option)
        if not isinstance(found, list) or set(self._task.args) - OPTIONS:
            raise AmbientError(
                f"takes a list of names; the options are {', '.join(sorted(OPTIONS))}",
                path=f"alauda.ambient.variables: {option}",
            )
        return found

    def _extra(self) -> list[AmbientError]:
        """What was given by -e and is none of the names in `extra`: mistakes; others are only warned of."""
        if "extra" not in self._task.args:
            return []
        known, given = self._list("extra"), load_extra_vars(self._loader)
        wrong = mistaken(known, given)
        if not wrong and (left := not_taken(known, given)):
            self._display.warning(f"not looked at: -e {', '.join(left)}. The playbook takes {', '.join(known)}")
        return wrong

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
