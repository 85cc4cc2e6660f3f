# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a rule that speaks of what its proxy does not know. The matcher is asked, part by part.

A proxy may take such a part for something that never matches, or for nothing at all; then the rest of it holds alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from .analysis_rules import CLIENT_FIELDS, Part, conditions, negative, operations, sources
from .matching import L4_CONDITIONS, Call, Proxy, Rule, matches

#: What ztunnel knows neither, and what is no HTTP.
CLIENT_WORDS = ("trustDomains", "notTrustDomains", "source.serviceAccount", "source.trustDomain")
_CONNECTION = frozenset(each for key in (*CLIENT_FIELDS, "ports") for each in (key, negative(key)))
_ADDRESS = frozenset({"ipBlocks", "notIpBlocks"})
_ANY_SOURCE, _ANY_OPERATION = {"notPrincipals": ["-"]}, {"notPorts": ["-"]}  # they match, and say something


class Effect(Enum):
    """What a rule does other than what it says."""

    NEVER = "such rules never match"
    LESS = "it matches less than it says"
    MORE = "it matches more than it says"


def lost(rule: Rule, proxy: Proxy, action: str) -> dict[Effect, set[str]]:
    """What its fields and conditions that the proxy does not know do to a rule; empty where it does what it says."""
    parts = list(_parts(rule, proxy))
    words = {word for _key, _part, unknown in parts for word in unknown}
    whole: dict[str, list[Part]] = {}
    for key, part, _unknown_here in parts:
        whole.setdefault(key, []).append(part)
    if words and not matches(whole, Call(), proxy, action, ""):
        return {Effect.NEVER: words}
    found: dict[Effect, set[str]] = {}
    for key, part, unknown in parts:
        if unknown:
            fits = matches({key: [part]}, Call(), proxy, action, "")
            found.setdefault(Effect.MORE if fits else Effect.LESS, set()).update(unknown)
    return found


def _parts(rule: Rule, proxy: Proxy) -> Iterator[tuple[str, Part, set[str]]]:
    """Each part with what the proxy does not know, which is named, and with something that fits for all the rest."""
    for key, word, entries, rest in (
        ("from", "source", sources(rule), _ANY_SOURCE),
        ("to", "operation", operations(rule), _ANY_OPERATION),
    ):
        for entry in entries:
            unknown = _unknown(entry, proxy)
            known = any(value for field, value in entry.items() if field not in unknown)
            yield key, {word: {**(rest if known else {}), **unknown}}, set(unknown)
    for each in conditions(rule):
        name = str(each.get("key"))
        if name not in L4_CONDITIONS if proxy is Proxy.ZTUNNEL else name == "source.ip":
            yield "when", each, {name}


def _unknown(entry: Part, proxy: Proxy) -> dict[str, Any]:
    keys = entry.keys() - _CONNECTION if proxy is Proxy.ZTUNNEL else entry.keys() & _ADDRESS
    return {key: entry[key] for key in sorted(keys) if entry[key]}
