# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the policies at one proxy decide about a call: DENY first, then ALLOW, and without any ALLOW all may call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .matching import Call, Proxy, matches
from .parts import Policy


@dataclass(frozen=True)
class Decision:
    """What one proxy decides.

    Attributes:
        policy: the one that decides; None where there is no ALLOW, or none of them matches.
        rule: which of its rules, from 0; -1 where none decides.
        reason: in the words of a person, such as `no rule of AuthorizationPolicy shop/cart allows it`.
    """

    allowed: bool
    proxy: Proxy
    reason: str
    policy: Policy | None = None
    rule: int = -1


def decide(policies: Iterable[Policy], call: Call, proxy: Proxy) -> Decision:
    """What a proxy with these policies does with a call.

    CUSTOM asks somebody else and AUDIT decides nothing: neither is looked at. A policy in dry run decides nothing.
    """
    counted = [policy for policy in policies if not policy.dry_run]
    for policy in counted:
        rule = _matching(policy, call, proxy) if policy.action == "DENY" else None
        if rule is not None:
            return Decision(False, proxy, f"{policy} denies it, rule {rule + 1}", policy, rule)
    allows = [policy for policy in counted if policy.action == "ALLOW"]
    for policy in allows:
        rule = _matching(policy, call, proxy)
        if rule is not None:
            return Decision(True, proxy, f"{policy} allows it, rule {rule + 1}", policy, rule)
    if not allows:
        return Decision(True, proxy, "no policy allows anybody, so everybody may")
    names = ", ".join(f"{policy.namespace}/{policy.name}" for policy in allows[:3])
    more = f" and {len(allows) - 3} more" if len(allows) > 3 else ""
    return Decision(False, proxy, f"no rule allows it (AuthorizationPolicy {names}{more})")


def _matching(policy: Policy, call: Call, proxy: Proxy) -> int | None:
    rules = enumerate(policy.rules)
    return next((at for at, rule in rules if matches(rule, call, proxy, policy.action, policy.namespace)), None)
