# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rule of an AuthorizationPolicy matches a call, as the proxy that enforces it reads the rule.

A waypoint (Envoy) knows all of a request. ztunnel knows the connection only: an ALLOW rule that says anything about
HTTP never matches there. Of a DENY rule it drops what it does not understand, and an entry or a condition of which
nothing is left never matches: `methods` beside `ports` denies more than was meant, `methods` alone denies nothing.
(The status that istiod gives such a policy says otherwise. It was seen on a ztunnel, by
tests/cluster/test_oracle_ztunnel.py.)
Source: istiod's pilot/pkg/security/authz (waypoints) and pilot/pkg/serviceregistry/ambient/authorization.go (ztunnel).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .patterns import normal, path_fits, principal_fits, text_fits

Rule = Mapping[str, Any]

HTTP_OPERATIONS = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
HTTP_SOURCES = ("remoteIpBlocks", "notRemoteIpBlocks", "requestPrincipals", "notRequestPrincipals")
_WORDS = (["scope"], ["permission"])  # the claims that a waypoint takes apart at spaces
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
        source_ip counts at ztunnel only: a waypoint does not know from where a connection comes.
        remote_ip: at a waypoint; the last address of X-Forwarded-For, and source_ip without one.
        method, path, host, headers: of the request; empty where it is no HTTP. A header that comes more than once has
            a list of values.
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
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
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
    return dict(zip(parts[1::2], parts[2::2], strict=False)).get(word, "")


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
        "ipBlocks": lambda value: _source_ip(value, call, proxy),
    }
    if proxy is Proxy.WAYPOINT:
        tests |= {
            "trustDomains": lambda value: text_fits(value, call.principal.partition("/")[0]),
            "remoteIpBlocks": lambda value: _within(value, call.remote_ip or call.source_ip),
            "requestPrincipals": lambda value: principal_fits(
                value, str(call.claims.get("iss", "")), str(call.claims.get("sub", ""))
            ),
        }
    return _says_one(source, tests) and all(_either_way(source, key, test) for key, test in tests.items())


def _operation(operation: Mapping[str, Any], call: Call, proxy: Proxy) -> bool:
    tests: dict[str, Callable[[str], bool]] = {"ports": lambda value: value == str(call.port)}
    if proxy is Proxy.WAYPOINT:
        path = normal(call.path)
        tests |= {
            "methods": lambda value: text_fits(value, call.method),
            "paths": lambda value: path_fits(value, path),
            "hosts": lambda value: text_fits(value.lower(), call.host.lower()),
        }
    return _says_one(operation, tests) and all(_either_way(operation, key, test) for key, test in tests.items())


def _says_one(where: Mapping[str, Any], keys: Iterable[str]) -> bool:
    """Whether an entry that says something says something of these."""
    return not any(where.values()) or any(where.get(key) or where.get(_negated(key)) for key in keys)


def _negated(key: str) -> str:
    return f"not{key[0].upper()}{key[1:]}"


def _either_way(where: Mapping[str, Any], key: str, test: Callable[[str], bool]) -> bool:
    """Whether one of the values fits, if there are any, and none of the forbidden ones does."""
    wanted, unwanted = where.get(key) or (), where.get(_negated(key)) or ()
    return _any(wanted, test, empty=True) and not _any(unwanted, test, empty=False)


def _any(values: Iterable[Any], test: Callable[[str], bool], *, empty: bool) -> bool:
    texts = [str(value) for value in values]
    return any(map(test, texts)) if texts else empty


def _condition(when: Mapping[str, Any], call: Call, proxy: Proxy, policy_namespace: str) -> bool:
    key = str(when.get("key"))
    if proxy is Proxy.ZTUNNEL and key not in L4_CONDITIONS:
        return False
    test = _test_of(key, call, proxy, policy_namespace)
    if test is None:
        return False
    return _either_way({"values": when.get("values"), "notValues": when.get("notValues")}, "values", test)


def _test_of(key: str, call: Call, proxy: Proxy, policy_namespace: str) -> Callable[[str], bool] | None:
    plain: dict[str, Callable[[str], bool]] = {
        "source.ip": lambda value: _source_ip(value, call, proxy),
        "source.namespace": lambda value: _namespace(value, call, proxy),
        "source.principal": lambda value: _principal(value, call),
        "source.serviceAccount": lambda value: _account(value, call, policy_namespace),
        "source.trustDomain": lambda value: text_fits(value, call.principal.partition("/")[0]),
        "destination.ip": lambda value: _within(value, call.destination_ip),
        "destination.port": lambda value: value == str(call.port),
        "remote.ip": lambda value: _within(value, call.remote_ip or call.source_ip),
        "request.auth.principal": lambda value: principal_fits(
            value, str(call.claims.get("iss", "")), str(call.claims.get("sub", ""))
        ),
        "request.auth.audiences": lambda value: _claim(value, call.claims.get("aud")),
        "request.auth.presenter": lambda value: _claim(value, call.claims.get("azp")),
        "connection.sni": lambda value: False,
    }
    names = re.findall(r"\[([^\]]*)\]", key)
    if key.startswith("request.headers[") and names:
        headers = _header(call, names[0])
        return lambda value: any(text_fits(value, each, present=True) for each in headers)
    if key.startswith("request.auth.claims[") and names:
        claim = _at(call.claims, names)
        words = claim.split() if names in _WORDS and isinstance(claim, str) else claim
        return lambda value: _claim(value, words)
    return plain.get(key)


def _principal(pattern: str, call: Call) -> bool:
    return bool(call.principal) and text_fits(pattern, call.principal)


def _namespace(pattern: str, call: Call, proxy: Proxy) -> bool:
    if not call.namespace:
        return False
    if proxy is Proxy.ZTUNNEL:
        return text_fits(pattern, call.namespace)
    words = ".*".join(map(re.escape, pattern.split("*")))  # a star stands for anything, wherever it is
    return re.fullmatch(f".*/ns/{words}/.*", f"spiffe://{call.principal}") is not None


def _account(pattern: str, call: Call, policy_namespace: str) -> bool:
    wanted = pattern if "/" in pattern else f"{policy_namespace}/{pattern}"
    return bool(call.account) and call.account == wanted


def _source_ip(block: str, call: Call, proxy: Proxy) -> bool:
    """At a waypoint the connection comes from the proxy's own inside, which no block of addresses holds."""
    return proxy is Proxy.ZTUNNEL and _within(block, call.source_ip)


def _within(block: str, address: str) -> bool:
    try:
        return bool(address) and ipaddress.ip_address(address) in ipaddress.ip_network(block, strict=False)
    except ValueError:
        return False


def _claim(pattern: str, value: Any) -> bool:
    """Only texts fit, alone or in a list: no number, no truth, nothing that has claims of its own."""
    return any(
        text_fits(pattern, each) for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)
    )


def _header(call: Call, name: str) -> Sequence[str]:
    """The values of a header, one by one: a rule does not see them joined."""
    found = next((value for key, value in call.headers.items() if key.lower() == name.lower()), ())
    return [found] if isinstance(found, str) else found


def _at(claims: Mapping[str, Any], names: Iterable[str]) -> Any:
    found: Any = claims
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
