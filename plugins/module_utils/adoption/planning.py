# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plan of an apply to batches of namespaces with the files of their steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..authz.trust import PLACE, refuse_another
from ..errors import AmbientError
from ..kube.client import Client
from ..kube.inventory import Inventory
from ..kube.outcome import DELETED
from ..kube.restore import held_in
from ..manifests import waves
from ..manifests.files import load_json, read_text
from ..manifests.items import Item, dump_role
from ..mesh.beside import policies_beside, with_attached
from ..mesh.facts import Facts, Policy
from ..mesh.objects import coming_to, holding, namespace_items
from ..mesh.parse import parse_mesh
from ..mesh.patches import ROLE
from ..mesh.policies import admitting_items
from ..mesh.selectors import Selector, check_selectors
from ..mesh.spec import MeshSpec, NamespaceSpec, State, WaypointRef
from ..mesh.survey import POLICY
from .meaning import View, told
from .steps import batches, by_namespace, changing, in_steps, way_back, without_new_denials

_PLAN = "Run apply in check mode"
_PENDING = ("created", "changed", "deleted", "released", "candidate", "failed", "pending")


@dataclass(frozen=True)
class Wanted:
    """What is declared, and where a plan has something to do.

    Attributes:
        configures: whether the run writes istiod's configuration, so that what is there now says nothing about it.
    """

    mesh: MeshSpec
    facts: Facts
    selectors: Sequence[Selector]
    trust_domain: str
    manifests: str | None
    beside: Sequence[Policy]
    inventory_namespace: str
    batch_size: int
    work_dir: Path
    changing: Sequence[str]
    going: Collection[tuple[str, str]]
    waves: Sequence[int]
    configures: bool

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Wanted:
        """Read the options of the module. AmbientError with the option or file that is wrong."""
        if params["batch_size"] < 1:
            raise AmbientError("must be 1 or more", path="batch_size", hint="Say how many namespaces change at a time")
        mesh = parse_mesh(params["mesh"])
        entries = _entries(params["plan"])
        facts = Facts.from_file(params["facts"]) if params["facts"] else Facts()
        return cls(
            mesh,
            facts,
            check_selectors(params["discovery_selectors"]),
            params["trust_domain"],
            params["manifests"],
            policies_beside(params["manifests"], facts),
            params["inventory_namespace"],
            params["batch_size"],
            Path(params["work_dir"]).expanduser() / "steps",
            changing(mesh, entries, ROLE),
            _going(entries),
            sorted({entry["wave"] for entry in entries if entry["role"] != ROLE and entry["action"] != "candidate"}),
            any(entry["object"] == f"v1 {PLACE}" for entry in entries),
        )

    def items(self, mesh: MeshSpec) -> dict[str, list[Item]]:
        """The items that a declaration amounts to, by namespace."""
        return by_namespace(namespace_items(mesh, self.selectors, self.facts, self.trust_domain, self.beside))

    def path(
        self, name: str, before: Sequence[Item], target: Sequence[Item], opened: Sequence[Item]
    ) -> list[list[Item]]:
        """The steps of a namespace."""

        def admit(refs: Collection[WaypointRef], mine: Sequence[Policy]) -> list[Item]:
            policies = [*holding(name, self.facts, self.beside), *mine]
            return admitting_items(name, refs, self.mesh.name, policies, self.trust_domain, ROLE) if refs else []

        return in_steps(before, target, opened, admit)

    def early_admits(self, namespace: str, held: Sequence[Item]) -> list[Item]:
        """What admits the waypoints that a namespace has now beside policies that come before its batch."""
        through = View.of(held).waypoints()
        if not through:
            return []
        coming = coming_to(namespace, self.beside)
        items = admitting_items(namespace, through, self.mesh.name, coming, self.trust_domain, ROLE)
        there = {item.key for item in held}
        return [item for item in items if item.key not in there]

    def result(self, steps: Steps) -> dict[str, Any]:
        """The result of the module."""
        return {
            "batches": steps.batches,
            "waves": [wave for wave in self.waves if wave < waves.USE_WAYPOINT],
            "late_waves": [wave for wave in self.waves if wave >= waves.USE_WAYPOINT],
            "summary": steps.lines,
            "admits": steps.admits,
            "file": self._without_going(),
        }

    def _without_going(self) -> str:
        """The file of all namespaces once the policies that go with this run are gone; empty if none goes."""
        if not self.going:
            return ""
        facts = self.facts.without(self.going)
        items = namespace_items(self.mesh, self.selectors, facts, self.trust_domain, self.beside)
        return _dump(self.work_dir / "namespaces.json", [items])


