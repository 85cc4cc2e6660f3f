# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passive verifications of what the declaration narrows: STRICT, default deny, and whether policies are in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..manifests.dry_run import in_dry_run
from ..manifests.gateways import WAYPOINT_CLASS
from ..manifests.identity import labels_of, namespace_of
from ..mesh.policies import DEFAULT_DENY, LOCK_DOWN, STRICT
from ..mesh.spec import NamespaceSpec
from ..mesh.survey import is_ours
from .declared import selects
from .declared_facts import gateway_targets
from .facts import Facts
from .pods import Object, condition, full_name, node_of
from .verdict import Check, Verdict, by_namespace, count, failed, not_proven, not_yet, passed, shorten
from .ztunnel import NO_POLICY
from .ztunnel_config import ZtunnelConfig

NONE_DECLARED = "nothing of the kind is declared"
NOT_BOUND = "AncestorNotBound"  # istiod's word for a policy of a Service that has no waypoint

_SITE = "Run playbooks/site.yml, and see who else changes these policies"


def no_strict(facts: Facts) -> str:
    """Why there is no STRICT to look for."""
    return "" if facts.declared.strict() else NONE_DECLARED


def no_deny(facts: Facts) -> str:
    """Why there is no default deny to look for."""
    return "" if facts.declared.denying() else NONE_DECLARED


def nothing_narrowed(facts: Facts) -> str:
    """Why ztunnel needs to know of no policy."""
    asked = facts.declared.strict() or facts.declared.denying() or facts.declared.locked()
    return "" if asked else NONE_DECLARED


def nothing_enrolled(facts: Facts) -> str:
    """Why there are no policies to look at."""
    return "" if facts.declared.namespaces else "no namespace is declared to be in the mesh"


def strict_set(facts: Facts) -> Verdict:
    """Our STRICT is there, and no other policy of the namespace wins over it."""
    troubles, weaker = {}, []
    for space in facts.declared.strict():
        mine = [peer for peer in facts.peers.get() if namespace_of(peer) == space.name]
        found = _weaknesses(mine)
        if found:
            troubles[space.name] = found
        weaker += [full_name(peer) for peer in mine if _selector(peer) and _mode(peer) != "STRICT"]
    if troubles:
        return failed(by_namespace(troubles), _SITE)
    names = shorten(space.name for space in facts.declared.strict())
    return passed(f"{names} by {STRICT}" + (f"; not for the pods of {shorten(weaker)}" if weaker else ""))


def _weaknesses(peers: Sequence[Object]) -> list[str]:
    ours = next((peer for peer in peers if peer["metadata"]["name"] == STRICT), None)
    if ours is None:
        return [f"there is no PeerAuthentication {STRICT}"]
    found = []
    if _mode(ours) != "STRICT" or _selector(ours):
        found.append(f"PeerAuthentication {STRICT} is not STRICT for all pods")
    for peer in peers:
        # Of two for a whole namespace the older one counts; of the same second either may.
        older = str(peer["metadata"].get("creationTimestamp", "")) <= str(ours["metadata"].get("creationTimestamp", ""))
        if peer is not ours and not _selector(peer) and older and _mode(peer) != "STRICT":
            found.append(f"PeerAuthentication {peer['metadata']['name']} ({_mode(peer)}) is older and wins")
    return found


def _mode(peer: Object) -> str:
    return str(((peer.get("spec") or {}).get("mtls") or {}).get("mode") or "UNSET")


def _selector(obj: Object) -> Mapping[str, str]:
    return dict(((obj.get("spec") or {}).get("selector") or {}).get("matchLabels") or {})


