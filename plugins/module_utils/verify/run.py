# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verification of a cluster, from the request to the report."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import AmbientError
from ..kube.errors import UNREACHABLE, ApiError
from ..mesh.parse import parse_mesh
from ..progress import Progress
from . import active, facts, installed, passive, passive_policies, passive_waypoints, probe, report
from .cluster import Cluster
from .declared import Declared
from .probe_objects import Plan, choose_nodes
from .probe_tools import Clock
from .probe_waypoint_objects import check_extra
from .verdict import Checked, run, skipped

_PAUSE = 1.0

PASSIVE = (*passive.CHECKS, *passive_policies.CHECKS, *passive_waypoints.CHECKS)


@dataclass(frozen=True)
class Request:
    """What to verify, and with what."""

    phase: str
    mesh: str
    declared: Declared
    image: str
    timeout: float
    settle: float = 15
    discovery_labels: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    write_nothing: bool = False
    waypoint: bool = True
    waypoint_manifests: Sequence[Mapping[str, Any]] = ()
    disrupt: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any], *, write_nothing: bool = False) -> Request:
        """From a module's options."""
        mesh = parse_mesh(params["declaration"] or {})
        check_extra(params["waypoint_manifests"])
        return cls(
            phase=params["phase"],
            mesh=mesh.name,
            declared=Declared.of(mesh, params["namespaces"]),
            image=params["image"] or "",
            timeout=params["timeout"],
            settle=params["settle"],
            discovery_labels={str(key): str(value) for key, value in params["discovery_labels"].items()},
            images={str(name): dict(image) for name, image in params["images"].items() if isinstance(image, Mapping)},
            versions={str(name): str(version) for name, version in params["versions"].items()},
            write_nothing=write_nothing,
            waypoint=params["waypoint"],
            waypoint_manifests=params["waypoint_manifests"],
            disrupt=params["disrupt"],
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
    """Read until nothing fails or is open any more: what was just enrolled needs a moment."""
    clock = Clock()
    end = clock.now() + request.settle
    while True:
        found = facts.gather(cluster, request.declared)
        checked = run(PASSIVE, found)
        bad = [item.title for item in checked if item.verdict.pending]
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
        waypoint=request.waypoint,
        waypoint_manifests=request.waypoint_manifests,
        disrupt=request.disrupt,
    )
    return run(active.CHECKS, probe.observe(cluster, plan, found.stand_in, request.timeout, progress))
