# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the phase `policies`: how the mesh's policies, routes and labels fit each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import AmbientError
from . import (
    attached,
    authentication,
    binding,
    bypass,
    callers,
    extensions,
    hbone,
    identities,
    misread,
    reach,
    routes,
    rules,
    selected,
    side_doors,
    trust_domain,
)
from .context import Context
from .findings import Check, Outcome, Phase, Severity
from .policy_world import (
    AUTHORIZATION_POLICIES,
    CORE,
    DESTINATION_RULES,
    ENVOY_FILTERS,
    GRPC_ROUTES,
    HTTP_ROUTES,
    PEER_AUTHENTICATIONS,
    REQUEST_AUTHENTICATIONS,
    SERVICE_ACCOUNTS,
    SERVICE_ENTRIES,
    SIDECARS,
    TCP_ROUTES,
    TELEMETRIES,
    TLS_ROUTES,
    TRAFFIC_EXTENSIONS,
    VIRTUAL_SERVICES,
    WASM_PLUGINS,
    Find,
)
from .snapshot import NETWORK_POLICIES, Resource, SkipError

POLICIES = "policies"
_RULES = (AUTHORIZATION_POLICIES,)
_FOR_PROXIES = (
    AUTHORIZATION_POLICIES,
    REQUEST_AUTHENTICATIONS,
    WASM_PLUGINS,
    TRAFFIC_EXTENSIONS,
    TELEMETRIES,
    ENVOY_FILTERS,
)
_ATTACHED = (*_FOR_PROXIES, SERVICE_ENTRIES)
_ROUTES = (HTTP_ROUTES, GRPC_ROUTES, VIRTUAL_SERVICES)
_ODD = "kubectl apply --dry-run=server says which one"
_WARNING, _INFO = Severity.WARNING, Severity.INFO


def analysis(find: Find, needs: tuple[Resource, ...], unwritten: str = "") -> Callable[[Context], Outcome]:
    """A check of the world of policies, as it is once the run is through.

    An error that is there already, whatever the run does, is a warning where the caller says so: a run is refused for
    what it brings. `unwritten`: why a tree cannot tell; empty where it can.
    """

    def run(context: Context) -> Outcome:
        seen = context.policies
        seen.require(needs)
        if unwritten and not seen.after.world.live:
            raise SkipError(unwritten)
        try:
            problems = seen.problems(find)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # a tree may hold anything
            raise AmbientError(
                f"an object is not made as its kind has it: {error}", path=POLICIES, hint=_ODD
            ) from error
        if context.wishes.known_errors_warn and problems:
            known = seen.known(find)
            problems = [
                replace(each, severity=_WARNING)
                if each.severity in (None, Severity.ERROR) and (each.object, each.message) in known
                else each
                for each in problems
            ]
        return Outcome(problems, note="" if seen.after.world.live else "as written")

    run.__doc__ = find.__doc__
    return run


def _check(
    code: str,
    title: str,
    find: Find,
    needs: tuple[Resource, ...],
    severity: Severity = Severity.ERROR,
    unwritten: str = "",
) -> Check:
    needed = (*CORE, *needs)
    return Check(code, POLICIES, title, (Phase.POLICIES,), analysis(find, needed, unwritten), severity, needed)


