# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rule of an AuthorizationPolicy matches a call, as the proxy that enforces it reads the rule.

A waypoint (Envoy) knows all of a request. ztunnel knows the connection only: an ALLOW rule that says anything about
HTTP never matches there, and of a DENY rule that part is dropped, so that it denies more.
Source: istiod's pilot/pkg/security/authz (waypoints) and pilot/pkg/serviceregistry/ambient/authorization.go (ztunnel).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Rule = Mapping[str, Any]

HTTP_OPERATIONS = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
HTTP_SOURCES = ("remoteIpBlocks", "notRemoteIpBlocks", "requestPrincipals", "notRequestPrincipals")
L4_CONDITIONS = ("source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port")


class Proxy(Enum):
    """Who enforces a policy."""

    ZTUNNEL = "ztunnel"
    WAYPOINT = "waypoint"


@dataclass(frozen=True)
class Call:
    """One call as the enforcing proxy sees it.

    Attributes:
        principal: `cluster.local/ns/shop/sa/web`; empty where the caller has shown no certificate.
        port: of the destination as that proxy sees it: of the Service at a waypoint, of the pod at ztunnel.
        source_ip, destination_ip: empty where nobody says; then no block of addresses holds them.
        method, path, host, headers: of the request; empty where it is no HTTP.
        claims: of a valid token of the request; `iss` and `sub` among them. Empty without one.
    """

    principal: str = ""
    port: int = 0
    source_ip: str = ""
    destination_ip: str = ""
    remote_ip: str = ""
    method: str = ""
    path: str = ""
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """Of the caller, empty where it is not known."""
        return _after(self.principal, "ns")

    @property
    def account(self) -> str:
        """The caller's service account, `NAMESPACE/NAME`, empty where it is not known."""
        name = _after(self.principal, "sa")
        return f"{self.namespace}/{name}" if name else ""


def _after(principal: str, word: str) -> str:
    parts = principal.split("/")
    return parts[parts.index(word) + 1] if word in parts[:-1] else ""


def says_http(rule: Rule) -> list[str]:
    """The names of all that a rule says about HTTP, which only a waypoint understands."""
    found = [key for each in _sources(rule) for key in HTTP_SOURCES if each.get(key)]
    found += [key for each in _operations(rule) for key in HTTP_OPERATIONS if each.get(key)]
    found += [str(when.get("key")) for when in rule.get("when") or [] if when.get("key") not in L4_CONDITIONS]
    return sorted(set(found))


def matches(rule: Rule, call: Call, proxy: Proxy, action: str, policy_namespace: str) -> bool:
    """Whether the rule of a policy with this action matches the call where this proxy enforces it."""
    if proxy is Proxy.ZTUNNEL and action == "ALLOW" and says_http(rule):
        return False
    sources, operations = _sources(rule), _operations(rule)
    return (
        (not sources or any(_source(each, call, proxy, policy_namespace) for each in sources))
        and (not operations or any(_operation(each, call, proxy) for each in operations))
        and all(_condition(each, call, proxy, policy_namespace) for each in rule.get("when") or [])
    )


def _sources(rule: Rule) -> list[Mapping[str, Any]]:
    return [each.get("source") or {} for each in rule.get("from") or []]


def _operations(rule: Rule) -> list[Mapping[str, Any]]:
    return [each.get("operation") or {} for each in rule.get("to") or []]


def _source(source: Mapping[str, Any], call: Call, proxy: Proxy, policy_namespace: str) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "principals": lambda value: _principal(value, call),
        "namespaces": lambda value: _namespace(value, call, proxy),
        "serviceAccounts": lambda value: _account(value, call, policy_namespace),
        "ipBlocks": lambda value: _within(value, call.source_ip),
    }
    if proxy is Proxy.WAYPOINT:
        tests |= {
            "trustDomains": lambda value: _text(value, call.principal.partition("/")[0]),
            "remoteIpBlocks": lambda value: _within(value, call.remote_ip or call.source_ip),
            "requestPrincipals": lambda value: _request_principal(value, call),
        }
    return all(_either_way(source, key, test) for key, test in tests.items())


def _operation(operation: Mapping[str, Any], call: Call, proxy: Proxy) -> bool:
    tests: dict[str, Callable[[str], bool]] = {"ports": lambda value: value == str(call.port)}
    if proxy is Proxy.WAYPOINT:
        tests |= {
            "methods": lambda value: _text(value, call.method),
            "paths": lambda value: _path(value, call.path),
            "hosts": lambda value: _text(value.lower(), call.host.lower()),
        }
    return all(_either_way(operation, key, test) for key, test in tests.items())


