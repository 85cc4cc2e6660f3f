# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What selects the pods of a waypoint, as was the way before targetRefs.

Source: istiod's pilot/pkg/model/policyattachment.go: a waypoint never matches by selector.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..authz.analysis_index import GATEWAY_NAME, View
from ..authz.parts import selector_of, targets_of
from ..manifests.identity import Object, name_of, namespace_or_default
from ..mesh.facts import Labels
from .attached import FOR_PROXIES
from .findings import Problem

_OLD_GATEWAY_NAME = "istio.io/gateway-name"


def waypoints_by_selector(view: View) -> Iterator[Problem]:
    """AMB0745: a waypoint takes what is attached to it by targetRefs, and looks at no selector."""
    waypoints = {(ref.namespace, ref.name) for ref in view.world.waypoints}
    names = {name for _namespace, name in waypoints}
    for kind in FOR_PROXIES:
        for obj in (*view.world.all(kind), *view.others.get(kind, ())):
            where, selector = namespace_or_default(obj), labels_selected(obj)
            name = selector.get(GATEWAY_NAME, selector.get(_OLD_GATEWAY_NAME, ""))
            anywhere = where == view.world.root and name in names
            if not targets_of(obj) and ((where, name) in waypoints or anywhere):
                yield Problem(
                    f"{kind} {where}/{name_of(obj)}",
                    f"selects the pods of waypoint {name}, which looks at no selector: nobody enforces it",
                    f"Attach it by targetRefs to Gateway {name}, in the Gateway's namespace",
                )


def labels_selected(obj: Object) -> Labels:
    """The labels of its selector; none without one."""
    envoy: Labels = ((obj.get("spec") or {}).get("workloadSelector") or {}).get("labels") or {}
    return selector_of(obj) or envoy
