# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the entries under `access` to the policies that ztunnels and waypoints enforce.

At the waypoint stands all that an entry says. At the pods stand its callers, so that nobody comes in beside the
waypoint; of what only a waypoint can tell apart, there stands something only where the pods are locked down to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..manifests import waves
from ..manifests.identity import Object
from ..manifests.items import Item
from ..manifests.labels import own
from .callers import Clients, Sources
from .facts import Policy
from .intents import Intent, Jwt, Target, TargetKind
from .patches import USE_WAYPOINT
from .places import Attachment, Place, Pods
from .policies import ALLOW, GATEWAY_GROUP, digest, security_object, selecting
from .reader import Reader
from .spec import Allow, MeshSpec, NamespaceSpec
from .targets import Targets

INTENT_LABEL = "ambient.alauda.io/intent"
_LONGEST_VALUE = 63

Rule = Mapping[str, Any]


def access_items(
    reader: Reader, namespace: NamespaceSpec, mesh: MeshSpec, targets: Targets, sources: Sources, role: str
) -> list[Item]:
    """The policies of the namespace's entries. What cannot be known is noted with its path."""
    if not namespace.access:
        return []
    intents = by_target(namespace.access)
    places = {target: targets.place(target, found) for target, found in intents.items()}
    targets.refuse_side_doors(places, {target: found[0].path for target, found in intents.items()})
    audiences = _audiences(namespace.access)
    items = []
    for target, found in intents.items():
        place = places[target]
        clients = [(intent, sources.of(reader, intent)) for intent in found]
        _refuse_http(reader, namespace.name, found, place)
        objects = [(waves.POLICIES, obj) for obj in _at_pods(namespace, target, place, clients)]
        for part in place.attachments:
            objects += _at_waypoint(namespace.name, target, part, clients, audiences)
        items += [Item(own(_labelled(obj, target), mesh.name), wave, role=role) for wave, obj in objects]
    return items


def by_target(intents: Iterable[Intent]) -> dict[Target, list[Intent]]:
    """The entries by what they are about."""
    found: dict[Target, list[Intent]] = {}
    for intent in intents:
        found.setdefault(intent.target, []).append(intent)
    return found


def is_allow(item: Item) -> bool:
    """Whether it is an AuthorizationPolicy that comes from an entry."""
    return item.identity.kind == "AuthorizationPolicy" and item.identity.name.startswith(ALLOW)


def target_of(item: Item) -> Target:
    """What the entries are about that an item comes from."""
    slug, dot, last = item.identity.name.removeprefix(ALLOW).rpartition(".")
    return Target.of(slug if dot else last)  # only names of service accounts have dots, and a part follows these


def at_pods(items: Iterable[Item]) -> list[Item]:
    """The ALLOWs among the items that ztunnel enforces."""
    return [item for item in items if is_allow(item) and "targetRefs" not in item.object["spec"]]


def behind_waypoints(allows: Iterable[Item], items: Iterable[Item]) -> list[Item]:
    """Those of the ALLOWs at pods beside which waypoints have to be let in, by all that is there.

    In a namespace with a waypoint these are all: what is called past it is so by a label that comes later.
    """
    there = list(items)
    whole = any(item.patch and item.identity.kind == "Namespace" and _use_waypoint(item) for item in there)
    behind = {target_of(item) for item in there if is_allow(item) and "targetRefs" in item.object["spec"]}
    return [item for item in at_pods(allows) if whole or target_of(item) in behind]


def _use_waypoint(item: Item) -> bool:
    return USE_WAYPOINT in (item.object["metadata"].get("labels") or {})


def as_policies(items: Iterable[Item]) -> list[Policy]:
    """ALLOWs as what a survey would make of them."""
    found = []
    for item in items:
        spec = item.object["spec"]
        labels, rules = (spec.get("selector") or {}).get("matchLabels") or {}, tuple(spec.get("rules") or ())
        found.append(Policy(item.identity.namespace, item.identity.name, "ALLOW", labels, rules))
    return found


def _refuse_http(reader: Reader, namespace: str, intents: Iterable[Intent], place: Place) -> None:
    for intent in intents:
        if place.pods and not place.attachments:
            refuse_http(reader, intent)
        elif intent.http_keys:
            past = [f"{namespace}/{each.name}" for each in place.past if each.ports(intent) is not None]
            _refuse_http_past(reader, intent, sorted(past))


def _refuse_http_past(reader: Reader, intent: Intent, services: Sequence[str]) -> None:
    if services:
        one = len(services) == 1
        names = f"Service{'' if one else 's'} {', '.join(services)}"
        message = f"calls to {names} pass no waypoint, which alone could tell, and would be refused"
        hint = (
            f"Bind {'it' if one else 'them'} under services, where not headless, or say it of the others alone: "
            "to: {service: …}"
        )
        reader.error(f"{intent.path}.{intent.http_keys[0]}", message, hint)


def refuse_http(reader: Reader, intent: Intent) -> None:
    """Note each key of an entry that needs a waypoint where there is none."""
    for key in intent.http_keys:
        hint = "Bind it under services, or say state: l7"
        if intent.target.kind is TargetKind.NAMESPACE:
            hint = "Say state: l7"
        reader.error(f"{intent.path}.{key}", "needs a waypoint", hint)


