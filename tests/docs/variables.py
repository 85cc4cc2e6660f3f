# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/variables.md from the roles' argument specs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.variables import CONNECTION, PREFIX
from ansible_collections.kubernetes.core.plugins.doc_fragments.k8s_auth_options import (
    ModuleDocFragment as AuthDocumentation,
)

CHECKOUT = Path(__file__).resolve().parents[2]
TARGET = CHECKOUT / "docs/variables.md"
NOT_SHIPPED = {"cluster"}
HEAD = """\
<!-- Written by `make docs` from roles/*/meta/argument_specs.yml. -->
# Variables

One inventory host is one cluster; these are its variables.
Relative paths start in the directory where `ansible-playbook` is typed.
"""
WAY = """\
Every module of the collection that talks to a cluster reads these variables of its host: in a playbook, in a role,
and in a task of yours. What the task says goes first, then `module_defaults`, then these variables, then
`K8S_AUTH_*`. An empty text says nothing.

A task that sets another `kubeconfig` or `host` takes none of these variables, and one that sets another `context`
takes only `ambient_kubeconfig`. A task that sets another `kubeconfig` and no `context` while the host has
`ambient_context` is refused, because nobody can know which cluster is meant. Where the task or these variables name a
cluster, `K8S_AUTH_*` give neither another address nor other credentials."""


@dataclass
class Variable:
    """One variable as the roles document it, and the roles that do."""

    name: str
    spec: Mapping[str, Any]
    roles: list[str] = field(default_factory=list)


class ContradictionError(Exception):
    """Two roles document one variable differently."""


def specs(roles: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (role, variable, its spec) of every shipped role's entry points."""
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        role = path.parts[-3]
        if role in NOT_SHIPPED:
            continue
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            for name, spec in (entry.get("options") or {}).items():
                yield role, name, spec


def collect(roles: Path) -> list[Variable]:
    """One Variable per name, by name. Raises ContradictionError where type, default or choices differ."""
    found: dict[str, Variable] = {}
    differences = []
    for role, name, spec in specs(roles):
        variable = found.setdefault(name, Variable(name, spec))
        for key in ("type", "elements", "default", "choices"):
            if variable.spec.get(key) != spec.get(key):
                differences.append(
                    f"{name}: {key} is {variable.spec.get(key)!r} in role {variable.roles[0]}, "
                    f"{spec.get(key)!r} in role {role}"
                )
        if len(description(spec)) > len(description(variable.spec)):
            variable.spec = spec
        if role not in variable.roles:
            variable.roles.append(role)
    if differences:
        raise ContradictionError("\n".join(differences))
    return [found[name] for name in sorted(found)]


def description(spec: Mapping[str, Any]) -> str:
    """The description as one paragraph of Markdown, without Ansible's semantic markup."""
    text = spec.get("description", "")
    paragraph = " ".join(text) if isinstance(text, list) else str(text)
    paragraph = re.sub(r"\b[OVCREP]\(([^()]*)\)", r"`\1`", paragraph)
    return " ".join(re.sub(r"\b[BI]\(([^()]*)\)", r"*\1*", paragraph).split())


def kind(spec: Mapping[str, Any]) -> str:
    """The type, and what else restricts a value: `list of str`, choices, default."""
    words = [str(spec.get("type", "str"))]
    if spec.get("elements"):
        words[0] += f" of {spec['elements']}"
    if spec.get("required"):
        words.append("required")
    if spec.get("choices"):
        words.append("one of " + ", ".join(f"`{choice}`" for choice in spec["choices"]))
    if spec.get("default") is not None:
        default = spec["default"]
        words.append(f"default `{default if isinstance(default, str) else json.dumps(default)}`")
    return ", ".join(words)


def suboptions(options: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Lines of a nested list, one per suboption."""
    for name, spec in options.items():
        yield f"{'  ' * depth}- `{name}` ({kind(spec)}): {description(spec)}"
        yield from suboptions(spec.get("options") or {}, depth + 1)


def connection() -> list[str]:
    """The variables that say how to reach the cluster, with what the modules' shared documentation says of them."""
    options = yaml.safe_load(AuthDocumentation.DOCUMENTATION)["options"]
    lines = ["## The way to the cluster", "", WAY, ""]
    for name in CONNECTION:
        lines.append(f"- `{PREFIX}{name}` ({kind(options[name])}): {description(options[name])}")
    return [*lines, ""]


def render(variables: list[Variable]) -> str:
    lines = [HEAD, *connection()]
    for variable in variables:
        lines += [f"## {variable.name}", "", f"{kind(variable.spec)}; used by {', '.join(variable.roles)}.", ""]
        lines += [description(variable.spec), ""]
        nested = list(suboptions(variable.spec.get("options") or {}))
        lines += [*nested, ""] if nested else []
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    try:
        TARGET.write_text(render(collect(CHECKOUT / "roles")))
    except ContradictionError as error:
        print(f"The argument specs of the roles differ:\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
