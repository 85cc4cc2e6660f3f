# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which callers the policies tell apart: service accounts in classes, one answer for all of a class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .matching import Call, Proxy, matches
from .parts import Policy
from .world import World

Account = tuple[str, str]
Pattern = tuple[str, str]  # the key of a source, and a value with a star

_KEYS = ("principals", "namespaces", "serviceAccounts")
_CONDITIONS = {
    "source.principal": "principals",
    "source.namespace": "namespaces",
    "source.serviceAccount": "serviceAccounts",
}
_PARTS_OF_A_PRINCIPAL = 5


@dataclass(frozen=True)
class Named:
    """Whom policies name: single accounts, whole namespaces, and by patterns."""

    accounts: frozenset[Account]
    namespaces: frozenset[str]
    patterns: frozenset[Pattern]


def named_by(policies: Iterable[Policy], trust_domain: str = "") -> Named:
    """Everybody whom the rules of policies name; with a trust domain, only principals of it."""
    accounts: set[Account] = set()
    namespaces: set[str] = set()
    patterns: set[Pattern] = set()
    for policy in policies:
        for rule in policy.rules:
            for key, value in _values(rule):
                if key == "serviceAccounts":
                    namespace, slash, name = value.partition("/")
                    accounts.add((namespace, name) if slash else (policy.namespace, namespace))
                elif "*" in value:
                    patterns.add((key, value))
                elif key == "namespaces":
                    namespaces.add(value)
                elif account := _account(value, trust_domain):
                    accounts.add(account)
    return Named(frozenset(accounts), frozenset(namespaces), frozenset(patterns))


def named_accounts(world: World) -> frozenset[Account]:
    """Every service account that a policy names in full, whether or not it is there."""
    return named_by(world.policies, world.trust_domain).accounts


def _values(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in (each.get("source") or {} for each in rule.get("from") or []):
        for key in _KEYS:
            for value in (*(source.get(key) or ()), *(source.get(f"not{key[0].upper()}{key[1:]}") or ())):
                yield key, str(value)
    for each in rule.get("when") or []:
        key = _CONDITIONS.get(str(each.get("key")), "")
        if key:
            for value in (*(each.get("values") or ()), *(each.get("notValues") or ())):
                yield key, str(value)


def _account(principal: str, trust_domain: str) -> Account | None:
    parts = principal.split("/")
    if len(parts) != _PARTS_OF_A_PRINCIPAL or (parts[1], parts[3]) != ("ns", "sa"):
        return None
    return (parts[2], parts[4]) if trust_domain in ("", parts[0]) else None


class Classes:
    """Service accounts, sorted by what can tell them apart.

    Args:
        kind_of: what else tells accounts apart, such as whether their pods are in the mesh.
    """

    def __init__(
        self, accounts: Collection[Account], trust_domain: str, kind_of: Callable[[Account], Hashable]
    ) -> None:
        self.accounts = tuple(sorted(accounts))
        self._there = frozenset(accounts)
        self._trust = trust_domain
        self._kinds = {account: kind_of(account) for account in self.accounts}
        self._in: dict[str, list[Account]] = {}
        for account in self.accounts:
            self._in.setdefault(account[0], []).append(account)
        self._broad: dict[frozenset[Pattern], dict[Hashable, tuple[Account, ...]]] = {}
        self._signs: dict[frozenset[Pattern], dict[Account, Hashable]] = {}

    def split(self, policies: Iterable[Policy]) -> list[tuple[Account, ...]]:
        """The accounts in classes which these policies do not tell apart; none is empty."""
        named = named_by(policies, self._trust)
        broad = self._by_pattern(named.patterns)
        signs = self._signs[named.patterns]
        accounts = named.accounts & self._there
        special = accounts | {each for namespace in named.namespaces for each in self._in.get(namespace, ())}
        fine: dict[Hashable, list[Account]] = {}
        for account in sorted(special):
            namespace = account[0] if account[0] in named.namespaces else None
            fine.setdefault((signs[account], account if account in accounts else None, namespace), []).append(account)
        touched = {signs[account] for account in special}
        rest = (
            tuple(each for each in members if each not in special) if sign in touched else members
            for sign, members in broad.items()
        )
        return [members for members in (*rest, *map(tuple, fine.values())) if members]

    def _by_pattern(self, patterns: frozenset[Pattern]) -> dict[Hashable, tuple[Account, ...]]:
        if patterns not in self._broad:
            rules = [{"from": [{"source": {key: [value]}}]} for key, value in sorted(patterns)]
            signs: dict[Account, Hashable] = {
                each: (self._kinds[each], self._fits(each, rules)) for each in self.accounts
            }
            groups: dict[Hashable, list[Account]] = {}
            for account, sign in signs.items():
                groups.setdefault(sign, []).append(account)
            self._signs[patterns] = signs
            self._broad[patterns] = {sign: tuple(members) for sign, members in groups.items()}
        return self._broad[patterns]

    def _fits(self, account: Account, rules: Iterable[Mapping[str, Any]]) -> tuple[bool, ...]:
        call = Call(f"{self._trust}/ns/{account[0]}/sa/{account[1]}")
        return tuple(matches(rule, call, proxy, "DENY", "") for rule in rules for proxy in Proxy)