def _at_pods(
    namespace: NamespaceSpec, target: Target, place: Place, clients: Iterable[tuple[Intent, Clients]]
) -> Iterator[Object]:
    direct = {port for each in namespace.exceptions if each.allow is Allow.DIRECT for port in each.ports}
    for pods in place.pods:
        rules = _ordered(rule for intent, who in clients for rule in _rule_at_pods(intent, who, pods, direct))
        spec = {"action": "ALLOW", **selecting(pods.selector), **({"rules": rules} if rules else {})}
        part = digest(pods.selector) if target.kind is TargetKind.ACCOUNT else ""
        yield _policy("AuthorizationPolicy", namespace.name, target, part, spec)


def _rule_at_pods(intent: Intent, clients: Clients, pods: Pods, direct: set[int]) -> Iterator[Rule]:
    """The rule without what ztunnel does not understand; none where that would open something."""
    ports = pods.ports(intent)
    if ports is None or (intent.http_keys and not pods.locked):
        return
    operation: dict[str, Any] = {"ports": [str(port) for port in ports]} if ports else {}
    if intent.http_keys and direct:  # ports that are not locked down
        left = [str(port) for port in ports if port not in direct]
        operation = {"ports": left} if ports else {"notPorts": [str(port) for port in sorted(direct)]}
        if ports and not left:
            return
    yield _rule(clients.sources(), operation, [])


def _at_waypoint(
    namespace: str,
    target: Target,
    part: Attachment,
    clients: Iterable[tuple[Intent, Clients]],
    audiences: Mapping[str, tuple[str, ...]],
) -> Iterator[tuple[int, Object]]:
    held = [(intent, ports, who) for intent, who in clients if (ports := part.ports(intent)) is not None]
    group = GATEWAY_GROUP if part.kind == "Gateway" else ""
    refs = {"targetRefs": [{"group": group, "kind": part.kind, "name": part.name}]}
    name = "waypoint" if target.kind is TargetKind.SERVICE else f"{part.kind.lower()}-{part.name}"
    tokens = {intent.jwt.issuer: intent.jwt for intent, _ports, _who in held if intent.jwt}
    if tokens:  # it only refuses broken tokens, and a rule that asks for one has to find it there
        spec = {**refs, "jwtRules": [_jwt_rule(tokens[issuer], audiences[issuer]) for issuer in sorted(tokens)]}
        yield waves.ADMITS, _policy("RequestAuthentication", namespace, target, name, spec)
    rules = _ordered(_rule_at_waypoint(intent, ports, who) for intent, ports, who in held)
    spec = {"action": "ALLOW", **refs, **({"rules": rules} if rules else {})}
    yield waves.POLICIES, _policy("AuthorizationPolicy", namespace, target, name, spec)


def _rule_at_waypoint(intent: Intent, ports: Sequence[int], clients: Clients) -> Rule:
    operation = {
        "ports": [str(port) for port in ports],
        "methods": list(intent.methods),
        "paths": list(intent.paths),
        "hosts": list(intent.hosts),
    }
    token: dict[str, Any] = {}
    conditions: list[Rule] = []
    if intent.jwt:
        token = {"requestPrincipals": [f"{intent.jwt.issuer}/*"]}
        if intent.jwt.audiences:
            conditions.append({"key": "request.auth.audiences", "values": list(intent.jwt.audiences)})
        for claim, values in sorted(intent.jwt.claims.items()):
            conditions.append({"key": f"request.auth.claims[{claim}]", "values": list(values)})
    return _rule(clients.sources(token), {key: values for key, values in operation.items() if values}, conditions)


def _rule(sources: Sequence[Rule], operation: Rule, conditions: Sequence[Rule]) -> Rule:
    rule: dict[str, Any] = {}
    if sources:
        rule["from"] = [{"source": source} for source in sources]
    if operation:
        rule["to"] = [{"operation": operation}]
    if conditions:
        rule["when"] = list(conditions)
    return rule


def _ordered(rules: Iterable[Rule]) -> list[Rule]:
    """The rules in an order that does not depend on the one of the entries, each of them once."""
    return [rule for _text, rule in sorted({json.dumps(rule, sort_keys=True): rule for rule in rules}.items())]


def _audiences(intents: Iterable[Intent]) -> dict[str, tuple[str, ...]]:
    """For whom tokens of an issuer may be, as far as entries of the namespace name it; empty where one takes all."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for intent in intents:
        if intent.jwt:
            found.setdefault(intent.jwt.issuer, []).append(intent.jwt.audiences)
    return {
        issuer: tuple(sorted({each for group in groups for each in group})) if all(groups) else ()
        for issuer, groups in found.items()
    }


def _jwt_rule(token: Jwt, audiences: Sequence[str]) -> Rule:
    rule: dict[str, Any] = {"issuer": token.issuer, "forwardOriginalToken": True}  # the application may read it, too
    rule |= {"jwksUri": token.jwks_uri} if token.jwks_uri else {"jwks": token.jwks}
    return {**rule, "audiences": list(audiences)} if audiences else rule


def _policy(kind: str, namespace: str, target: Target, part: str, spec: Mapping[str, Any]) -> Object:
    return security_object(kind, namespace, f"{ALLOW}{target.slug}{'.' if part else ''}{part}", spec)


def _labelled(obj: Object, target: Target) -> Object:
    value = target.slug
    if len(value) > _LONGEST_VALUE:
        value = f"{value[: _LONGEST_VALUE - 9].rstrip('-.')}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"
    return {**obj, "metadata": {**obj["metadata"], "labels": {INTENT_LABEL: value}}}
