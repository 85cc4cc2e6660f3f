# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passive verifications of waypoints: they stand, Services go through them, and nothing gets around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..manifests.dry_run import in_dry_run
from ..manifests.gateways import WAYPOINT_CLASS
from ..manifests.identity import labels_of, namespace_of
from ..mesh.policies import LOCK_DOWN
from ..mesh.spec import NamespaceSpec, WaypointRef, WaypointSpec
from .declared import GATEWAY_NAME, behind, is_bindable, selects
from .facts import Facts
from .pods import Object, condition, full_name, in_namespaces, is_ready, is_true
from .verdict import Check, Verdict, by_namespace, count, failed, not_proven, passed, shorten, skipped
from .ztunnel import NO_PATH
from .ztunnel_config import ZtunnelConfig

BOUND = "istio.io/WaypointBound"

_USE = "istio.io/use-waypoint"

Route = tuple[NamespaceSpec, Object, WaypointRef]


def no_waypoint(facts: Facts) -> str:
    """Why no waypoint is looked for."""
    return "" if facts.declared.waypoints else "no waypoint is declared"


def no_binding(facts: Facts) -> str:
    """Why nothing is looked for behind waypoints."""
    if facts.declared.waypoints and not facts.declared.bound():
        return "no namespace is declared to use a waypoint"
    return no_waypoint(facts)


def no_lock(facts: Facts) -> str:
    """Why no lock-down is looked for."""
    if facts.declared.bound() and not facts.declared.locked():
        return "lock_down is switched off for waypoints in use"
    return no_binding(facts)


def ready(facts: Facts) -> Verdict:
    """Each Gateway is programmed and has ready pods."""
    troubles: dict[str, list[str]] = {}
    pods = 0
    for waypoint in facts.declared.waypoints:
        mine = [pod for pod in facts.waypoint_pods.get() if _is_of(pod, waypoint)]
        pods += len([pod for pod in mine if is_ready(pod)])
        found = _unready(facts, waypoint, mine)
        if found:
            troubles.setdefault(waypoint.namespace, []).append(f"waypoint {waypoint.name} {found}")
    if troubles:
        return failed(by_namespace(troubles), "See kubectl -n NAMESPACE describe gateway, and the waypoint's pods")
    names = shorten(str(waypoint.ref) for waypoint in facts.declared.waypoints)
    return passed(f"{names} programmed, {count(pods, 'ready pod')}")


def _is_of(pod: Object, waypoint: WaypointSpec) -> bool:
    return namespace_of(pod) == waypoint.namespace and labels_of(pod).get(GATEWAY_NAME) == waypoint.name


def _unready(facts: Facts, waypoint: WaypointSpec, pods: Sequence[Object]) -> str:
    gateway = _gateway(facts, waypoint.ref)
    if not gateway:
        return "has no Gateway"
    kind = str((gateway.get("spec") or {}).get("gatewayClassName", ""))
    if kind != WAYPOINT_CLASS and not waypoint.existing:
        return f"has a Gateway of class {kind}, not {WAYPOINT_CLASS}"
    if not is_true(gateway, "Programmed"):
        found = condition(gateway, "Programmed")
        said = f"{found.get('reason', 'no condition')}: {found.get('message', 'istiod has said nothing')}"
        return f"is not programmed ({said[:200]})"
    if kind != WAYPOINT_CLASS:  # somebody else's: where its pods are is theirs to know
        return ""
    if not any(is_ready(pod) for pod in pods):
        return f"has no ready pod of {len(pods)}"
    return ""


def _gateway(facts: Facts, ref: WaypointRef) -> Object:
    return next((found for found in facts.gateways.get() if full_name(found) == str(ref)), {})


def routes(facts: Facts) -> Iterator[Route]:
    """Every Service that shall go through a waypoint, with its namespace's declaration and the waypoint."""
    pods, services = in_namespaces(facts.pods.get()), in_namespaces(facts.services.get())
    for space in facts.declared.bound():
        for service in filter(is_bindable, services.get(space.name, [])):
            ref = facts.declared.of_service(space, service, pods.get(space.name, []))
            if ref is not None:
                yield space, service, ref