def default_deny(facts: Facts) -> Verdict:
    """Nobody comes in who is not allowed: at the pods, and at the waypoint that would else speak for everybody."""
    troubles = {}
    for space in facts.declared.denying():
        live = {str(p["metadata"]["name"]): p for p in facts.policies.get() if namespace_of(p) == space.name}
        wanted = [DEFAULT_DENY, *(f"{DEFAULT_DENY}-{ref.name}" for ref in sorted(space.waypoints()))]
        lacking = [f"there is no AuthorizationPolicy {name}" for name in wanted if name not in live]
        lacking += [
            f"AuthorizationPolicy {name} is in dry run and refuses nobody"
            for name in wanted
            if in_dry_run(live.get(name, {}))
        ]
        spec = live.get(DEFAULT_DENY, {}).get("spec") or {}
        if spec.get("rules") or spec.get("selector") or spec.get("action", "ALLOW") != "ALLOW":
            lacking.append(f"AuthorizationPolicy {DEFAULT_DENY} does not deny everything")
        if lacking:
            troubles[space.name] = lacking
    if troubles:
        return failed(by_namespace(troubles), _SITE)
    return passed(f"{shorten(space.name for space in facts.declared.denying())} by {DEFAULT_DENY}")


def accepted(facts: Facts) -> Verdict:
    """istiod has taken the policies of the declared namespaces, for ztunnel or for a waypoint, as they are written."""
    troubles: dict[str, list[str]] = {}
    bound = {space.name for space in facts.declared.bound()}
    unseen, idle = [], []
    policies = [policy for policy in facts.policies.get() if not _for_other_gateways(facts, policy)]
    for policy in policies:
        if in_dry_run(policy) and is_ours(policy):
            word = f"AuthorizationPolicy {policy['metadata']['name']}: is in dry run and decides nothing"
            troubles.setdefault(namespace_of(policy), []).append(word)
    asleep = [policy for policy in policies if _is_left_out(policy)]
    judged = [policy for policy in policies if policy not in asleep]
    for policy in judged:
        asked = ("WaypointAccepted",) if in_dry_run(policy) else ("ZtunnelAccepted", "WaypointAccepted")
        conditions = [found for kind in asked if (found := condition(policy, kind))]
        bad = [text for text in map(_refusal, conditions) if text]
        if bad and namespace_of(policy) not in bound and all(found.get("reason") == NOT_BOUND for found in conditions):
            idle.append(full_name(policy))  # as it must be when its Services have left their waypoint
            continue
        if bad:
            name = f"AuthorizationPolicy {policy['metadata']['name']}"
            troubles.setdefault(namespace_of(policy), []).append(f"{name}: {', '.join(bad)}")
        if not conditions or any(_is_stale(policy, found) for found in conditions):
            unseen.append(full_name(policy))
    if troubles:
        return failed(by_namespace(troubles), "See what the policy asks that ztunnel or its target cannot do")
    if idle:
        return not_proven(f"{shorten(idle)}: in force nowhere, for the Services in its targetRefs have no waypoint")
    if unseen:
        return not_yet(f"istiod has not said yet what it makes of AuthorizationPolicy {shorten(unseen)}")
    left_out = f"ztunnel leaves out what is in dry run: {shorten(map(full_name, asleep))}" if asleep else ""
    if not judged:
        return passed(left_out or "there is none in the declared namespaces")
    if asleep:
        return passed(f"istiod has accepted {len(judged)} of {len(policies)} of the declared namespaces; {left_out}")
    them = "the only one" if len(judged) == 1 else f"all {len(judged)}"
    return passed(f"istiod has accepted {them} of the declared namespaces")


def _is_left_out(policy: Object) -> bool:
    """Whether ztunnel would enforce it if it were not in dry run: istiod never accepts that, and it is no failure.

    Of one in dry run at a waypoint istiod says the same of ztunnel, which has nothing to do with it.
    """
    spec = policy.get("spec") or {}
    return in_dry_run(policy) and not (spec.get("targetRefs") or spec.get("targetRef"))


def _refusal(found: Object) -> str:
    """What a condition says against a policy: refused, or taken otherwise than it is written."""
    kind, reason = str(found.get("type", "")), str(found.get("reason", ""))
    if found.get("status") == "True" and reason == "Accepted":
        return ""
    word = "is False" if found.get("status") == "False" else "with reserve"
    return " ".join(f"{kind} {word}, {reason}: {str(found.get('message', ''))[:200]}".split())


