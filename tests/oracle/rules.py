# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of policies, of every form that istiod takes, by chance."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from . import vocabulary as words

_VALIDATED_APART = {"serviceAccounts": ("principals", "namespaces")}  # istiod refuses both in one source

SOURCES: Mapping[str, words.Examples] = {
    "principals": words.PRINCIPALS,
    "namespaces": words.NAMESPACES,
    "serviceAccounts": words.ACCOUNTS,
    "trustDomains": words.TRUST_DOMAINS,
    "requestPrincipals": words.REQUEST_PRINCIPALS,
    "ipBlocks": words.BLOCKS,
    "remoteIpBlocks": words.BLOCKS,
}
PORTS: words.Examples = {"80": [80], "9090": [9090], "8080": [80], "8090": [9090]}
CONDITIONS: Mapping[str, words.Examples] = {
    "source.namespace": words.NAMESPACES,
    "source.principal": words.PRINCIPALS,
    "source.serviceAccount": words.ACCOUNTS,
    "source.trustDomain": words.TRUST_DOMAINS,
    "source.ip": words.BLOCKS,
    "remote.ip": words.BLOCKS,
    "destination.ip": words.BLOCKS,
    "destination.port": PORTS,
    "request.headers[x-role]": words.HEADERS,
    "request.headers[X-Role]": words.HEADERS,
}


def operations(service: str) -> Mapping[str, words.Examples]:
    """What an operation of a rule may say."""
    return {"methods": words.METHODS, "paths": words.PATHS, "hosts": words.hosts(service), "ports": PORTS}


class Chance(random.Random):
    """Gives each condition once before any comes twice: there are too many for luck alone."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._left: list[str] = []

    def condition(self) -> str:
        """The key of the next condition."""
        if not self._left:
            keys = [*CONDITIONS, *words.CLAIMS]
            self._left = self.sample(keys, len(keys))
        return self._left.pop()


def a_rule(chance: Chance, service: str) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    parts = chance.choice([["from"], ["to"], ["to"], ["from", "to"], ["when"], ["to", "when"], ["from", "when"]])
    if "from" in parts:
        rule["from"] = [{"source": _source(chance)} for _one in range(chance.choice([1, 1, 2]))]
    if "to" in parts:
        rule["to"] = [{"operation": _operation(chance, service)} for _one in range(chance.choice([1, 1, 2]))]
    if "when" in parts:
        rule["when"] = [_condition(chance) for _one in range(chance.choice([1, 1, 2]))]
    return rule


def _source(chance: Chance) -> dict[str, Any]:
    weights = [5, 4, 4, 2, 3, 2, 2]
    keys = dict.fromkeys(chance.choices(list(SOURCES), weights, k=chance.choice([1, 1, 1, 2])))
    for key, others in _VALIDATED_APART.items():
        if key in keys:
            keys = {each: None for each in keys if each not in others}
    return {negated(key) if chance.random() < 0.3 else key: _some(chance, SOURCES[key]) for key in keys}


def _operation(chance: Chance, service: str) -> dict[str, Any]:
    tables = operations(service)
    keys = dict.fromkeys(chance.choices(list(tables), [3, 5, 3, 2], k=chance.choice([1, 1, 2, 3])))
    return {negated(key) if chance.random() < 0.25 else key: _some(chance, tables[key]) for key in keys}


def _condition(chance: Chance) -> dict[str, Any]:
    tables = {**CONDITIONS, **words.CLAIMS}
    key = chance.condition()
    form = chance.random()
    condition: dict[str, Any] = {"key": key}
    if form < 0.75:
        condition["values"] = _some(chance, tables[key])
    if form >= 0.65:
        condition["notValues"] = _some(chance, tables[key])
    return condition


def negated(key: str) -> str:
    """`notPaths` for `paths`."""
    return f"not{key[0].upper()}{key[1:]}"


def _some(chance: Chance, table: words.Examples) -> list[str]:
    return chance.sample(sorted(table), min(len(table), chance.choice([1, 1, 2])))
