# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules read without knowing all of a call: what surely matches, what may match, and what that depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .matching import HTTP_OPERATIONS, HTTP_SOURCES, L4_CONDITIONS, Proxy, Rule

METHOD, PATH, HOST = "the method", "the path", "the host"
HEADERS, TOKEN = "the headers", "the token"
PORT, SOURCE, DESTINATION = "the port", "the caller's address", "the pod's address"

_WORDS = {
    "methods": METHOD,
    "paths": PATH,
    "hosts": HOST,
    "ports": PORT,
    "ipBlocks": SOURCE,
    "remoteIpBlocks": SOURCE,
    "requestPrincipals": TOKEN,
}
_CONDITIONS = {
    "source.ip": SOURCE,
    "remote.ip": SOURCE,
    "destination.ip": DESTINATION,
    "destination.port": PORT,
}
_OF_A_CONNECTION = ("ipBlocks", "source.ip")  # a waypoint does not know from where it comes: no block holds it
_ANYTHING = ("methods", "paths", "hosts")  # every request has one, so that a star is true of each

Unknown = frozenset[str]


@dataclass(frozen=True)
class Reading:
    """A rule without what nobody can answer.

    Attributes:
        surely: matches where the rule matches whatever the unknown is; None: never.
        maybe: matches where the rule may match; None: never.
        on: what decides between the two; empty where they are the same.
    """

    surely: Rule | None
    maybe: Rule | None
    on: Unknown = frozenset()


def read(rule: Rule, unknown: Unknown, proxy: Proxy) -> Reading:
    """The rule as it is known; the words of HTTP are left to the proxy that does not understand them."""
    found = _Parts(unknown, proxy)
    surely: dict[str, Any] = {}
    maybe: dict[str, Any] = {}
    sure, possible = True, True
    for part, word in (("from", "source"), ("to", "operation")):
        entries = [each.get(word) or {} for each in rule.get(part) or []]
        if entries:
            strict, loose = found.entries(entries)
            sure, possible = sure and bool(strict), possible and bool(loose)
            surely[part], maybe[part] = ([{word: each} for each in group] for group in (strict, loose))
    conditions = rule.get("when") or []
    known = [each for each in conditions if not found.unanswered(str(each.get("key")))]
    surely["when"] = maybe["when"] = known
    sure = sure and len(known) == len(conditions)
    return Reading(surely if sure else None, maybe if possible else None, frozenset(found.on))


class _Parts:
    def __init__(self, unknown: Unknown, proxy: Proxy) -> None:
        self._unknown = unknown
        self._proxy = proxy
        self.on: set[str] = set()

    def entries(self, entries: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
        """Those that surely hold, and those that may."""
        strict: list[Mapping[str, Any]] = []
        loose: list[Mapping[str, Any]] = []
        for entry in entries:
            open_keys = [key for key in _WORDS if self._is_open(key) and (entry.get(key) or entry.get(_not(key)))]
            rest = {key: value for key, value in entry.items() if key not in {*open_keys, *map(_not, open_keys)}}
            if open_keys and self._proxy is Proxy.ZTUNNEL:  # it is not left with what it does not understand
                rest = {key: value for key, value in rest.items() if key not in (*HTTP_OPERATIONS, *HTTP_SOURCES)}
            if any(_excluded(entry, key) for key in open_keys):
                continue
            loose.append(rest)
            missing = [key for key in open_keys if not _always(entry, key)]
            if not missing:
                strict.append(rest)
            self.on.update(_WORDS[key] for key in missing)
        return strict, loose

    def unanswered(self, key: str) -> bool:
        """Whether a condition is about something unknown."""
        word = _CONDITIONS.get(key, "")
        if key not in L4_CONDITIONS if self._proxy is Proxy.ZTUNNEL else key in _OF_A_CONNECTION:
            return False
        if key.startswith("request.headers["):
            word = HEADERS
        elif key.startswith("request.auth."):
            word = TOKEN
        if word in self._unknown:
            self.on.add(word)
        return word in self._unknown

    def _is_open(self, key: str) -> bool:
        http = key in (*HTTP_OPERATIONS, *HTTP_SOURCES)
        settled = http if self._proxy is Proxy.ZTUNNEL else key in _OF_A_CONNECTION
        return _WORDS[key] in self._unknown and not settled


def _always(entry: Mapping[str, Any], key: str) -> bool:
    return key in _ANYTHING and "*" in (entry.get(key) or ()) and not entry.get(_not(key))


def _excluded(entry: Mapping[str, Any], key: str) -> bool:
    return key in _ANYTHING and "*" in (entry.get(_not(key)) or ())


def _not(key: str) -> str:
    return f"not{key[0].upper()}{key[1:]}"
