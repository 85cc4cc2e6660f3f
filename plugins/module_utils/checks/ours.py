# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own installation: recognised by its label, whoever applied it and however far it got."""

from __future__ import annotations

from dataclasses import dataclass

from ..manifests.identity import labels_of, name_of, namespace_of
from ..manifests.labels import mesh_of
from .context import Context, describe
from .findings import Outcome, Problem
from .snapshot import (
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    VALIDATING_WEBHOOKS,
    Object,
    Resource,
    Snapshot,
)

VERSION_LABEL = "app.kubernetes.io/version"

#: What shows that somebody installed us; the last two outlive an uninstall that keeps them.
WHERE_WE_SHOW = (DEPLOYMENTS, DAEMONSETS, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS, CRDS, NAMESPACES)
_KEPT = (CRDS, NAMESPACES)


@dataclass(frozen=True)
class Component:
    """A workload without which there is no mesh."""

    title: str
    resource: Resource
    namespace: str
    name: str

    def find(self, cluster: Snapshot) -> Object | None:
        """The workload as it is in the cluster, ours or not."""
        for obj in cluster.all(self.resource):
            if name_of(obj) == self.name and namespace_of(obj) == self.namespace:
                return obj
        return None


COMPONENTS = (
    Component("istiod", DEPLOYMENTS, "istio-system", "istiod"),
    Component("istio-cni", DAEMONSETS, "istio-cni", "istio-cni-node"),
    Component("ztunnel", DAEMONSETS, "ztunnel", "ztunnel"),
)


def is_ours(obj: Object) -> bool:
    """Whether this collection made the object, for whichever mesh."""
    return bool(mesh_of(obj))


def state_of(cluster: Snapshot) -> str:
    """How much of us is there: `complete`, `half`, `leftovers` (only what an uninstall keeps) or `none`."""
    present = [component for component in COMPONENTS if is_ours(component.find(cluster) or {})]
    if len(present) == len(COMPONENTS):
        return "complete"
    seen = {resource for resource in WHERE_WE_SHOW if any(is_ours(obj) for obj in cluster.all(resource))}
    if seen - set(_KEPT):
        return "half"
    return "leftovers" if seen else "none"


def recognised(context: Context) -> Outcome:
    """AMB0301: says what there is; never a problem in itself."""
    cluster = context.cluster
    state = state_of(cluster)
    missing = [component.title for component in COMPONENTS if not is_ours(component.find(cluster) or {})]
    return Outcome(
        note={
            "none": "nothing is installed yet",
            "leftovers": "only CRDs or namespaces that an uninstall kept",
            "half": f"half-finished, {' and '.join(missing) or 'a workload'} missing: site.yml completes it",
            "complete": "complete",
        }[state]
    )


def other_mesh(context: Context) -> Outcome:
    """AMB0302: the cluster belongs to one mesh."""
    wanted = context.wishes.mesh.name
    problems = [
        Problem(
            describe(resource.kind, obj),
            f"belongs to mesh {mesh_of(obj)}, not to {wanted}",
            f"Set ambient_mesh.name to {mesh_of(obj)}, or uninstall that mesh first",
        )
        for resource in WHERE_WE_SHOW
        for obj in context.cluster.all(resource)
        if is_ours(obj) and mesh_of(obj) != wanted
    ]
    return Outcome(problems[:1])


def other_version(context: Context) -> Outcome:
    """AMB0303: nothing is up- or downgraded by installing over it."""
    wanted = context.wishes.version
    problems = []
    for component in COMPONENTS:
        obj = component.find(context.cluster) or {}
        live = labels_of(obj).get(VERSION_LABEL, "")
        if is_ours(obj) and live and wanted and live != wanted:
            problems.append(
                Problem(
                    describe(component.resource.kind, obj),
                    f"runs version {live}, ambient_version asks for {wanted}",
                    f"Set ambient_version to {live}: this version of the collection does not upgrade",
                )
            )
    return Outcome(problems)
