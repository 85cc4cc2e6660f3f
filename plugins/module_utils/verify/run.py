# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verification of a cluster, from the request to the report."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import AmbientError
from ..kube.errors import UNREACHABLE, ApiError
from ..progress import Progress
from . import active, facts, installed, passive, probe, report
from .cluster import Cluster
from .probe_objects import Plan, choose_nodes
from .verdict import Checked, run, skipped

_PAUSE = 1.0


@dataclass(frozen=True)
class Request:
    """What to verify, and with what."""

    phase: str
    mesh: str
    declared: facts.Declared
    image: str
    timeout: float
    settle: float = 15
    discovery_labels: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    write_nothing: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any], *, write_nothing: bool = False) -> Request:
        """From a module's options."""
        wanted = [(str(item["name"]), item["state"] == "off") for item in params["namespaces"]]
        return cls(
            phase=params["phase"],
            mesh=params["mesh"],
            declared=facts.Declared(
                enrolled=tuple(name for name, off in wanted if not off), off=tuple(name for name, off in wanted if off)
            ),
            image=params["image"] or "",
            timeout=params["timeout"],
            settle=params["settle"],
            discovery_labels={str(key): str(value) for key, value in params["discovery_labels"].items()},
            images={str(name): dict(image) for name, image in params["images"].items() if isinstance(image, Mapping)},
            versions={str(name): str(version) for name, version in params["versions"].items()},
            write_nothing=write_nothing,
        )


@dataclass(frozen=True)
class Answer:
    """The report as data and as lines, and why the verification fails, if it does."""

    data: dict[str, Any]
    lines: list[str]
    refusal: str


def verify(cluster: Cluster, request: Request, progress: Progress) -> Answer:
    """Verify a cluster. Raises AmbientError where its API server cannot be reached or refuses the credentials."""
    _reach(cluster)
    progress.say("reading the mesh")
    found, checked = _read(cluster, request, progress)
    what = installed.read(cluster, found, request.images, request.versions)
    if request.phase == "active":
        # The probe makes the connections itself: what it proves takes the place of what reading may show.
        checked = [item for item in checked if item.id != "encryption"]
        checked += _probe(cluster, request, found, progress)
    return Answer(report.as_data(what, checked), report.as_lines(what, checked, request.mesh), report.refusal(checked))


def _reach(cluster: Cluster) -> None:
    try:
        cluster.version()
    except ApiError as error:
        if error.status in (UNREACHABLE, 401):
            raise


def _read(cluster: Cluster, request: Request, progress: Progress) -> tuple[facts.Facts, list[Checked]]:
    """Read until nothing fails any more: what was just enrolled needs a moment."""
    clock = probe.Clock()
    end = clock.now() + request.settle
    while True:
        found = facts.gather(cluster, request.declared)
        checked = run(passive.CHECKS, found)
        bad = [item.title for item in checked if item.verdict.result == "fail"]
        if not bad or clock.now() >= end:
            return found, checked
        progress.say(f"waiting for: {', '.join(bad)}")
        clock.sleep(_PAUSE)


def _probe(cluster: Cluster, request: Request, found: facts.Facts, progress: Progress) -> list[Checked]:
    if request.write_nothing:
        why = skipped("check mode writes nothing, and the probe needs pods")
        return [Checked(check.id, check.title, why) for check in active.CHECKS]
    if found.nodes.why:
        raise AmbientError(f"the probe cannot choose where to run: {found.nodes.why}")
    nodes = choose_nodes(found.nodes.get())
    if not nodes:
        raise AmbientError("no ready node takes pods", path="Nodes", hint="Uncordon one, or see why none is Ready")
    plan = Plan(
        run=secrets.token_hex(3),
        image=request.image,
        server_node=nodes[0],
        client_node=nodes[-1],
        mesh=request.mesh,
        discovery_labels=request.discovery_labels,
    )
    return run(active.CHECKS, probe.observe(cluster, plan, found.stand_in, request.timeout, progress))
