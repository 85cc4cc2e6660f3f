# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it would take to have this mesh beside the one that is there, for planning: it is not validated, and refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..manifests.identity import labels_of, name_of, namespace_of
from ..mesh.selectors import selects
from . import discovery
from .coexistence import no_other_mesh
from .context import Context
from .enrolled import asks_of, proxy_of
from .findings import Severity
from .found import ISTIOD
from .ours import is_ours
from .signals import MESHES
from .snapshot import (
    CRDS,
    GATEWAY_CLASSES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    POD_METADATA,
    VALIDATING_WEBHOOKS,
    Resource,
    SkipError,
)

IMPOSSIBLE, OVERLAPPING, DISJOINT, ALONE, UNKNOWN = "impossible", "overlapping", "disjoint", "alone", "unknown"
WORDS = {
    IMPOSSIBLE: "impossible as long as what can never be side by side is there",
    OVERLAPPING: "not as it is: both would see the same namespaces. Give ambient_discovery_selectors and the other "
    "mesh's discoverySelectors labels that no namespace has both of",
    DISJOINT: "the selectors are disjoint. That is necessary, not enough: it is not validated, and site.yml refuses",
    ALONE: "there is no other mesh",
    UNKNOWN: "unknown: not all could be looked at",
}
#: Objects of one name in the cluster that each Istio makes or takes over.
_SINGLETONS: tuple[tuple[Resource, tuple[str, ...]], ...] = (
    (VALIDATING_WEBHOOKS, ("istiod-default-validator",)),
    (MUTATING_WEBHOOKS, ("istio-revision-tag-default", "istio-sidecar-injector")),
    (GATEWAY_CLASSES, ("istio", "istio-remote", "istio-waypoint")),
)
_CRD_GROUPS = (".istio.io", ".gateway.networking.k8s.io")
#: Code → why it cannot stand beside ours on one node, whatever the selectors.
_NEVER = {
    "AMB0201": "Alauda Service Mesh v1 is not supported beside v2 in any form",
    "AMB0205": "a node carries one istio-cni and one ztunnel",
    "AMB0214": "it is an ambient mesh, with an istio-cni and a ztunnel of its own",
}
_CHAINED = {"AMB0207", "AMB0208", "AMB0209"}
_SHOWN = 8


@dataclass(frozen=True)
class Plan:
    """What both meshes would have in common.

    Attributes:
        verdict: impossible, overlapping, disjoint, alone, or unknown where what was not seen decides.
        meshes: what is there, title → objects.
        never: what can never be side by side, and why.
        ours: namespaces that our istiod would see.
        theirs: namespaces that the other mesh sees, or has its proxies in.
        both: namespaces on both sides.
        shared: objects in the cluster that both would use.
        unknown: what could not be looked at.
    """

    verdict: str
    meshes: Mapping[str, Sequence[str]]
    never: Sequence[str]
    ours: Sequence[str]
    theirs: Sequence[str]
    both: Sequence[str]
    shared: Sequence[str]
    unknown: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The form for people."""
        text = ["coexistence (for planning; not validated, site.yml refuses):"]
        text += [f"  there is: {title} ({_some(objects)})" for title, objects in self.meshes.items()]
        text += [f"  never side by side: {reason}" for reason in self.never]
        if self.meshes:
            sides = (("ours would see", self.ours), ("theirs sees", self.theirs), ("both", self.both))
            text += [f"  {words}: {_count(names)}" for words, names in sides]
            text.append(f"  both would use: {', '.join(self.shared) or 'nothing that is there yet'}")
        text += [f"  unknown: {reason}" for reason in self.unknown]
        return [*text, f"  result: {WORDS[self.verdict]}"]


def plan(context: Context) -> Plan:
    """Look at the live namespaces from both sides."""
    unknown: list[str] = []
    meshes, never = _meshes(context, unknown)
    labels = {name_of(namespace): labels_of(namespace) for namespace in context.cluster.all(NAMESPACES)}
    ours = {name for name in labels if selects(context.wishes.discovery_selectors, labels[name])}
    theirs = _theirs(context, unknown) if meshes else set()
    verdict = ALONE
    if meshes:
        verdict = IMPOSSIBLE if never else OVERLAPPING if ours & theirs else DISJOINT
    if unknown and verdict in (ALONE, DISJOINT):
        verdict = UNKNOWN
    shared = [*_shared(context, unknown)] if meshes else []
    return Plan(verdict, meshes, never, sorted(ours), sorted(theirs), sorted(ours & theirs), shared, unknown)


def _meshes(context: Context, unknown: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The meshes that are more than traces, and those among them that leave no room."""
    meshes: dict[str, list[str]] = {}
    never: list[str] = []
    for mesh in MESHES:
        try:
            outcome = no_other_mesh(mesh)(context)
        except SkipError as reason:
            unknown.append(f"{mesh.title}: {reason}")
            continue
        objects = [problem.object for problem in outcome.problems if problem.severity is not Severity.WARNING]
        if not objects:
            continue
        meshes[mesh.title] = objects
        if mesh.code in _NEVER:
            never.append(f"{mesh.title}: {_NEVER[mesh.code]}")
        elif mesh.code in _CHAINED and any(obj.startswith("DaemonSet ") for obj in objects):
            never.append(f"{mesh.title}: its node agent chains itself into the CNI, as istio-cni does")
    return meshes, never


def _theirs(context: Context, unknown: list[str]) -> set[str]:
    """By the selectors of every istiod of others, and by what other proxies are asked for or there."""
    namespaces = context.cluster.all(NAMESPACES)
    seen = {name_of(namespace) for namespace in namespaces if not is_ours(namespace) and asks_of(namespace)}
    try:
        seen |= {namespace_of(pod) for pod in context.cluster.all(POD_METADATA) if proxy_of(pod)[0]}
        for istiod in ISTIOD.all(context.cluster):
            if not is_ours(istiod):
                selectors = discovery.selectors_of(context, istiod)
                seen |= {name_of(namespace) for namespace in namespaces if selects(selectors, labels_of(namespace))}
    except SkipError as reason:
        unknown.append(f"their namespaces: {reason}")
    return seen


def _shared(context: Context, unknown: list[str]) -> Iterator[str]:
    try:
        crds = [name_of(crd) for crd in context.cluster.all(CRDS) if name_of(crd).endswith(_CRD_GROUPS)]
        if crds:
            yield f"{len(crds)} CRDs of Istio and the Gateway API, such as {min(crds)}"
        for resource, names in _SINGLETONS:
            for obj in context.cluster.all(resource):
                if name_of(obj) in names and not is_ours(obj):
                    yield f"{resource.kind} {name_of(obj)}"
    except SkipError as reason:
        unknown.append(f"what both would use: {reason}")
    istiods = [istiod for istiod in ISTIOD.all(context.cluster) if not is_ours(istiod)]
    if any(namespace_of(istiod) == "istio-system" for istiod in istiods):
        yield "Namespace istio-system"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _count(names: Sequence[str]) -> str:
    unit = "namespace" if len(names) == 1 else "namespaces"
    return f"{len(names)} {unit}: {_some(names)}" if names else f"no {unit.rstrip('s')}"
