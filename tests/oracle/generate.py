# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generates cases from a seed: policies of every form, and calls that are near to what the policies say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import vocabulary as words
from .cases import Group, Plan, Request
from .rules import PORTS, Chance, a_rule

PER_SERVICE = 10
OPEN, GATED = "open", "gated"  # the waypoints; policies for all Services are attached to the second one
CANARY_HEADER = "x-canary"
_NEAR = 0.7  # how often a call takes up what a rule says


def plan(cases: int, seed: int) -> Plan:
    """Cases for so many calls, the same ones for the same seed."""
    chance = Chance(seed)
    shared = [_shared_deny(chance), _shared_allow()]
    groups = []
    for at in range(-(-cases // PER_SERVICE)):
        count = min(PER_SERVICE, cases - at * PER_SERVICE)
        groups.append(group(chance, f"s{at:02}", GATED if at % 6 == 5 else OPEN, count, shared))
    return Plan(tuple(groups), tuple(shared))


def _shared_deny(chance: Chance) -> dict[str, Any]:
    """For all but those calls that ask whether the waypoint is ready."""
    rules = [a_rule(chance, "") for _one in range(2)]
    others = {"key": f"request.headers[{CANARY_HEADER}]", "notValues": ["*"]}
    rules = [{**rule, "when": [*rule.get("when", ()), others]} for rule in rules]
    return _object("gated-a", "DENY", "Gateway", GATED, rules)


def _shared_allow() -> dict[str, Any]:
    rules = [{"to": [{"operation": {"paths": ["/*"], "methods": ["GET"]}}]}]
    return _object("gated-b", "ALLOW", "Gateway", GATED, rules)


def group(
    chance: Chance,
    service: str,
    waypoint: str,
    count: int,
    shared: Sequence[Mapping[str, Any]] = (),
    rule: Callable[[Chance, str], dict[str, Any]] = a_rule,
) -> Group:
    """A Service with policies by chance, whose rules `rule` gives."""
    shapes = [
        ["ALLOW"],
        ["DENY"],
        ["ALLOW", "DENY"],
        ["ALLOW", "ALLOW"],
        ["DENY", "ALLOW", "ALLOW"],
        ["AUDIT", "ALLOW"],
    ]
    (shape,) = chance.choices(shapes, [5, 2, 4, 3, 2, 1])
    policies = [_policy(chance, f"{service}-{at}", service, action, rule) for at, action in enumerate(shape)]
    near = [*policies, *(shared if waypoint == GATED else ())]
    requests = tuple(_request(chance, service, near) for _one in range(count))
    return Group(service, waypoint, tuple(policies), requests, chance.random() < 0.7)


def _policy(
    chance: Chance, name: str, service: str, action: str, rule: Callable[[Chance, str], dict[str, Any]]
) -> dict[str, Any]:
    form = chance.random()
    rules: list[dict[str, Any]]
    if form < 0.04 and action == "ALLOW":
        rules = []
    elif form < 0.08:
        rules = [{}]
    else:
        rules = [rule(chance, service) for _one in range(chance.choice([1, 1, 2, 3]))]
    annotations = {"istio.io/dry-run": "true"} if action != "AUDIT" and chance.random() < 0.04 else {}
    return _object(name, action, "Service", service, rules, annotations)


def _object(
    name: str, action: str, kind: str, target: str, rules: Sequence[Any], annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    group = "gateway.networking.k8s.io" if kind == "Gateway" else ""
    metadata = {"name": name, "namespace": words.NAMESPACE, "annotations": dict(annotations or {})}
    ref = {"kind": kind, "group": group, "name": target}
    spec = {"targetRefs": [ref], "action": action, **({"rules": list(rules)} if rules else {})}
    version = "security.istio.io/v1"
    return {"apiVersion": version, "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def _request(chance: Chance, service: str, policies: Sequence[Mapping[str, Any]]) -> Request:
    rules = [rule for policy in policies for rule in policy["spec"].get("rules", ())]
    rule = chance.choice(rules) if rules else {}
    said = _said(chance, rule)

    def pick(table: words.Examples, *keys: str) -> Any:
        patterns = [value for key in keys for value in said.get(key, ()) if value in table]
        near = bool(patterns) and chance.random() < _NEAR
        return chance.choice(table[chance.choice(patterns if near else sorted(table))])

    identity = pick(
        chance.choice([words.PRINCIPALS, words.NAMESPACES, words.ACCOUNTS]),
        *("principals", "namespaces", "serviceAccounts"),
        *("source.namespace", "source.principal", "source.serviceAccount"),
    )
    headers = [("X-Role", value) for value in pick(words.HEADERS, "request.headers[x-role]", "request.headers[X-Role]")]
    forwarded = pick(words.BLOCKS, "remoteIpBlocks", "remote.ip") if chance.random() < 0.3 else ""
    if forwarded:
        headers.append(("X-Forwarded-For", forwarded))
    token = chance.choice(list(words.TOKENS)) if chance.random() < 0.6 else "none"
    asked = [key for key in said if key.startswith("request.auth.")]
    if "requestPrincipals" in said:
        token = pick(words.REQUEST_PRINCIPALS, "requestPrincipals")
    elif asked:
        token = pick(words.CLAIMS[asked[0]], asked[0])
    return Request(
        identity,
        pick(PORTS, "ports", "destination.port"),
        pick(words.METHODS, "methods"),
        pick(words.PATHS, "paths"),
        pick(words.hosts(service), "hosts"),
        tuple(headers),
        token,
    )


def _said(chance: Chance, rule: Mapping[str, Any]) -> dict[str, list[str]]:
    """What one source, one operation and all conditions of a rule say, wanted or not, by their names."""
    sources = [each["source"] for each in rule.get("from", ())]
    operations_ = [each["operation"] for each in rule.get("to", ())]
    said: dict[str, list[str]] = {}
    for part in (
        *([chance.choice(sources)] if sources else ()),
        *([chance.choice(operations_)] if operations_ else ()),
    ):
        for key, values in part.items():
            plain = key[3].lower() + key[4:] if key.startswith("not") else key
            said.setdefault(plain, []).extend(values)
    for when in rule.get("when", ()):
        said.setdefault(when["key"], []).extend([*when.get("values", ()), *when.get("notValues", ())])
    return said
