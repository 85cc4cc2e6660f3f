# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AuthorizationPolicies and what they are attached to: the right proxy, and one that is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..authz.analysis_index import View
from ..authz.parts import Policy, Service, Target, targets_of
from ..manifests.gateways import WAYPOINT_CLASS, is_waypoint
from ..manifests.identity import labels_of, name_of, namespace_or_default
from ..mesh.names import did_you_mean
from ..mesh.spec import WaypointRef
from .findings import Problem, Severity

BY_TARGET_REFS = (
    "Attach it by targetRefs to the Service, or to the waypoint's Gateway, so that the waypoint enforces it"
)
#: What is meant for proxies, and is attached to them by targetRefs.
FOR_PROXIES = (
    "AuthorizationPolicy",
    "RequestAuthentication",
    "WasmPlugin",
    "TrafficExtension",
    "Telemetry",
    "EnvoyFilter",
)


def at_ztunnel(view: View) -> Iterator[Policy]:
    """The policies that ztunnel would enforce."""
    for policy in view.world.policies:
        if not policy.targets and view.at_ztunnel(policy.namespace, policy.selector):
            yield policy


def unknown_action_at_ztunnel(view: View) -> Iterator[Problem]:
    """AMB0702: ztunnel has ALLOW and DENY only."""
    for policy in at_ztunnel(view):
        if policy.action in ("ALLOW", "DENY"):
            continue
        yield Problem(
            str(policy),
            f"ztunnel does not know the action {policy.action}: nobody enforces it",
            BY_TARGET_REFS,
            Severity.WARNING if policy.action == "AUDIT" else None,
        )


def dry_run_at_ztunnel(view: View) -> Iterator[Problem]:
    """AMB0703: whether ztunnel looks at the annotation depends on its version and on a setting of istiod."""
    for policy in at_ztunnel(view):
        if policy.dry_run:
            yield Problem(
                str(policy),
                "is in dry run, which ztunnel does not do: it leaves the policy out, and below 1.29 it enforces it",
                "Attach it by targetRefs to try it at a waypoint, or take the annotation istio.io/dry-run off",
            )


def targets_exist(view: View) -> Iterator[Problem]:
    """AMB0704: a policy that is attached to nothing is enforced by nobody."""
    services, entries = (
        {(namespace_or_default(obj), name_of(obj)) for obj in view.world.all(kind)}
        for kind in ("Service", "ServiceEntry")
    )
    elsewhere = _gateways_by_name(view)
    for kind, where, name, target in _targets(view):
        known = {"Service": services, "Gateway": view.gateways, "ServiceEntry": entries}.get(target.kind)
        if target.kind == "GatewayClass":
            wrong = _wrong_class(target, where, view.world.root)
            hint = f"Attach it to GatewayClass {WAYPOINT_CLASS} in namespace {view.world.root}, or to the Gateway"
        elif known is None:
            wrong = f"can be attached to no {target.kind}"
            hint = "Attach it to a Service, a Gateway, a ServiceEntry or a GatewayClass"
        elif (where, target.name) in known or (target.kind == "Gateway" and elsewhere.get(target.name)):
            continue
        else:
            wrong = f"is attached to {target.kind} {where}/{target.name}, which does not exist: nobody enforces it"
            hint = did_you_mean(target.name, (each for space, each in known if space == where))
        if wrong:
            severity = None if view.world.live or known is None else Severity.WARNING
            yield Problem(f"{kind} {where}/{name}", wrong, hint, severity)


def _wrong_class(target: Target, namespace: str, root: str) -> str:
    if target.name != WAYPOINT_CLASS:
        return f"is attached to GatewayClass {target.name}, which is none of waypoints: nobody enforces it"
    if namespace != root:
        return f"is attached to a GatewayClass outside of namespace {root}: nobody enforces it"
    return ""


def _targets(view: View) -> Iterator[tuple[str, str, str, Target]]:
    for kind in FOR_PROXIES:
        for obj in (*view.world.all(kind), *view.others.get(kind, ())):
            for target in dict.fromkeys(targets_of(obj)):
                yield kind, namespace_or_default(obj), name_of(obj), target


def _gateways_by_name(view: View) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for namespace, name in view.gateways:
        found[name].append(namespace)
    return found


def gateway_in_own_namespace(view: View) -> Iterator[Problem]:
    """AMB0705: a targetRef knows no namespace: it means the policy's own."""
    elsewhere = _gateways_by_name(view)
    for kind, where, name, target in _targets(view):
        if target.kind != "Gateway" or (where, target.name) in view.gateways or not elsewhere.get(target.name):
            continue
        places = ", ".join(sorted(elsewhere[target.name])[:3])
        yield Problem(
            f"{kind} {where}/{name}",
            f"is attached to Gateway {target.name}, which stands in namespace {places}: nobody enforces it",
            f"Move it to namespace {places}, or attach it to Services of namespace {where}",
        )


def waypoint_enforces(view: View) -> Iterator[Problem]:
    """AMB0706: the waypoint of what a policy is attached to is there, ready, and in the path."""
    entries = _entries(view)
    for kind, where, name, target in _targets(view):
        reason = ""
        if target.kind == "Service" and (where, target.name) in view.world.services:
            service = view.world.services[where, target.name]
            reason = why_no_waypoint(view, service)
            words = f"is attached to Service {service}, which {reason}"
        elif target.kind == "ServiceEntry" and (where, target.name) in entries:
            entry = entries[where, target.name]
            reason = why_no_waypoint(view, entry)
            words = f"is attached to ServiceEntry {entry}, which {reason}"
        elif target.kind == "Gateway" and (where, target.name) in view.gateways:
            reason = _why_unfit(view, WaypointRef(where, target.name))
            words = f"is attached to Gateway {where}/{target.name}, which {reason}"
        if reason:
            called = "Service" if target.kind == "Gateway" else target.kind
            yield Problem(
                f"{kind} {where}/{name}",
                f"{words}: nobody enforces it",
                f"Give the {called} a waypoint that is ready (label istio.io/use-waypoint)",
                missing(view),
            )


def _entries(view: View) -> dict[tuple[str, str], Service]:
    """The ServiceEntries as far as labels tell by which waypoint they are called."""
    found = (
        Service(namespace_or_default(obj), name_of(obj), {}, (), labels_of(obj))
        for obj in view.world.all("ServiceEntry")
    )
    return {(each.namespace, each.name): each for each in found}


def missing(view: View) -> Severity | None:
    """A tree need not hold all that will be in the cluster."""
    return None if view.world.live else Severity.WARNING


def why_no_waypoint(view: View, service: Service) -> str:
    """Why calls to the Service pass no waypoint; empty if they do."""
    ref = view.world.waypoint_named(service)
    if ref is None:
        return "has no waypoint"
    waypoint = view.world.waypoints.get(ref)
    if waypoint is None:
        return f"names waypoint {ref}, which does not exist"
    if not waypoint.serves.services:
        return f"names waypoint {ref}, which is for {waypoint.serves.value} and not for Services"
    if not view.allows(waypoint, service.namespace):
        return f"names waypoint {ref}, which does not take namespace {service.namespace}"
    return f"names waypoint {ref}, which is not ready" if waypoint.programmed is False else ""


def _why_unfit(view: View, ref: WaypointRef) -> str:
    waypoint = view.world.waypoints.get(ref)
    if waypoint is None or not is_waypoint(view.gateways[ref.namespace, ref.name]):
        return ""
    if not (waypoint.serves.services or waypoint.serves.workloads):
        return "is for no traffic at all"
    return "is not ready" if waypoint.programmed is False else ""