def services_bound(facts: Facts) -> Verdict:
    """istiod has bound the Services to their waypoints."""
    troubles: dict[str, list[str]] = {}
    wanted = list(routes(facts))
    for space, service, ref in wanted:
        found = _unbound(service, ref)
        if found:
            troubles.setdefault(space.name, []).append(f"Service {service['metadata']['name']} {found}")
    live = {full_name(service) for service in facts.services.get()}
    for space in facts.declared.bound():
        for binding in space.services:
            if f"{space.name}/{binding.name}" not in live:
                troubles.setdefault(space.name, []).append(f"there is no Service {binding.name}")
    if troubles:
        return failed(by_namespace(troubles), "See the labels of the Service and of its namespace, and istiod's log")
    return passed(f"{count(len(wanted), 'Service')} bound{_aside(facts)}") if wanted else _nothing(facts)


def _unbound(service: Object, ref: WaypointRef) -> str:
    found = condition(service, BOUND)
    if not found:
        label = labels_of(service).get(_USE)
        says = f" (its own label says {_USE}: {label})" if label else ""
        return f"is bound to no waypoint{says}"
    message = str(found.get("message", ""))
    if found.get("status") != "True":
        return f"is not bound to {ref}, {found.get('reason', '')}: {message[:200]}"
    if not f"{message}. ".replace(". ", " ").startswith(f"Successfully attached to waypoint {ref} "):
        return f"is bound otherwise than to {ref}: {message[:200]}"
    return ""


def _aside(facts: Facts) -> str:
    """The Services that a waypoint for workloads leaves alone: istiod marks them, and it is as declared."""
    spaces = {space.name for space in facts.declared.bound()}
    left = [
        full_name(service)
        for service in facts.services.get()
        if namespace_of(service) in spaces and condition(service, BOUND).get("reason") == "UnsupportedTrafficType"
    ]
    return f"; UnsupportedTrafficType, for the waypoint serves no Services: {shorten(left)}" if left else ""


def _nothing(facts: Facts) -> Verdict:
    return skipped(f"no Service is there that goes through a waypoint{_aside(facts)}")


def in_path(facts: Facts) -> Verdict:
    """ztunnel's own configuration sends calls to Services and pods to their waypoints."""
    if facts.stand_in.value:
        return not_proven(NO_PATH)
    troubles: dict[str, list[str]] = {}
    unseen: list[str] = []
    wanted = [(full_name(service), "Service", ref) for dummy, service, ref in routes(facts)]
    wanted += [(full_name(pod), "pod", ref) for dummy, pod, ref in _pods_behind(facts)]
    for node, dump in sorted(facts.dumps.get().items()):
        config = ZtunnelConfig(dump.value or {})
        why = dump.why or config.lacks("services", "workloads")
        if why:
            unseen.append(f"ztunnel on {node}: {why}")
            continue
        for name, kind, ref in wanted:
            found = config.service_waypoint(name) if kind == "Service" else config.pod_waypoint(name)
            if not found & {str(ref), *_addresses(_gateway(facts, ref))}:
                to = shorten(sorted(found)) or "the pods"
                space, dummy, short = name.partition("/")
                troubles.setdefault(space, []).append(f"ztunnel on {node} sends {kind} {short} to {to}, not to {ref}")
    if troubles:
        return failed(by_namespace(troubles), "See the logs of istiod and of ztunnel on that node")
    if unseen:
        return not_proven(shorten(dict.fromkeys(unseen), 3))
    if not wanted:
        return _nothing(facts)
    return passed(f"all {len(wanted)} Services and pods, in {count(len(facts.dumps.get()), 'ztunnel')}")


def _pods_behind(facts: Facts) -> Iterator[tuple[NamespaceSpec, Object, WaypointRef]]:
    pods = in_namespaces(facts.eligible())
    for space in facts.declared.bound():
        for pod in pods.get(space.name, []):
            ref = facts.declared.of_pod(space, pod)
            if ref is not None:
                yield space, pod, ref


