# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels that name a waypoint: it is there, it is ready, it may be used, and it is for that kind of traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..authz.analysis_index import GATEWAY_NAME, View
from ..manifests.gateways import is_waypoint
from ..manifests.identity import labels_of, name_of, namespace_or_default
from ..mesh.facts import Labels
from ..mesh.names import did_you_mean
from ..mesh.patches import NO_WAYPOINT, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE
from ..mesh.spec import WaypointRef
from .attached import missing
from .findings import Problem


@dataclass(frozen=True)
class Bound:
    """What has the label. `namespace`: whose traffic it is about."""

    kind: str
    namespace: str
    name: str
    ref: WaypointRef

    def __str__(self) -> str:
        return (
            f"Namespace {self.namespace}" if self.kind == "Namespace" else f"{self.kind} {self.namespace}/{self.name}"
        )


def bound(view: View) -> Iterator[Bound]:
    """All that names a waypoint."""
    for namespace, labels in sorted(view.world.namespaces.items()):
        yield from _bound("Namespace", namespace, namespace, labels)
    for service in view.world.services.values():
        yield from _bound("Service", service.namespace, service.name, service.labels)
    for group in view.world.workloads_in.values():
        for workload in group:
            yield from _bound(workload.kind, workload.namespace, workload.name, workload.labels)
    for obj in view.world.all("ServiceEntry"):
        yield from _bound("ServiceEntry", namespace_or_default(obj), name_of(obj), labels_of(obj))


def _bound(kind: str, namespace: str, name: str, labels: Labels) -> Iterator[Bound]:
    waypoint = labels.get(USE_WAYPOINT)
    if waypoint and waypoint != NO_WAYPOINT:
        yield Bound(kind, namespace, name, WaypointRef(labels.get(USE_WAYPOINT_NAMESPACE, namespace), waypoint))


def waypoint_is_there(view: View) -> Iterator[Problem]:
    """AMB0718: where the waypoint is missing, calls go straight to the pods, and its policies do not hold."""
    for each in bound(view):
        waypoint = view.world.waypoints.get(each.ref)
        if waypoint is None:
            gateway = view.gateways.get((each.ref.namespace, each.ref.name))
            wrong = "is no waypoint" if gateway and not is_waypoint(gateway) else "does not exist"
            near = (ref.name for ref in view.world.waypoints if ref.namespace == each.ref.namespace)
            hint = did_you_mean(each.ref.name, near) if not gateway else "Name a Gateway of the class istio-waypoint"
            hint = "Make the waypoint, or take the label off" if hint == "Known: " else hint
        elif waypoint.programmed is False:
            wrong, hint = "is not ready", f"See kubectl describe gateway {each.ref.name} -n {each.ref.namespace}"
        else:
            continue
        yield Problem(
            str(each),
            f"label {USE_WAYPOINT} names waypoint {each.ref}, which {wrong}: calls go past it, and no policy for HTTP "
            "holds",
            hint,
            missing(view),
        )


def waypoint_takes_it(view: View) -> Iterator[Problem]:
    """AMB0719: a waypoint serves Services or workloads, and from its own namespace unless it says otherwise."""
    for each in bound(view):
        waypoint = view.world.waypoints.get(each.ref)
        if waypoint is None:
            continue
        served = {
            "Namespace": waypoint.serves.services or waypoint.serves.workloads,
            "Service": waypoint.serves.services,
            "ServiceEntry": waypoint.serves.services,
        }.get(each.kind, waypoint.serves.workloads)
        if not view.allows(waypoint, each.namespace):
            wrong = f"does not take namespace {each.namespace}"
            hint = "Let it in by allowedRoutes.namespaces of the waypoint's listener"
        elif not served:
            wrong = f"is for traffic of the kind {waypoint.serves.value} only"
            hint = "Set the label istio.io/waypoint-for of the waypoint to all, or name another one"
        else:
            continue
        message = f"label {USE_WAYPOINT} names waypoint {each.ref}, which {wrong}: calls go past it"
        yield Problem(str(each), message, hint)


def waypoint_has_a_second(view: View) -> Iterator[Problem]:
    """AMB0735: while the only pod of a waypoint is away, nothing behind it can be called."""
    deployments = {
        (namespace_or_default(obj), labels_of(obj).get(GATEWAY_NAME, "")): obj
        for obj in view.world.all("Deployment")
        if GATEWAY_NAME in labels_of(obj)
    }
    for ref in sorted(view.world.waypoints):
        obj = deployments.get((ref.namespace, ref.name))
        if obj and (obj.get("spec") or {}).get("replicas") == 1:
            yield Problem(
                f"Gateway {ref}",
                "is a waypoint with one pod: while that is replaced, what is behind it cannot be called",
                "Give it two replicas and a disruption budget (ambient_mesh.waypoints: replicas, disruption_budget)",
            )