def _is_stale(policy: Object, found: Object) -> bool:
    seen = int(found.get("observedGeneration") or 0)
    return 0 < seen < int(policy["metadata"].get("generation") or 0)


def _for_other_gateways(facts: Facts, policy: Object) -> bool:
    """Whether a policy is for Gateways alone that are no waypoints: istiod judges it as if they were."""
    targets = gateway_targets(dict(policy))
    spec = policy.get("spec") or {}
    if not targets or len(targets) < len(spec.get("targetRefs") or targets):
        return False
    classes = {
        str(gateway["metadata"]["name"]): str((gateway.get("spec") or {}).get("gatewayClassName", ""))
        for gateway in facts.gateways.value or []
        if namespace_of(gateway) == namespace_of(policy)
    }
    return all(classes.get(name, WAYPOINT_CLASS) != WAYPOINT_CLASS for name in targets)


def enforced(facts: Facts) -> Verdict:
    """ztunnel's own configuration has the policies that narrow."""
    if facts.stand_in.value:
        return not_proven(NO_POLICY)
    troubles: dict[str, list[str]] = {}
    unseen: list[str] = []
    pods = facts.eligible()
    for node, dump in sorted(facts.dumps.get().items()):
        config = ZtunnelConfig(dump.value or {})
        why = dump.why or config.lacks("policies", "workloads")
        if why:
            unseen.append(f"ztunnel on {node}: {why}")
            continue
        here = [pod for pod in pods if node_of(pod) == node]
        for space in facts.declared.namespaces:
            found = _unknown_to(config, facts, space, [pod for pod in here if namespace_of(pod) == space.name])
            if found:
                troubles.setdefault(space.name, []).extend(f"ztunnel on {node} {text}" for text in found)
    if troubles:
        return failed(by_namespace(troubles), "See the logs of istiod and of ztunnel on that node")
    if unseen:
        return not_proven(shorten(dict.fromkeys(unseen), 3))
    spaces = [*facts.declared.strict(), *facts.declared.denying(), *facts.declared.locked()]
    return passed(
        f"those of {shorten({space.name: 1 for space in spaces})}, in {count(len(facts.dumps.get()), 'ztunnel')}"
    )


def _unknown_to(config: ZtunnelConfig, facts: Facts, space: NamespaceSpec, pods: list[Object]) -> list[str]:
    """What a ztunnel does not know of our policies for a namespace and its pods on the ztunnel's node."""
    ours = [
        policy
        for policy in facts.policies.value or []
        if namespace_of(policy) == space.name
        and str(policy["metadata"]["name"]).startswith((LOCK_DOWN, DEFAULT_DENY))
        and not (policy.get("spec") or {}).get("targetRefs")
    ]
    lacking = [full_name(policy) for policy in ours if full_name(policy) not in config.policies]
    found = [f"does not know AuthorizationPolicy {shorten(lacking)}"] if lacking else []
    excepted = [_selector(p) for p in facts.peers.value or [] if namespace_of(p) == space.name and _selector(p)]
    plain = [
        full_name(pod)
        for pod in pods
        if space.strict
        and not any(selects(selector, labels_of(pod)) for selector in excepted)
        and not config.is_strict(full_name(pod))
    ]
    return [*found, f"does not hold {shorten(plain)} for STRICT"] if plain else found


CHECKS: tuple[Check[Facts], ...] = (
    Check("mtls-strict", "mTLS is STRICT where declared", ("peers",), strict_set, no_strict),
    Check("default-deny", "Default deny is set where declared", ("policies",), default_deny, no_deny),
    Check("policies-accepted", "istiod accepts the policies", ("policies",), accepted, nothing_enrolled),
    Check(
        "policies-in-ztunnel",
        "ztunnel knows the policies that narrow",
        ("stand_in", "namespaces", "pods", "peers", "policies", "dumps"),
        enforced,
        nothing_narrowed,
    ),
)