def _either_way(where: Mapping[str, Any], key: str, test: Callable[[str], bool]) -> bool:
    """Whether one of the values fits, if there are any, and none of the forbidden ones does."""
    wanted, unwanted = where.get(key) or (), where.get(f"not{key[0].upper()}{key[1:]}") or ()
    return _any(wanted, test, empty=True) and not _any(unwanted, test, empty=False)


def _any(values: Iterable[Any], test: Callable[[str], bool], *, empty: bool) -> bool:
    texts = [str(value) for value in values]
    return any(map(test, texts)) if texts else empty


def _condition(when: Mapping[str, Any], call: Call, proxy: Proxy, policy_namespace: str) -> bool:
    key = str(when.get("key"))
    if proxy is Proxy.ZTUNNEL and key not in L4_CONDITIONS:
        return True  # of a DENY: the condition is dropped
    test = _test_of(key, call, proxy, policy_namespace)
    if test is None:
        return False
    return _either_way({"values": when.get("values"), "notValues": when.get("notValues")}, "values", test)


def _test_of(key: str, call: Call, proxy: Proxy, policy_namespace: str) -> Callable[[str], bool] | None:
    plain: dict[str, Callable[[str], bool]] = {
        "source.ip": lambda value: _within(value, call.source_ip),
        "source.namespace": lambda value: _namespace(value, call, proxy),
        "source.principal": lambda value: _principal(value, call),
        "source.serviceAccount": lambda value: _account(value, call, policy_namespace),
        "source.trustDomain": lambda value: _text(value, call.principal.partition("/")[0]),
        "destination.ip": lambda value: _within(value, call.destination_ip),
        "destination.port": lambda value: value == str(call.port),
        "remote.ip": lambda value: _within(value, call.remote_ip or call.source_ip),
        "request.auth.principal": lambda value: _request_principal(value, call),
        "request.auth.audiences": lambda value: _claim(value, call.claims.get("aud")),
        "request.auth.presenter": lambda value: _claim(value, call.claims.get("azp")),
        "connection.sni": lambda value: False,
    }
    names = re.findall(r"\[([^\]]*)\]", key)
    if key.startswith("request.headers[") and names:
        headers = {name.lower(): value for name, value in call.headers.items()}
        return lambda value: names[0].lower() in headers and _text(value, headers[names[0].lower()], present=True)
    if key.startswith("request.auth.claims[") and names:
        return lambda value: _claim(value, _at(call.claims, names))
    return plain.get(key)


def _text(pattern: str, value: str, present: bool = False) -> bool:
    """Exact, `prefix*`, `*suffix`, or `*` for anything that is there."""
    if pattern == "*":
        return present or bool(value)
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern


def _principal(pattern: str, call: Call) -> bool:
    return bool(call.principal) and _text(pattern, call.principal)


def _namespace(pattern: str, call: Call, proxy: Proxy) -> bool:
    if not call.namespace:
        return False
    if proxy is Proxy.ZTUNNEL:
        return _text(pattern, call.namespace)
    words = ".*".join(map(re.escape, pattern.split("*")))  # a star stands for anything, wherever it is
    return re.fullmatch(f".*/ns/{words}/.*", f"spiffe://{call.principal}") is not None


def _account(pattern: str, call: Call, policy_namespace: str) -> bool:
    wanted = pattern if "/" in pattern else f"{policy_namespace}/{pattern}"
    return bool(call.account) and call.account == wanted


def _within(block: str, address: str) -> bool:
    try:
        return bool(address) and ipaddress.ip_address(address) in ipaddress.ip_network(block, strict=False)
    except ValueError:
        return False


def _path(pattern: str, path: str) -> bool:
    path = path.partition("?")[0].partition("#")[0]
    if "{*}" not in pattern and "{**}" not in pattern:
        return _text(pattern, path)
    words = re.split(r"(\{\*\*?\})", pattern)
    parts = {"{*}": "[^/]+", "{**}": ".*"}
    return re.fullmatch("".join(parts.get(word) or re.escape(word) for word in words), path) is not None


def _request_principal(pattern: str, call: Call) -> bool:
    """`ISSUER/SUBJECT`, where either end may be a star."""
    issuer, subject = str(call.claims.get("iss", "")), str(call.claims.get("sub", ""))
    if not issuer or not subject:
        return False
    wanted, slash, rest = pattern.rpartition("/")
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return (_text(wanted, issuer) and rest == subject) if slash else subject.endswith(pattern[1:])
    if pattern.endswith("*"):
        return (wanted == issuer and _text(rest, subject)) if slash else issuer.startswith(pattern[:-1])
    return (wanted, rest) == (issuer, subject) if slash else False


def _claim(pattern: str, value: Any) -> bool:
    values: Sequence[Any] = value if isinstance(value, list) else str(value).split(" ") if value is not None else ()
    return any(_text(pattern, str(each)) for each in values)


def _at(claims: Mapping[str, Any], names: Iterable[str]) -> Any:
    found: Any = claims
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
