# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes the proxies themselves: plugins, EnvoyFilters and Telemetries, which ztunnel all passes over.

A waypoint takes what is attached to it by targetRefs, and of what has neither targetRefs nor a selector Telemetries
only. Source: istiod's pilot/pkg/model/policyattachment.go and telemetry.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..authz.analysis_index import View
from ..authz.parts import selector_of, targets_of
from ..manifests.gateways import WAYPOINT_CLASS, is_waypoint
from ..manifests.identity import Object, name_of, namespace_or_default
from .authentication import by_selector
from .findings import Problem, Severity
from .selected import labels_selected

_FOR_NOBODY = "is about pods that ztunnel captures, and neither ztunnel nor a waypoint applies it"


def plugins_run(view: View) -> Iterator[Problem]:
    """AMB0717: ztunnel runs no plugin."""
    for kind, objects in (
        ("WasmPlugin", view.world.all("WasmPlugin")),
        ("TrafficExtension", view.others.get("TrafficExtension", ())),
    ):
        yield from by_selector(view, kind, objects, "it runs nowhere in front of them")


def proxies_are_there(view: View) -> Iterator[Problem]:
    """AMB0743: EnvoyFilters change proxies that pods in ambient mode do not have; Telemetries select none."""
    for obj in view.others.get("EnvoyFilter", ()):
        name = f"EnvoyFilter {namespace_or_default(obj)}/{name_of(obj)}"
        if targets_of(obj):
            if waypoint := _waypoint_changed_by(view, obj):
                yield Problem(
                    name,
                    f"changes {waypoint}: Istio does not promise that it goes on to fit a waypoint",
                    "Look at it again with each upgrade; say it by a route, a policy or a Telemetry where you can",
                    Severity.INFO,
                )
        elif view.at_ztunnel(namespace_or_default(obj), labels_selected(obj)) and not _may_be_for_gateways(view, obj):
            hint = "Take it away; what it did may be said by a route or a policy at a waypoint"
            yield Problem(name, _FOR_NOBODY, hint)
    for obj in view.others.get("Telemetry", ()):
        selector = selector_of(obj)
        if selector and not targets_of(obj) and view.at_ztunnel(namespace_or_default(obj), selector):
            yield Problem(
                f"Telemetry {namespace_or_default(obj)}/{name_of(obj)}",
                _FOR_NOBODY,
                "Attach it by targetRefs to the waypoint's Gateway, or take the selector off",
            )


def _may_be_for_gateways(view: View, envoy_filter: Object) -> bool:
    """Whether it names no pods, where there may be a gateway for ingress."""
    where = namespace_or_default(envoy_filter)
    others = (place for place, obj in view.gateways.items() if not is_waypoint(obj))
    return not labels_selected(envoy_filter) and (
        where == view.world.root or any(place[0] == where for place in others)
    )


def _waypoint_changed_by(view: View, obj: Object) -> str:
    for target in targets_of(obj):
        gateway = view.gateways.get((namespace_or_default(obj), target.name)) if target.kind == "Gateway" else None
        if gateway is not None and is_waypoint(gateway):
            return f"waypoint {namespace_or_default(obj)}/{target.name}"
        if (target.kind, target.name, namespace_or_default(obj)) == ("GatewayClass", WAYPOINT_CLASS, view.world.root):
            return "every waypoint"
    return ""
