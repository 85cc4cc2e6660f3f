# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies at the pods that name clients, where the pods see the waypoint's identity, or none at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from ..authz.analysis_index import View
from ..authz.analysis_rules import names_clients, ports_of, wants_clients, without_addresses
from ..authz.deciding import decide
from ..authz.matching import Call, Proxy, Rule, matches, says_http
from ..authz.parts import Policy, Workload
from ..mesh.spec import WaypointRef
from .authentication import Modes
from .findings import Problem

_SHOWN = 3
_MOVE = "Attach it to the Services by targetRefs, so that the waypoint enforces it"


def allow_lets_waypoint_in(view: View) -> Iterator[Problem]:
    """AMB0708: behind a waypoint, an ALLOW at the pods has to let the waypoint in."""
    found: dict[str, set[WaypointRef]] = defaultdict(set)
    for workload, paths in view.routed:
        policies = [each for each in view.at_pods(workload) if each.action == "ALLOW"]
        for ref, ports in paths.items():
            if policies and not any(_admits(view, policy, ref, ports) for policy in policies):
                for policy in _shutting(view, workload, policies):
                    found[str(policy)].add(ref)
    for name, refs in sorted(found.items()):
        yield Problem(
            name,
            f"allows clients, but not waypoint {_some(refs)}, which the pods see in their place: nobody comes through",
            f"{_MOVE}; at the pods allow {_principal(view, min(refs))}",
        )


def _shutting(view: View, workload: Workload, policies: Sequence[Policy]) -> list[Policy]:
    """Those of the ALLOWs that mean clients; where none does, those that shut what the waypoint's policies open."""
    naming = [policy for policy in policies if any(map(names_clients, policy.rules))]
    if naming:
        return naming
    services = view.services_of(workload)
    paths = ((service, view.waypoint_of(service)) for service in services)
    opened = any(
        policy.action == "ALLOW" and policy.rules
        for service, waypoint in paths
        if waypoint
        for policy in view.at_waypoint(waypoint.ref, service)
    )
    return [policy for policy in policies if not policy.rules] if opened else []


def _admits(view: View, policy: Policy, ref: WaypointRef, ports: Collection[int]) -> bool:
    rules = [rule for rule in policy.rules if not says_http(rule)]
    return any(_matches(view, without_addresses(rule), ref, ports, policy) for rule in rules)


def _matches(view: View, rule: Rule, ref: WaypointRef, ports: Collection[int], policy: Policy) -> bool:
    """Whether a rule is about the waypoint, on one of the ports that it calls; on any where nobody knows them."""
    if not ports:
        rule = {key: rule.get(key) for key in ("from", "when")}
    principal = _principal(view, ref)
    calls = (Call(principal=principal, port=port) for port in ports or (0,))
    return any(matches(rule, call, Proxy.ZTUNNEL, policy.action, policy.namespace) for call in calls)


def _principal(view: View, ref: WaypointRef) -> str:
    return ref.principal(view.world.trust_domain)


def _some(refs: Iterable[WaypointRef]) -> str:
    names = sorted(map(str, refs))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def deny_sees_clients(view: View) -> Iterator[Problem]:
    """AMB0709: behind a waypoint, a DENY at the pods that names clients denies nobody, or everybody."""
    nobody: dict[str, set[WaypointRef]] = defaultdict(set)
    everybody: dict[str, set[WaypointRef]] = defaultdict(set)
    for workload, paths in view.routed:
        policies = [each for each in view.at_pods(workload) if each.action == "DENY"]
        for policy in policies:
            rules = [(rule, without_addresses(rule)) for rule in policy.rules if names_clients(rule)]
            for ref, ports in paths.items():
                for rule, bare in rules:
                    denied = _matches(view, bare, ref, ports, policy)
                    if denied and not wants_clients(rule):
                        everybody[str(policy)].add(ref)
                    elif not denied and wants_clients(rule) and _concerns(rule, ports):
                        nobody[str(policy)].add(ref)
    for name, refs in sorted(everybody.items()):
        message = f"denies all but some clients, and the pods see waypoint {_some(refs)}: nobody comes through"
        yield Problem(name, message, f"{_MOVE}; at the pods except {_principal(view, min(refs))}")
    for name, refs in sorted(nobody.items()):
        message = f"denies clients, but the pods see waypoint {_some(refs)} in their place: it denies nobody of them"
        yield Problem(name, message, _MOVE)


def _concerns(rule: Rule, ports: Collection[int]) -> bool:
    named = ports_of(rule)
    return not named or not ports or bool(named & set(map(str, ports)))


def deny_by_identity_in_plain_text(view: View) -> Iterator[Problem]:
    """AMB0710: who speaks plain text has no identity, so that no DENY knows him."""
    modes = Modes(view)
    open_to: dict[str, str] = {}
    for workload in view.captured:
        policies = view.at_pods(workload)
        denying = [each for each in policies if each.action == "DENY" and any(map(_by_identity, each.rules))]
        if not denying or modes.strict(workload):
            continue
        for policy in denying:
            ports = sorted({int(port) for rule in policy.rules for port in ports_of(rule) if port.isdigit()}) or [0]
            if decide(policies, Call(port=ports[0]), Proxy.ZTUNNEL).allowed:
                open_to.setdefault(str(policy), str(workload))
    for name, workload_name in sorted(open_to.items()):
        yield Problem(
            name,
            f"denies by identity, and {workload_name} takes plain text, which has none: whoever speaks it is let in",
            "Refuse plain text there: PeerAuthentication with mtls.mode STRICT",
        )


def _by_identity(rule: Rule) -> bool:
    return wants_clients(without_addresses(rule))
