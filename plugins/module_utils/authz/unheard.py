# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DENYs at pods that would deny a call, and do not: ztunnel cannot read them, or sees the waypoint for the client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .analysis_rules import wants_clients
from .lost import Effect, lost
from .matching import Call, Proxy
from .parts import Policy
from .ruling import Verdict, rule_at
from .unknowns import Unknown


def unheard(policies: Iterable[Policy], call: Call, unknown: Unknown, through: bool) -> Iterator[str]:
    """A clause for each of them. `call`: as the client means it; `through`: a waypoint calls the pods for it."""
    for policy in policies:
        if policy.action != "DENY":
            continue
        meant = rule_at([policy], call, Proxy.WAYPOINT, unknown, "", False)  # it reads all of it
        if not meant.rule:
            continue
        rule = policy.rules[meant.rule - 1]
        how_much = "it" if meant.verdict is Verdict.DENIED else "some of it"
        if words := lost(rule, Proxy.ZTUNNEL, "DENY").get(Effect.NEVER):
            why = f"ztunnel does not understand {', '.join(sorted(words))}"
        elif through and wants_clients(rule):
            why = "the pods see the waypoint instead of the client"
        else:
            continue
        yield f"{policy} would deny {how_much}, rule {meant.rule}, but {why}"
