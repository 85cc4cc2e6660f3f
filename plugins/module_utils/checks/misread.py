# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AuthorizationPolicies that speak of what the proxy that enforces them does not know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from ..authz.analysis_index import View
from ..authz.lost import CLIENT_WORDS, Effect, lost
from ..authz.matching import Proxy
from ..authz.parts import Policy, Target
from ..manifests.gateways import is_waypoint
from .attached import BY_TARGET_REFS, at_ztunnel
from .findings import Problem, Severity

_WORDS = {
    "ALLOW": {
        Effect.NEVER: "never match, and allow nobody",
        Effect.LESS: "never match in that part, and allow fewer",
        Effect.MORE: "lose that part, and allow more",
    },
    "DENY": {
        Effect.NEVER: "deny nobody",
        Effect.LESS: "deny nobody in that part",
        Effect.MORE: "lose that part, and deny more",
    },
}
_OTHERS = {
    Effect.NEVER: "never match",
    Effect.LESS: "never match in that part",
    Effect.MORE: "lose that part, and match more",
}


def l7_at_ztunnel(view: View) -> Iterator[Problem]:
    """AMB0701: ztunnel knows connections only."""
    for policy in _enforced_by_ztunnel(view):
        yield from _found(
            policy,
            Proxy.ZTUNNEL,
            lambda word: word not in CLIENT_WORDS,
            "ztunnel enforces it and knows no HTTP",
            BY_TARGET_REFS,
        )


def addresses_at_waypoint(view: View) -> Iterator[Problem]:
    """AMB0737: to a waypoint every connection comes from the proxy's own inside."""
    for policy in view.world.policies:
        if policy.dry_run or not any(_is_of_a_waypoint(view, policy, target) for target in policy.targets):
            continue
        yield from _found(
            policy,
            Proxy.WAYPOINT,
            lambda word: True,
            "a waypoint enforces it and does not know from which address a connection comes",
            "Write remoteIpBlocks (remote.ip), or keep addresses at the pods, in a policy with a selector",
            Severity.WARNING if policy.action == "AUDIT" else None,
        )


def clients_at_ztunnel(view: View) -> Iterator[Problem]:
    """AMB0738: ztunnel reads neither trust domains nor service accounts as a condition."""
    for policy in _enforced_by_ztunnel(view):
        yield from _found(
            policy,
            Proxy.ZTUNNEL,
            lambda word: word in CLIENT_WORDS,
            "ztunnel enforces it and does not read all that it says about clients",
            "Name them by principals or serviceAccounts under from",
        )


def _enforced_by_ztunnel(view: View) -> Iterator[Policy]:
    return (each for each in at_ztunnel(view) if each.action in ("ALLOW", "DENY") and not each.dry_run)


def _is_of_a_waypoint(view: View, policy: Policy, target: Target) -> bool:
    """A Gateway may be one for ingress, which knows addresses."""
    if target.kind != "Gateway":
        return True
    gateway = view.gateways.get((policy.namespace, target.name))
    return gateway is not None and is_waypoint(gateway)


def _found(
    policy: Policy,
    proxy: Proxy,
    of_concern: Callable[[str], bool],
    why: str,
    hint: str,
    severity: Severity | None = None,
) -> Iterator[Problem]:
    """One for each effect, with the rules that have it."""
    rules: dict[Effect, list[int]] = defaultdict(list)
    said: dict[Effect, set[str]] = defaultdict(set)
    for number, rule in enumerate(policy.rules, 1):
        for effect, words in lost(rule, proxy, policy.action).items():
            if concerned := set(filter(of_concern, words)):
                rules[effect].append(number)
                said[effect] |= concerned
    for effect in Effect:
        if rules[effect]:
            which = f"{', '.join(sorted(said[effect]))} ({', '.join(map(str, rules[effect]))})"
            what = _WORDS.get(policy.action, _OTHERS)[effect]
            yield Problem(str(policy), f"{why}: rules that speak of {which} {what}", hint, severity)
