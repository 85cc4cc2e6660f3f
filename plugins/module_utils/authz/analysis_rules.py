# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule of an AuthorizationPolicy says, compared with another one and with itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .matching import L4_CONDITIONS, Rule

CLIENT_FIELDS = ("principals", "namespaces", "serviceAccounts", "ipBlocks")
SOURCE_FIELDS = (*CLIENT_FIELDS, "trustDomains", "remoteIpBlocks", "requestPrincipals")
OPERATION_FIELDS = ("ports", "methods", "paths", "hosts")
_CLIENT_KEYS = ("source.principal", "source.namespace", "source.serviceAccount", "source.ip")

Part = Mapping[str, Any]


def sources(rule: Rule) -> list[Part]:
    """The sources of a rule."""
    return [each.get("source") or {} for each in rule.get("from") or []]


def operations(rule: Rule) -> list[Part]:
    """The operations of a rule."""
    return [each.get("operation") or {} for each in rule.get("to") or []]


def conditions(rule: Rule) -> list[Part]:
    """The conditions of a rule."""
    return list(rule.get("when") or [])


def negative(key: str) -> str:
    """`notPorts` for `ports`."""
    return f"not{key[0].upper()}{key[1:]}"


def values(part: Part, key: str) -> list[str]:
    """The values of a field as texts."""
    return [str(value) for value in part.get(key) or []]


def names_clients(rule: Rule) -> bool:
    """Whether a rule tells clients apart by who or where they are."""
    return wants_clients(rule) or any(values(each, negative(key)) for each in sources(rule) for key in CLIENT_FIELDS)


def wants_clients(rule: Rule) -> bool:
    """Whether a rule names clients that it is about, and not only those that it is not about."""
    named = any(values(each, key) for each in sources(rule) for key in CLIENT_FIELDS)
    return named or any(each.get("key") in _CLIENT_KEYS and values(each, "values") for each in conditions(rule))


def without_addresses(rule: Rule) -> Rule:
    """The rule as if every address would do: which one a proxy has is not known beforehand."""
    dropped = ("ipBlocks", "notIpBlocks")
    kept = [{"source": {key: each[key] for key in each if key not in dropped}} for each in sources(rule)]
    when = [each for each in conditions(rule) if not str(each.get("key")).endswith(".ip")]
    return {"from": kept, "to": rule.get("to"), "when": when}


def ports_of(rule: Rule) -> set[str]:
    """The ports that a rule names."""
    named = {port for each in operations(rule) for port in values(each, "ports")}
    when = (each for each in conditions(rule) if each.get("key") == "destination.port")
    return named | {port for each in when for port in values(each, "values")}


def is_open(rule: Rule) -> bool:
    """Whether a rule matches whatever comes: it says nothing, or one of its parts does."""
    return (
        (not sources(rule) or any(not says(each, SOURCE_FIELDS) for each in sources(rule)))
        and (not operations(rule) or any(not says(each, OPERATION_FIELDS) for each in operations(rule)))
        and not conditions(rule)
    )


def says(part: Part, fields: Iterable[str]) -> bool:
    """Whether a source or an operation says anything."""
    return any(part.get(key) or part.get(negative(key)) for key in fields)


def text_of(rule: Rule) -> str:
    """The same text for rules that say the same in the same order."""
    return json.dumps(rule, sort_keys=True, default=str)