POLICY_CHECKS = (
    _check("AMB0701", "ztunnel's policies speak of connections only", misread.l7_at_ztunnel, _RULES),
    _check("AMB0702", "ztunnel's policies allow or deny", attached.unknown_action_at_ztunnel, _RULES),
    _check("AMB0703", "No dry run at ztunnel", attached.dry_run_at_ztunnel, _RULES, _WARNING),
    _check("AMB0704", "Targets of policies exist", attached.targets_exist, _ATTACHED),
    _check("AMB0705", "Policies stand in their Gateway's namespace", attached.gateway_in_own_namespace, _ATTACHED),
    _check("AMB0706", "Policies have a waypoint that enforces them", attached.waypoint_enforces, _ATTACHED),
    _check(
        "AMB0707",
        "Routes have a waypoint that follows them",
        routes.have_a_waypoint,
        (*_ROUTES, TCP_ROUTES, TLS_ROUTES),
    ),
    _check("AMB0708", "Pods let their waypoint in", callers.allow_lets_waypoint_in, _RULES),
    _check("AMB0709", "No DENY at pods is blinded by a waypoint", callers.deny_sees_clients, _RULES),
    _check(
        "AMB0710",
        "No DENY by identity where plain text is taken",
        callers.deny_by_identity_in_plain_text,
        (AUTHORIZATION_POLICIES, PEER_AUTHENTICATIONS),
        _WARNING,
    ),
    _check("AMB0711", "mTLS is not disabled", authentication.nothing_disabled, (PEER_AUTHENTICATIONS,), _WARNING),
    _check(
        "AMB0712",
        "No PeerAuthentication by selector for the whole mesh",
        authentication.none_by_selector_in_root,
        (PEER_AUTHENTICATIONS,),
    ),
    _check(
        "AMB0713", "One PeerAuthentication for each pod", authentication.one_for_each, (PEER_AUTHENTICATIONS,), _WARNING
    ),
    _check("AMB0714", "VirtualServices and routes do not mix", routes.not_mixed, _ROUTES),
    _check(
        "AMB0715",
        "DestinationRules have a waypoint that follows them",
        routes.destination_rules_count,
        (DESTINATION_RULES, *_ROUTES),
        _WARNING,
    ),
    _check(
        "AMB0716",
        "RequestAuthentications are attached to waypoints",
        authentication.tokens_are_looked_at,
        (REQUEST_AUTHENTICATIONS,),
    ),
    _check(
        "AMB0717",
        "WasmPlugins and TrafficExtensions are attached to waypoints",
        extensions.plugins_run,
        (WASM_PLUGINS, TRAFFIC_EXTENSIONS),
    ),
    _check("AMB0718", "Waypoints that labels name are ready", binding.waypoint_is_there, (SERVICE_ENTRIES,)),
    _check("AMB0719", "Waypoints take what names them", binding.waypoint_takes_it, (SERVICE_ENTRIES,)),
    _check(
        "AMB0720",
        "Ingress comes through the waypoint",
        bypass.ingress_comes_through,
        (*_ROUTES, AUTHORIZATION_POLICIES),
    ),
    _check("AMB0721", "Nobody calls past a waypoint's policies", bypass.pods_are_locked, _RULES, _WARNING),
    _check("AMB0722", "Callers that waypoints know have no sidecars", bypass.callers_have_no_sidecar, _RULES, _WARNING),
    _check("AMB0723", "No rule is shadowed", rules.nothing_is_shadowed, _RULES, _WARNING),
    _check("AMB0724", "No policy is empty", rules.nothing_is_empty, _RULES, _WARNING),
    _check("AMB0725", "No rule opens all by accident", rules.nothing_is_open_by_accident, _RULES),
    _check("AMB0726", "Every rule can match", rules.nothing_is_contradictory, _RULES),
    _check(
        "AMB0727",
        "Namespaces and service accounts in rules exist",
        identities.are_there,
        (AUTHORIZATION_POLICIES, SERVICE_ACCOUNTS),
        _WARNING,
    ),
    _check("AMB0728", "Principals are written without spiffe://", identities.without_scheme, _RULES),
    _check("AMB0729", "Principals are of the mesh's trust domain", identities.of_this_trust_domain, _RULES, _WARNING),
    _check("AMB0730", "Ports in rules exist", reach.ports_exist, _RULES),
    _check(
        "AMB0731",
        "Selectors of policies select pods",
        reach.selectors_select,
        (AUTHORIZATION_POLICIES, PEER_AUTHENTICATIONS, REQUEST_AUTHENTICATIONS),
        _WARNING,
        "pods may come from elsewhere than this tree",
    ),
    _check("AMB0732", "No Sidecar resources in ambient namespaces", reach.no_sidecar_resources, (SIDECARS,), _INFO),
    _check(
        "AMB0733",
        "ServiceEntries with a star have a waypoint",
        reach.wildcard_hosts_have_a_waypoint,
        (SERVICE_ENTRIES,),
        _WARNING,
    ),
    _check(
        "AMB0734",
        "istiod accepts policies and waypoints",
        reach.istiod_accepts,
        _ATTACHED,
        _WARNING,
        "manifests have no status",
    ),
    _check(
        "AMB0735",
        "Waypoints have a second pod",
        binding.waypoint_has_a_second,
        (),
        _INFO,
        "istiod makes the pods of waypoints",
    ),
    _check(
        "AMB0736",
        "Ports beside HBONE are guarded by policies",
        bypass.ports_stay_shut,
        (AUTHORIZATION_POLICIES, NETWORK_POLICIES),
        _WARNING,
    ),
    _check("AMB0737", "Waypoints' policies speak of addresses that they know", misread.addresses_at_waypoint, _RULES),
    _check("AMB0738", "ztunnel's policies name clients as it knows them", misread.clients_at_ztunnel, _RULES),
    _check(
        "AMB0739",
        "Tokens that rules ask for are looked at",
        authentication.tokens_are_known,
        (AUTHORIZATION_POLICIES, REQUEST_AUTHENTICATIONS),
    ),
    _check("AMB0740", "Services before the same pods are guarded alike", side_doors.none_beside_policies, _RULES),
    _check(
        "AMB0741",
        "NetworkPolicies leave HBONE open for pods of the mesh",
        hbone.admit_hbone_as_written,
        (NETWORK_POLICIES,),
        _WARNING,
    ),
    _check(
        "AMB0742",
        "Routes lead past no policies",
        side_doors.routes_lead_to_the_open,
        (*_ROUTES, TCP_ROUTES, TLS_ROUTES, AUTHORIZATION_POLICIES),
        _WARNING,
    ),
    _check(
        "AMB0743",
        "EnvoyFilters and Telemetries have a proxy that applies them",
        extensions.proxies_are_there,
        (ENVOY_FILTERS, TELEMETRIES),
        _WARNING,
    ),
    Check("AMB0744", POLICIES, "ambient_trust_domain is istiod's", (Phase.POLICIES,), trust_domain.is_that_of_istiod),
    _check(
        "AMB0745",
        "Nothing selects the pods of waypoints",
        selected.waypoints_by_selector,
        _FOR_PROXIES,
    ),
)
