# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What policies are about: ports and pods that are there, and what istiod says of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ..authz.analysis_index import GATEWAY_NAME, View, own_waypoint, target_ports
from ..authz.analysis_rules import conditions, operations, values
from ..authz.matching import Rule
from ..authz.parts import Policy, Workload, conditions_of, selector_of, targets_of
from ..manifests.identity import labels_of, name_of, namespace_or_default
from . import attached, binding, misread
from .findings import Problem, Severity

_SELECTING = ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")


def _ports(rule: Rule) -> Iterator[list[str]]:
    """The ports of each part of a rule that names some: one of them has to fit."""
    for each in operations(rule):
        yield values(each, "ports")
    for each in conditions(rule):
        if each.get("key") == "destination.port":
            yield values(each, "values")


def ports_exist(view: View) -> Iterator[Problem]:
    """AMB0730: a waypoint sees the port of the Service, ztunnel that of the pods."""
    for policy in view.world.policies:
        if policy.targets:
            yield from _at_services(view, policy)
        elif any(part for rule in policy.rules for part in _ports(rule)) and (policy.namespace != view.world.root):
            yield from _at_pods(view, policy)


def _at_services(view: View, policy: Policy) -> Iterator[Problem]:
    for target in policy.targets:
        service = view.world.services.get((policy.namespace, target.name)) if target.kind == "Service" else None
        if service is None or not service.ports:
            continue
        known = {str(port.number) for port in service.ports}
        for number, rule in enumerate(policy.rules, 1):
            for part in _ports(rule):
                wrong = sorted(set(part) - known)
                if wrong:
                    none = len(wrong) == len(set(part))
                    yield Problem(
                        str(policy),
                        f"rule {number} names port {', '.join(wrong)}, which Service {service} does not have"
                        + (": it never matches" if none else ""),
                        f"The waypoint sees the Service's ports: {', '.join(sorted(known, key=int))}",
                        None if none else Severity.WARNING,
                    )


def _at_pods(view: View, policy: Policy) -> Iterator[Problem]:
    workloads = [each for each in view.selected(policy.namespace, policy.selector) if view.world.captured(each)]
    if not workloads or not view.at_ztunnel(policy.namespace, policy.selector):
        return
    pods, services = _known(view, workloads)
    for number, rule in enumerate(policy.rules, 1):
        for part in _ports(rule):
            wrong = [port for port in part if port in services and port not in pods]
            if wrong:
                yield Problem(
                    str(policy),
                    f"rule {number} names port {', '.join(sorted(wrong))} of a Service, and ztunnel sees the port of "
                    "the pods: it never matches there",
                    f"Name the port on which the pods listen: {', '.join(sorted(pods)) or 'see their containers'}",
                    Severity.WARNING,
                )


def _known(view: View, workloads: Iterable[Workload]) -> tuple[set[str], set[str]]:
    """The ports of the pods, and those of their Services."""
    pods: set[str] = set()
    services: set[str] = set()
    for workload in workloads:
        pods |= set(map(str, workload.ports.values()))
        for service in view.services_of(workload):
            pods |= set(map(str, target_ports(service, workload)))
            services |= {str(port.number) for port in service.ports}
    return pods, services


def selectors_select(view: View) -> Iterator[Problem]:
    """AMB0731: a selector that fits no pod is often a slip."""
    worn: dict[str, set[tuple[str, str]]] = defaultdict(set)  # by pods of any maker
    for pod in view.world.all("Pod"):
        worn[namespace_or_default(pod)].update(labels_of(pod).items())
    for kind in _SELECTING:
        for obj in view.world.all(kind):
            where, selector = namespace_or_default(obj), selector_of(obj)
            if not selector or targets_of(obj) or GATEWAY_NAME in selector or where not in view.enrolled:
                continue
            if not view.selected(where, selector) and not selector.items() <= worn[where]:
                labels = ", ".join(f"{key}={value}" for key, value in sorted(selector.items()))
                message = f"selects no pod: none has {labels}"
                yield Problem(f"{kind} {where}/{name_of(obj)}", message, "Correct the selector, or take it away")


def no_sidecar_resources(view: View) -> Iterator[Problem]:
    """AMB0732: what a sidecar would see of the mesh is nothing to ztunnel."""
    for obj in view.others.get("Sidecar", ()):
        where = namespace_or_default(obj)
        if view.world.enrolled(where):
            message = f"has no effect: namespace {where} is in ambient mode, and its pods have no sidecars"
            yield Problem(f"Sidecar {where}/{name_of(obj)}", message, "Take it away; policies say who may call whom")


def wildcard_hosts_have_a_waypoint(view: View) -> Iterator[Problem]:
    """AMB0733: ztunnel cannot tell one host behind a star from another."""
    for obj in view.world.all("ServiceEntry"):
        where, spec = namespace_or_default(obj), obj.get("spec") or {}
        stars = [str(host) for host in spec.get("hosts") or [] if str(host).startswith("*")]
        if not stars or where not in view.enrolled:
            continue
        ref = own_waypoint(labels_of(obj), where, view.world.namespaces.get(where, {}))
        if ref is None:
            message = f"host {stars[0]} needs a waypoint, and it names none: calls to it are not recognised"
            hint = "Give it the label istio.io/use-waypoint with an egress waypoint"
            yield Problem(f"ServiceEntry {where}/{name_of(obj)}", message, hint)


def istiod_accepts(view: View) -> Iterator[Problem]:
    """AMB0734: what istiod reports and nothing else here explains."""
    asleep = {str(policy) for policy in view.world.policies if policy.dry_run}  # refused for ztunnel, as AMB0703 says
    refused = [
        (f"{kind} {namespace_or_default(obj)}/{name_of(obj)}", condition, reason, message)
        for kind, conditions_looked_at in _LOOKED_AT
        for obj in view.world.all(kind)
        for condition, (status, reason, message) in conditions_of(obj).items()
        if condition in conditions_looked_at and status == "False"
    ]
    explained = {problem.object for problem in _explaining(view)} if refused else set()
    for name, condition, reason, message in refused:
        if condition == "ZtunnelAccepted" and name in asleep:
            continue
        if name not in explained and not _by_namespace(name, explained):
            words = f"istiod says {condition} is False: {reason or 'without a reason'}"
            yield Problem(name, f"{words}, {message}" if message else words, "See its status, and correct what it says")


_LOOKED_AT: Sequence[tuple[str, tuple[str, ...]]] = (
    ("AuthorizationPolicy", ("WaypointAccepted", "ZtunnelAccepted")),
    ("Service", ("istio.io/WaypointBound",)),
    ("ServiceEntry", ("istio.io/WaypointBound",)),
)


def _by_namespace(name: str, explained: set[str]) -> bool:
    kind, _space, rest = name.partition(" ")
    return kind != "AuthorizationPolicy" and f"Namespace {rest.partition('/')[0]}" in explained


def _explaining(view: View) -> Iterator[Problem]:
    yield from misread.l7_at_ztunnel(view)
    yield from misread.clients_at_ztunnel(view)
    yield from attached.unknown_action_at_ztunnel(view)
    yield from attached.dry_run_at_ztunnel(view)
    yield from attached.targets_exist(view)
    yield from attached.gateway_in_own_namespace(view)
    yield from attached.waypoint_enforces(view)
    yield from binding.waypoint_is_there(view)
    yield from binding.waypoint_takes_it(view)
    yield from wildcard_hosts_have_a_waypoint(view)
