# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plan of an apply to batches of namespaces with the files of their steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import AmbientError
from ..kube.client import Client
from ..kube.inventory import Inventory
from ..kube.restore import held_in
from ..manifests import waves
from ..manifests.items import Item, dump_role
from ..mesh.beside import policies_beside
from ..mesh.facts import Facts, Policy
from ..mesh.objects import namespace_items
from ..mesh.parse import parse_mesh
from ..mesh.patches import ROLE
from ..mesh.selectors import Selector, check_selectors
from ..mesh.spec import MeshSpec, NamespaceSpec, State
from .meaning import View, told
from .steps import batches, by_namespace, changing, in_steps, way_back, without_default_deny

_PENDING = ("created", "changed", "deleted", "released", "candidate", "failed", "pending")


@dataclass(frozen=True)
class Wanted:
    """What is declared, and where a plan has something to do."""

    mesh: MeshSpec
    facts: Facts
    selectors: Sequence[Selector]
    trust_domain: str
    beside: Sequence[Policy]
    inventory_namespace: str
    batch_size: int
    work_dir: Path
    changing: Sequence[str]
    waves: Sequence[int]

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Wanted:
        """Read the options of the module. AmbientError with the option or file that is wrong."""
        if params["batch_size"] < 1:
            raise AmbientError("must be 1 or more", path="batch_size", hint="Say how many namespaces change at a time")
        mesh = parse_mesh(params["mesh"])
        entries = _entries(params["plan"])
        return cls(
            mesh,
            Facts.from_file(params["facts"]) if params["facts"] else Facts(),
            check_selectors(params["discovery_selectors"]),
            params["trust_domain"],
            policies_beside(params["manifests"]),
            params["inventory_namespace"],
            params["batch_size"],
            Path(params["work_dir"]).expanduser() / "steps",
            changing(mesh, entries, ROLE),
            sorted({entry["wave"] for entry in entries if entry["role"] != ROLE and entry["action"] != "candidate"}),
        )

    def items(self, mesh: MeshSpec) -> dict[str, list[Item]]:
        """The items that a declaration amounts to, by namespace."""
        return by_namespace(namespace_items(mesh, self.selectors, self.facts, self.trust_domain, self.beside))

    def result(self, found: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> dict[str, Any]:
        """The result of the module."""
        return {
            "batches": list(found),
            "waves": [wave for wave in self.waves if wave < waves.ENROLMENT],
            "late_waves": [wave for wave in self.waves if wave >= waves.ENROLMENT],
            "summary": list(lines),
        }


@dataclass(frozen=True)
class Steps:
    """The batches, what they mean, and the namespaces that will refuse plain text."""

    batches: list[dict[str, Any]]
    lines: list[str]
    narrowed: list[str]


def plan_steps(wanted: Wanted, client: Client) -> Steps:
    """Read what is held in the namespaces that change, and write the files of their steps."""
    inventory = Inventory(client, wanted.inventory_namespace, wanted.mesh.name)
    held = by_namespace(held_in(client, inventory, ROLE, wanted.changing))
    target, relaxed = wanted.items(wanted.mesh), wanted.items(without_default_deny(wanted.mesh))
    specs = {name: NamespaceSpec(name, State.OFF) for name in wanted.changing}
    specs |= {namespace.name: namespace for namespace in wanted.mesh.namespaces}
    lines: list[str] = []
    narrowed: list[str] = []
    for name in wanted.changing:
        lines += told(specs[name], wanted.mesh, held.get(name, []), target.get(name, []), wanted.facts)
        if View.of(target.get(name, [])).strict and not View.of(held.get(name, [])).strict:
            narrowed.append(name)
    found = []
    for number, names in enumerate(batches(wanted.changing, wanted.batch_size)):
        before = [held.get(name, []) for name in names]
        paths = [
            in_steps(old, target.get(name, []), relaxed.get(name, [])) for old, name in zip(before, names, strict=True)
        ]
        backward = [way_back(old, path) for old, path in zip(before, paths, strict=True)]
        undo_steps = _dump_all(wanted.work_dir, f"{number}-undo", backward)
        steps = _dump_all(wanted.work_dir, str(number), paths)
        found.append({"namespaces": names, "steps": steps, "undo_steps": undo_steps, "undo": undo_steps[-1]})
    return Steps(found, lines, narrowed)


def _dump_all(folder: Path, name: str, paths: Sequence[Sequence[list[Item]]]) -> list[str]:
    """Write a file for each step of a batch: whoever has fewer steps is done earlier."""
    return [
        _dump(folder / f"{name}-{step}.json", (path[min(step, len(path) - 1)] for path in paths))
        for step in range(max(map(len, paths)))
    ]


def _dump(file: Path, parts: Iterable[Iterable[Item]]) -> str:
    dump_role(file, ROLE, [item for part in parts for item in part])
    return str(file)


def _entries(path: str) -> list[Mapping[str, Any]]:
    """What the report of an apply has to do."""
    try:
        report = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        return [entry for entry in report["objects"] if entry["action"] in _PENDING]
    except OSError as error:
        raise AmbientError(f"cannot be read: {error.strerror}", path=path, hint="Run apply in check mode") from error
    except (ValueError, KeyError, TypeError) as error:
        raise AmbientError(f"is no report of apply: {error}", path=path, hint="Run apply in check mode") from error
