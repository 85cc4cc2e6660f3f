# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases that ztunnel decides: policies by selector, and what they say to a connection. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import L4_CONDITIONS

from .cases import Plan
from .generate import group
from .rules import Chance, a_rule, negated

NAMESPACE = "oracle-l4"
PER_POD = 30
_HTTP_AT_ZTUNNEL = 0.15  # how often a rule may say something about HTTP, too
_HTTP = ("methods", "paths", "hosts", "remoteIpBlocks", "requestPrincipals")


def plan(cases: int, seed: int) -> Plan:
    """Cases for ztunnel: policies by selector, of which most say nothing about HTTP."""
    chance = Chance(seed)
    groups = []
    for at in range(-(-cases // PER_POD)):
        made = group(chance, f"p{at:02}", "", min(PER_POD, cases - at * PER_POD), rule=_l4_rule)
        plain = [replace(each, method="GET", path="/", headers=(), token="none") for each in made.requests]
        groups.append(replace(made, policies=tuple(map(_by_selector, made.policies)), requests=tuple(plain)))
    return Plan(tuple(groups))


def _by_selector(policy: Mapping[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in policy["spec"].items() if key != "targetRefs"}
    spec["selector"] = {"matchLabels": {"app": policy["spec"]["targetRefs"][0]["name"]}}
    return {**policy, "metadata": {**policy["metadata"], "namespace": NAMESPACE}, "spec": spec}


def _l4_rule(chance: Chance, service: str) -> dict[str, Any]:
    while True:
        rule = a_rule(chance, service)
        if chance.random() < _HTTP_AT_ZTUNNEL:
            return rule
        for part, word in (("from", "source"), ("to", "operation")):
            entries = [{key: value for key, value in each[word].items() if _is_l4(key)} for each in rule.get(part, ())]
            rule[part] = [{word: entry} for entry in entries if entry]
        rule["when"] = [each for each in rule.get("when", ()) if each["key"] in L4_CONDITIONS]
        found = {part: entries for part, entries in rule.items() if entries}
        if found:
            return found


def _is_l4(key: str) -> bool:
    return not any(key in (http, negated(http)) for http in _HTTP)