def breadth(rule: Rule) -> int:
    """Smaller for a rule that says less, and so matches more."""
    return len(text_of(rule))


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether the first rule certainly matches all that the second one does."""
    texts = {text_of(each) for each in conditions(narrow)}
    return (
        _parts_cover(sources(wide), sources(narrow), SOURCE_FIELDS)
        and _parts_cover(operations(wide), operations(narrow), OPERATION_FIELDS)
        and all(text_of(each) in texts for each in conditions(wide))
    )


def _parts_cover(wide: Sequence[Part], narrow: Sequence[Part], fields: Sequence[str]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(any(_part_covers(one, other, fields) for one in wide) for other in narrow)


def _part_covers(wide: Part, narrow: Part, fields: Sequence[str]) -> bool:
    for key in fields:
        wanted, unwanted = values(wide, key), values(wide, negative(key))
        here, gone = values(narrow, key), values(narrow, negative(key))
        if wanted and not (here and all(any(pattern_covers(one, other) for one in wanted) for other in here)):
            return False
        if not all(any(pattern_covers(one, other) for one in gone) for other in unwanted):
            return False
    return True


def pattern_covers(wide: str, narrow: str) -> bool:
    """Whether a pattern, `a`, `a*`, `*a` or `*`, matches all that another one does."""
    if wide in (narrow, "*"):
        return True
    if wide.endswith("*") and not wide.startswith("*"):
        return narrow.startswith(wide[:-1])
    return wide.startswith("*") and len(wide) > 1 and narrow.endswith(wide[1:])


def never_matches(rule: Rule, namespace: str) -> Iterator[str]:
    """Why a rule, or a part of it, can match nothing. `namespace`: of its policy."""
    for each in sources(rule):
        yield from _against_itself(each, SOURCE_FIELDS)
        yield from _strangers(each, namespace)
    for each in operations(rule):
        yield from _against_itself(each, OPERATION_FIELDS)
        yield from _impossible(each)
    for each in conditions(rule):
        wanted, unwanted = values(each, "values"), values(each, "notValues")
        if wanted and all(any(pattern_covers(one, other) for one in unwanted) for other in wanted):
            yield f"all values of {each.get('key')} stand in its notValues"
    yield from _disjoint(rule)


def _against_itself(part: Part, fields: Iterable[str]) -> Iterator[str]:
    for key in fields:
        wanted, unwanted = values(part, key), values(part, negative(key))
        if wanted and all(any(pattern_covers(one, other) for one in unwanted) for other in wanted):
            yield f"all its {key} stand in {negative(key)}"


def _strangers(source: Part, namespace: str) -> Iterator[str]:
    """Clients of one namespace that shall stand in another one."""
    wanted = values(source, "namespaces")
    of_principals = [namespace_in(each) for each in values(source, "principals")]
    of_accounts = [each.partition("/")[0] if "/" in each else namespace for each in values(source, "serviceAccounts")]
    for key, found in (("principals", of_principals), ("serviceAccounts", of_accounts)):
        if wanted and found and all(each and not _one_of(wanted, each) for each in found):
            yield f"its {key} stand in none of its namespaces"
    if of_principals and of_accounts and all(each and each not in of_accounts for each in of_principals):
        yield "its principals are none of its serviceAccounts"


def _one_of(patterns: Iterable[str], value: str) -> bool:
    return any(pattern_covers(pattern, value) or "*" in pattern.strip("*") for pattern in patterns)


def namespace_in(principal: str) -> str:
    """The namespace that a pattern of principals names; empty where it leaves it open."""
    _before, found, rest = principal.partition("/ns/")
    name, slash, _after = rest.partition("/")
    return name if found and slash and "*" not in name else ""


def _impossible(operation: Part) -> Iterator[str]:
    paths = [path for key in ("paths",) for path in values(operation, key)]
    if paths and all(not path.startswith(("/", "*", "{")) for path in paths):
        yield f"a path begins with a slash, {paths[0]!r} does not"
    methods = values(operation, "methods")
    if methods and all(method != method.upper() for method in methods):
        yield f"methods are written in capitals, {methods[0]!r} is not"


def _disjoint(rule: Rule) -> Iterator[str]:
    """Conditions that exclude each other, or the other parts of the rule."""
    wanted: dict[str, set[str]] = {}
    for each in conditions(rule):
        key, found = str(each.get("key")), set(values(each, "values"))
        if key not in L4_CONDITIONS or not found or any("*" in value or "/" in value for value in found):
            continue
        if key in wanted and not wanted[key] & found:
            yield f"two conditions on {key} exclude each other"
        wanted[key] = wanted.get(key, found) & found
    ports = [set(values(each, "ports")) for each in operations(rule)]
    port = wanted.get("destination.port")
    if port and ports and all(each and not each & port for each in ports):
        yield "its ports and its condition on destination.port exclude each other"
    spaces = [values(each, "namespaces") for each in sources(rule)]
    space = wanted.get("source.namespace")
    if space and spaces and all(each and not any(_one_of(each, name) for name in space) for each in spaces):
        yield "its namespaces and its condition on source.namespace exclude each other"
