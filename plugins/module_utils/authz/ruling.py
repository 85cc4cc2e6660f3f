# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one proxy says about a call of which not everything need be known, and how several say one thing together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from .matching import Call, Proxy, matches, says_http
from .parts import Policy
from .unknowns import Reading, Unknown, read
from .wording import joined, rule_text

_CONDITION = {Proxy.WAYPOINT: "WaypointAccepted", Proxy.ZTUNNEL: "ZtunnelAccepted"}


class Verdict(Enum):
    """The answer in one word. `DEPENDS`: some such calls are allowed and others are not."""

    ALLOWED = "allowed"
    DENIED = "denied"
    DEPENDS = "depends"
    NOT_ENFORCED = "not enforced"


@dataclass(frozen=True)
class Ruling:
    """What is said about a call, and by whom.

    Attributes:
        where: `waypoint shop/waypoint`, `ztunnel of Deployment shop/cart`.
        reason: in the words of a person, without a full stop.
        by: `AuthorizationPolicy shop/cart`, `PeerAuthentication …`; empty where none decides.
        rule: which of its rules, from 1; 0 where none does.
        text: that rule, short.
        would: what would be said if it were enforced; None where it is.
        on: what it depends on.
    """

    verdict: Verdict
    where: str
    reason: str
    by: str = ""
    rule: int = 0
    text: str = ""
    would: Verdict | None = None
    on: Unknown = frozenset()

    @property
    def meant(self) -> Verdict:
        """What is said where it is enforced."""
        return self.would or self.verdict

    def unenforced(self, reason: str) -> Ruling:
        """The same, where nobody sees to it."""
        return replace(self, verdict=Verdict.NOT_ENFORCED, reason=reason, would=self.meant)


def rule_at(policies: Sequence[Policy], call: Call, proxy: Proxy, unknown: Unknown, where: str, live: bool) -> Ruling:
    """What a proxy with these policies says. Live, what istiod has not accepted of them is not counted on."""
    ruling = _judged(policies, call, proxy, unknown, where)
    if live and (refused := [policy for policy in policies if why_refused(policy, proxy)]):
        kept = _judged([policy for policy in policies if policy not in refused], call, proxy, unknown, where)
        whys = [why_refused(policy, proxy) for policy in refused]
        if kept.verdict is not ruling.verdict:
            if kept.verdict is Verdict.DENIED:
                return replace(kept, reason=f"{kept.reason}; {_names(refused)} is not accepted ({whys[0]})")
            return ruling.unenforced(f"{_names(refused)} is not accepted: {whys[0]}")
    return ruling


def why_refused(policy: Policy, proxy: Proxy) -> str:
    """Why istiod has not accepted a policy for this proxy, `REASON: message`; empty where it has, or says nothing.

    Empty for one in dry run: it decides nothing, accepted or not, and istiod always refuses it for ztunnel. Accepted
    with reserve (status True, UnsupportedValue) is accepted: ztunnel enforces what it understands of it.
    """
    if policy.dry_run:
        return ""
    status, reason, message = policy.conditions.get(_CONDITION[proxy], ("", "", ""))
    if status != "False":
        return ""
    return f"{reason}: {message}" if message else reason or "no reason given"


def _judged(policies: Sequence[Policy], call: Call, proxy: Proxy, unknown: Unknown, where: str) -> Ruling:
    counted = [policy for policy in policies if not policy.dry_run]
    ruling = _decided(counted, call, proxy, unknown, where)
    asks = next((found for found in _all(counted, "CUSTOM", call, proxy, unknown, _maybe)), None)
    if asks is None or ruling.verdict is Verdict.DENIED:
        return ruling
    policy, at, _reading = asks
    provider = f"the ext-authz provider {policy.provider or 'of ' + str(policy)}"
    custom = _by(Verdict.DEPENDS, where, f"{provider} decides ({policy})", policy, at, frozenset({provider}))
    if proxy is Proxy.ZTUNNEL:
        return custom.unenforced(f"{policy} has the action CUSTOM, which ztunnel does not enforce")
    return custom


def _decided(policies: Sequence[Policy], call: Call, proxy: Proxy, unknown: Unknown, where: str) -> Ruling:
    for policy, at, _reading in _all(policies, "DENY", call, proxy, unknown, _surely):
        return _by(Verdict.DENIED, where, f"{policy} denies it, rule {at + 1}", policy, at)
    allows = [policy for policy in policies if policy.action == "ALLOW"]
    denial = next(iter(_all(policies, "DENY", call, proxy, unknown, _maybe)), None)
    sure = next(iter(_all(allows, "ALLOW", call, proxy, unknown, _surely)), None)
    possible = list(_all(allows, "ALLOW", call, proxy, unknown, _maybe)) if sure is None else []
    if allows and sure is None and not possible:
        return _none_allows(allows, proxy, where)
    if denial is not None:
        policy, at, reading = denial
        reason = f"{policy} denies some of it, rule {at + 1}; it depends on {joined(reading.on)}"
        return _by(Verdict.DEPENDS, where, reason, policy, at, reading.on)
    if sure is not None:
        policy, at, _reading = sure
        return _by(Verdict.ALLOWED, where, f"{policy} allows it, rule {at + 1}", policy, at)
    if not allows:
        return Ruling(Verdict.ALLOWED, where, "no policy says who may call, so everybody may")
    policy, at, _reading = possible[0]
    on = frozenset().union(*(reading.on for _policy, _at, reading in possible))
    reason = f"{policy} allows some of it, rule {at + 1}; it depends on {joined(on)}"
    return _by(Verdict.DEPENDS, where, reason, policy, at, on)


def _by(verdict: Verdict, where: str, reason: str, policy: Policy, at: int, on: Unknown = frozenset()) -> Ruling:
    return Ruling(verdict, where, reason, str(policy), at + 1, rule_text(policy.rules[at]), on=on)


def _none_allows(allows: Sequence[Policy], proxy: Proxy, where: str) -> Ruling:
    reason = f"no rule of {_names(allows)} allows it"
    http = sorted({word for policy in allows for rule in policy.rules for word in says_http(rule)})
    if proxy is Proxy.ZTUNNEL and http:
        reason += f"; what is said about HTTP there ({', '.join(http)}) is not understood by ztunnel and never matches"
    return Ruling(Verdict.DENIED, where, reason, str(allows[0]) if len(allows) == 1 else "")


def _names(policies: Sequence[Policy]) -> str:
    names = ", ".join(f"{policy.namespace}/{policy.name}" for policy in policies[:3])
    more = f" and {len(policies) - 3} more" if len(policies) > 3 else ""
    return f"AuthorizationPolicy {names}{more}"


Which = Callable[[Reading], object]


def _surely(reading: Reading) -> object:
    return reading.surely


def _maybe(reading: Reading) -> object:
    return reading.maybe


def _all(
    policies: Iterable[Policy], action: str, call: Call, proxy: Proxy, unknown: Unknown, which: Which
) -> Iterable[tuple[Policy, int, Reading]]:
    """Every rule of policies with an action that matches in this reading."""
    for policy in policies:
        if policy.action != action:
            continue
        for at, rule in enumerate(policy.rules):
            if proxy is Proxy.ZTUNNEL and action == "ALLOW" and says_http(rule):
                continue
            reading = read(rule, unknown, proxy)
            wanted = which(reading)
            if isinstance(wanted, dict) and matches(wanted, call, proxy, action, policy.namespace):
                yield policy, at, reading
