# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of an AuthorizationPolicy that istiod's webhook refuses: a tree may hold them, and they match nothing, or all.

Source: istiod's ValidateAuthorizationPolicy (pkg/config/validation/validation.go) and pkg/config/security/security.go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import AmbientError
from ..mesh.names import did_you_mean
from .matching import L4_CONDITIONS, Rule

_MEND = "Mend the manifest"
_CONDITIONS = (
    *L4_CONDITIONS,
    "source.serviceAccount",
    "source.trustDomain",
    "remote.ip",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "connection.sni",
)
_KEYED = ("request.headers[NAME]", "request.auth.claims[NAME]")
_WITH_KEY = re.compile(r"(request\.headers|request\.auth\.claims|experimental\.envoy\.filters\.[^\[]+)\[.+\]")
_ACCOUNTS = ("serviceAccounts", "notServiceAccounts")
_BESIDE = ("principals", "notPrincipals", "namespaces", "notNamespaces")
_GROUPS = {
    "Service": ("", "core"),
    "Gateway": ("gateway.networking.k8s.io",),
    "GatewayClass": ("gateway.networking.k8s.io",),
    "ServiceEntry": ("networking.istio.io",),
}
_LONGEST_PORT = 5
_LAST_PORT = 65535


def refuse_values(spec: Mapping[str, Any], what: str) -> None:
    """AmbientError with the place of the first value that istiod refuses. `spec` has the right shape.

    `what` is the object, as the path begins with it.
    """
    for path, message, hint in _of_attachment(spec):
        raise AmbientError(message, path=f"{what}spec.{path}", hint=hint)
    for number, rule in enumerate(spec.get("rules") or []):
        for path, message, hint in _of_rule(rule):
            raise AmbientError(message, path=f"{what}spec.rules[{number}].{path}", hint=hint or _MEND)


def _of_attachment(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    ways = [key for key in ("selector", "targetRef", "targetRefs") if spec.get(key) not in (None, [])]
    if len(ways) > 1:
        yield ways[1], f"stands beside {ways[0]}", "Keep one of the two; make another policy for the other"
    for number, each in enumerate(spec.get("targetRefs") or []):
        group, wanted = str(each.get("group") or ""), _GROUPS.get(str(each.get("kind")))
        if wanted and group not in wanted:
            yield f"targetRefs[{number}].group", f"is {group!r}", f"A {each['kind']} is of group {wanted[0]!r}"
        if each.get("namespace"):
            yield f"targetRefs[{number}].namespace", "cannot be said", "Put the policy in the namespace of its target"


def _of_rule(rule: Rule) -> Iterator[tuple[str, str, str]]:
    for part, word in (("from", "source"), ("to", "operation")):
        for number, each in enumerate(rule.get(part) or []):
            path = f"{part}[{number}].{word}"
            fields = each.get(word) or {}
            if not any(fields.values()):
                yield path, "says nothing", "Say something there, or take the entry out: it would mean everybody"
            beside = [key for key in _BESIDE if fields.get(key)]
            accounts = [key for key in _ACCOUNTS if fields.get(key)]
            if beside and accounts:
                yield f"{path}.{accounts[0]}", f"stands beside {beside[0]}", "Make an entry of each of them"
            for key, values in fields.items():
                yield from _of_values(f"{path}.{key}", values, _ADDRESSES.get(key) or _PORTS.get(key))
    for number, when in enumerate(rule.get("when") or []):
        yield from _of_condition(f"when[{number}]", when)


def _of_condition(path: str, when: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    key = str(when["key"])
    if key not in _CONDITIONS and not _WITH_KEY.fullmatch(key):
        yield f"{path}.key", f"{key!r} is no attribute that Istio has", did_you_mean(key, (*_CONDITIONS, *_KEYED))
    if not when.get("values") and not when.get("notValues"):
        yield path, "has neither values nor notValues", "Say which: without them it would mean every call"
    for word in ("values", "notValues"):
        yield from _of_values(f"{path}.{word}", when.get(word), _ATTRIBUTES.get(key))


def _of_values(path: str, values: Any, wrong: Callable[[str], str] | None) -> Iterator[tuple[str, str, str]]:
    for number, value in enumerate(values or []):
        message = "is empty" if value == "" else wrong(value) if wrong else ""
        if message:
            yield f"{path}[{number}]", message, ""


def _wrong_address(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is neither an IP address nor a block of such"
    return ""


def _wrong_port(text: str) -> str:
    fine = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_PORT and int(text) <= _LAST_PORT
    return "" if fine else f"{text!r} is no port: numbers only"


_ADDRESSES = dict.fromkeys(("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"), _wrong_address)
_PORTS = dict.fromkeys(("ports", "notPorts"), _wrong_port)
_ATTRIBUTES = {
    **dict.fromkeys(("source.ip", "remote.ip", "destination.ip"), _wrong_address),
    "destination.port": _wrong_port,
}