def _addresses(gateway: Object) -> set[str]:
    return {str(item.get("value", "")) for item in (gateway.get("status") or {}).get("addresses") or []}


def locked_down(facts: Facts) -> Verdict:
    """The pods behind a waypoint take calls from it alone."""
    troubles: dict[str, dict[str, None]] = {}
    wanted = 0
    for space, name, labels, ref in _behind_lock(facts):
        wanted += 1
        found = _open(facts, space, labels, ref)
        if found:
            troubles.setdefault(space.name, {})[f"{name} {found}"] = None
    if troubles:
        return failed(by_namespace({name: list(found) for name, found in troubles.items()}), "Run playbooks/site.yml")
    if not wanted:
        return skipped("nothing stands behind a waypoint")
    open_ = [space.name for space in facts.declared.bound() if space not in facts.declared.locked()]
    aside = f"; lock_down is switched off for a waypoint of {shorten(open_)}" if open_ else ""
    return passed(f"{count(wanted, 'pod')} (or Services that have none yet){aside}")


def _behind_lock(facts: Facts) -> Iterator[tuple[NamespaceSpec, str, Mapping[str, str], WaypointRef]]:
    """What a lock-down must select: pods by their labels, and where a Service has none yet, by those it will have."""
    pods = in_namespaces(facts.eligible())
    locked = facts.declared.locked()
    for space, service, ref in routes(facts):
        if space not in locked:
            continue
        mine = list(behind(service, pods.get(space.name, [])))
        for pod in mine:
            yield space, f"pod {pod['metadata']['name']}", labels_of(pod), ref
        selector = (service.get("spec") or {}).get("selector")
        if selector and not mine:
            yield space, f"Service {service['metadata']['name']}", selector, ref
    for space, pod, ref in _pods_behind(facts):
        if space in locked:
            yield space, f"pod {pod['metadata']['name']}", labels_of(pod), ref


def _open(facts: Facts, space: NamespaceSpec, labels: Mapping[str, str], ref: WaypointRef) -> str:
    """How the lock-down of something fails; '' if it holds. Where several may be meant, it admits each of them."""
    trust = facts.trust_domain.get()
    allowed = {each.principal(trust) for each in space.waypoints()}
    admitted, asleep = None, ""
    for policy in facts.policies.get():
        spec = policy.get("spec") or {}
        ours = full_name(policy).startswith(f"{space.name}/{LOCK_DOWN}") and spec.get("action") == "DENY"
        if ours and selects((spec.get("selector") or {}).get("matchLabels") or {}, labels):
            if in_dry_run(policy):
                asleep = str(policy["metadata"]["name"])
                continue
            admitted = _admitted(spec)
            if ref.principal(trust) in admitted and admitted <= allowed:
                return ""
    if admitted is None and asleep:
        return f"has only AuthorizationPolicy {asleep}, which is in dry run and refuses nobody"
    if admitted is None:
        return f"has no AuthorizationPolicy {LOCK_DOWN}{ref.name}-*"
    return f"admits {shorten(sorted(admitted)) or 'anybody'}, not {ref.principal(trust)}"


def _admitted(spec: Object) -> set[str]:
    """Whom a policy that denies leaves alone."""
    sources = [item.get("source") or {} for rule in spec.get("rules") or [] for item in rule.get("from") or []]
    return {str(principal) for source in sources for principal in source.get("notPrincipals") or []}


CHECKS: tuple[Check[Facts], ...] = (
    Check("waypoints-ready", "Waypoints are programmed and ready", ("gateways", "waypoint_pods"), ready, no_waypoint),
    Check("services-bound", "Services are bound to their waypoints", ("services", "pods"), services_bound, no_binding),
    Check(
        "lock-down",
        "Pods behind a waypoint admit it alone",
        ("services", "namespaces", "pods", "policies", "trust_domain"),
        locked_down,
        no_lock,
    ),
    Check(
        "waypoint-in-path",
        "ztunnel sends traffic through the waypoints",
        ("stand_in", "services", "namespaces", "pods", "gateways", "dumps"),
        in_path,
        no_binding,
    ),
)
