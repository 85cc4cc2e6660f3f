# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the mesh that is there is well, seen from outside."""

from __future__ import annotations

from collections.abc import Callable

from . import versions
from .context import Context, describe, labels_of
from .findings import Outcome, Problem
from .ours import COMPONENTS, VERSION_LABEL, Component
from .snapshot import DAEMONSETS


def component_ready(component: Component) -> Callable[[Context], Outcome]:
    """The function of the check that looks at one component."""
    kind = component.resource.kind
    where = f"{kind} {component.namespace}/{component.name}"

    def look(context: Context) -> Outcome:
        obj = component.find(context.cluster)
        if obj is None:
            return Outcome([Problem(where, "is not there", "Run site.yml to install or complete the mesh")])
        status = obj.get("status") or {}
        if component.resource is DAEMONSETS:
            ready, wanted = status.get("numberReady") or 0, status.get("desiredNumberScheduled") or 0
        else:
            ready, wanted = status.get("readyReplicas") or 0, (obj.get("spec") or {}).get("replicas", 1) or 0
        note = f"{ready} of {wanted} ready"
        behind = (status.get("observedGeneration") or 0) < (obj["metadata"].get("generation") or 0)
        if ready < wanted or wanted == 0 or behind:
            hint = f"kubectl -n {component.namespace} describe {kind.lower()} {component.name}"
            message = f"only {note}" if not behind else f"{note}, its latest change is not rolled out"
            return Outcome([Problem(describe(kind, obj), message, hint)])
        return Outcome(note=note)

    return look


def no_skew(context: Context) -> Outcome:
    """AMB0504: the data plane is never ahead of istiod and at most one minor version behind."""
    live = {}
    for component in COMPONENTS:
        obj = component.find(context.cluster) or {}
        version = versions.parse(labels_of(obj).get(VERSION_LABEL, ""))
        if version:
            live[component] = version
    control, *data = COMPONENTS
    if control not in live:
        return Outcome(note="the version of istiod is not known")
    problems = []
    for component in data:
        version = live.get(component, live[control])
        ahead = version[:2] > live[control][:2]
        if ahead or live[control][1] - version[1] > 1:
            problems.append(
                Problem(
                    f"{component.resource.kind} {component.namespace}/{component.name}",
                    f"runs {_text(version)}, {'ahead of' if ahead else 'too far behind'} istiod {_text(live[control])}",
                    "Upgrade istiod first, then istio-cni, then ztunnel, one minor version at a time",
                )
            )
    return Outcome(problems, note=f"istiod {_text(live[control])}")


def _text(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