@dataclass(frozen=True)
class Steps:
    """The batches, what they mean, and the namespaces that will refuse plain text.

    Attributes:
        admits: the file of what has to be there before policies that come from manifests; empty if nothing has to.
    """

    batches: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    narrowed: list[str] = field(default_factory=list)
    admits: str = ""


def plan_steps(wanted: Wanted, client: Client) -> Steps:
    """Read what is held in the namespaces that change, and write the files of their steps.

    AmbientError where istiod has another trust domain: policies would refuse everybody.
    """
    if not wanted.configures:
        refuse_another(wanted.trust_domain, client.get)
    inventory = Inventory(client, wanted.inventory_namespace, wanted.mesh.name)
    held = by_namespace(held_in(client, inventory, ROLE, wanted.changing))
    early = {name: items for name in wanted.changing if (items := wanted.early_admits(name, held.get(name, [])))}
    admits = _dump(wanted.work_dir / "admits.json", early.values()) if early else ""
    for name, items in early.items():  # they are there when the batch begins
        held[name] = sorted([*held[name], *items], key=Item.order)
    denying = {name for name, items in held.items() if View.of(items).default_deny}
    target, opened = wanted.items(wanted.mesh), wanted.items(without_new_denials(wanted.mesh, denying))
    specs = {name: NamespaceSpec(name, State.OFF) for name in wanted.changing}
    specs |= {namespace.name: namespace for namespace in wanted.mesh.namespaces}
    lines: list[str] = []
    narrowed: list[str] = []
    facts = with_attached(wanted.facts.without(wanted.going), wanted.manifests)
    for name in wanted.changing:
        lines += told(specs[name], wanted.mesh, held.get(name, []), target.get(name, []), facts, wanted.beside)
        if View.of(target.get(name, [])).strict and not View.of(held.get(name, [])).strict:
            narrowed.append(name)
    found = []
    for number, names in enumerate(batches(wanted.changing, wanted.batch_size)):
        before = [held.get(name, []) for name in names]
        paths = [wanted.path(name, held.get(name, []), target.get(name, []), opened.get(name, [])) for name in names]
        backward = [way_back(old, path) for old, path in zip(before, paths, strict=True)]
        undo_steps = _dump_all(wanted.work_dir, f"{number}-undo", backward)
        steps = _dump_all(wanted.work_dir, str(number), paths)
        found.append({"namespaces": names, "steps": steps, "undo_steps": undo_steps})
    return Steps(found, lines, narrowed, admits)


def _dump_all(folder: Path, name: str, paths: Sequence[Sequence[list[Item]]]) -> list[str]:
    """Write a file for each step of a batch: whoever has fewer steps is done earlier."""
    return [
        _dump(folder / f"{name}-{step}.json", (path[min(step, len(path) - 1)] for path in paths))
        for step in range(max(map(len, paths)))
    ]


def _dump(file: Path, parts: Iterable[Iterable[Item]]) -> str:
    dump_role(file, ROLE, [item for part in parts for item in part])
    return str(file)


def _going(entries: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Namespace and name of the policies of others that a plan deletes."""
    found = set()
    for entry in entries:
        _version, kind, where = str(entry["object"]).split(" ", 2)
        if entry["role"] != ROLE and kind == POLICY[1] and entry["action"] == DELETED:
            namespace, _slash, name = where.partition("/")
            found.add((namespace, name))
    return found


def _entries(path: str) -> list[Mapping[str, Any]]:
    """What the report of an apply has to do."""
    try:
        report = load_json(read_text(Path(path).expanduser(), _PLAN), path, _PLAN)
        return [entry for entry in report["objects"] if entry["action"] in _PENDING]
    except (ValueError, KeyError, TypeError) as error:
        raise AmbientError(f"is no report of apply: {error}", path=path, hint=_PLAN) from error
