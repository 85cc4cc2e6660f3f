# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where we once read policies otherwise than a real proxy did: a policy, a call, and what the proxy said.

They were found by tests/cluster/test_oracle.py on Istio 1.31.0 with Envoy 1.40.0, whose policies here all allow, and by
test_oracle_ztunnel.py with a ztunnel of the time after 1.31.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.deciding import decide
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import Call, Proxy, matches
from ansible_collections.alauda.ambient.plugins.module_utils.authz.parts import Policy, Target
from ansible_collections.alauda.ambient.plugins.module_utils.authz.unknowns import PORT, read

ALICE = {
    "iss": "https://issuer.test",
    "sub": "alice",
    "scope": "read write",
    "realm": {"role": "boss", "words": "c d"},
    "level": 7,
    "strict": True,
    "motto": "two words",
}
CAROL = {"iss": "https://issuer.test", "sub": "team/carol", "permission": "a b", "aud": "shop admin"}


def allowed(rule: Mapping[str, Any], call: Call) -> bool:
    policy = Policy("oracle", "policy", "ALLOW", None, (Target("Service", "cart"),), (rule,))
    return decide([policy], call, Proxy.WAYPOINT).allowed


def denied_by_ztunnel(rule: Mapping[str, Any], call: Call) -> bool:
    policy = Policy("oracle", "policy", "DENY", {"app": "cart"}, (), (rule,))
    return not decide([policy], call, Proxy.ZTUNNEL).allowed


def on_paths(*paths: str) -> dict[str, Any]:
    return {"to": [{"operation": {"paths": list(paths)}}]}


def when(key: str, *values: str) -> dict[str, Any]:
    return {"when": [{"key": key, "values": list(values)}]}


@pytest.mark.parametrize(
    ("pattern", "path", "verdict"),
    [
        ("/api", "/./api", True),
        ("/api", "/x/../api", True),
        ("/api", "/%61pi", True),
        ("/api", "/api#f", True),
        ("/api/*", "/api\\x", True),
        ("/api/*", "/api/../admin", False),
        ("/admin*", "/api/%2e%2e/admin", True),
        ("/admin*", "/api/..%2fadmin", False),
        ("/admin", "/api/.%2E/admin", True),
        ("*/info", "/api/inf%6F", True),
        ("*.json", "/x%2Ejson", True),
        ("/", "/x/..", True),
        ("/", "/.", True),
        ("/", "/..", True),
        ("/", "//", False),
        ("/a/b", "/a//../b", True),
        ("/a/", "/a/b/..", True),
        ("/a%2Fb", "/a%2fb", False),
        ("/a%21b", "/a!b", False),
        ("/a%5Eb", "/a^b", True),
        ("/a%7Cb", "/a|b", True),
        ("/a[b", "/a[b", True),
        ("/t/{*}", "/t/[x]", False),
        ("/t/{*}", "/t/a^b", True),
        ("/t/{*}", "/t/a*b", True),
        ("/t/{**}", "/t/[x]/y", False),
        ("/t/{**}", "/t/", True),
        ("/t/{**}", "/t", False),
        ("/t/{*}/i", "/t/[x]/i", False),
        ("/{**}", "/a/[x]", False),
        ("/{*}/{**}", "/x/..", False),
    ],
)
def test_paths_are_made_normal_first(pattern: str, path: str, verdict: bool) -> None:
    assert allowed(on_paths(pattern), Call(method="GET", path=path)) is verdict


@pytest.mark.parametrize(
    ("value", "headers", "verdict"),
    [
        ("admin", ["admin", "user"], True),
        ("*min", ["admin", "user"], True),
        ("adm*", ["user", "admin"], True),
        ("admin,user", ["admin", "user"], False),
        ("*", [""], True),
        ("*", [], False),
    ],
)
def test_a_header_that_comes_twice_is_two(value: str, headers: list[str], verdict: bool) -> None:
    assert allowed(when("request.headers[X-Role]", value), Call(headers={"x-role": headers})) is verdict


def test_no_value_of_a_header_may_be_an_unwanted_one() -> None:
    rule = {"when": [{"key": "request.headers[X-Role]", "values": ["*"], "notValues": ["adm*"]}]}
    assert not allowed(rule, Call(headers={"x-role": ["user", "admin"]}))
    assert allowed(rule, Call(headers={"x-role": ["user"]}))


@pytest.mark.parametrize(
    ("key", "value", "claims", "verdict"),
    [
        ("claims[scope]", "read", ALICE, True),
        ("claims[permission]", "a", CAROL, True),
        ("claims[scope]", "read write", ALICE, False),
        ("claims[motto]", "two", ALICE, False),
        ("claims[motto]", "two words", ALICE, True),
        ("claims[realm][words]", "c", ALICE, False),
        ("claims[realm]", "*", ALICE, False),
        ("claims[realm][role]", "boss", ALICE, True),
        ("claims[level]", "7", ALICE, False),
        ("claims[level]", "*", ALICE, False),
        ("claims[strict]", "true", ALICE, False),
        ("audiences", "shop", CAROL, False),
    ],
)
def test_only_texts_of_a_token_fit(key: str, value: str, claims: Mapping[str, Any], verdict: bool) -> None:
    assert allowed(when(f"request.auth.{key}", value), Call(claims=claims)) is verdict


@pytest.mark.parametrize(
    ("principal", "account", "verdict"),
    [
        ("cluster.local/ns/sa/sa/ns", "sa/ns", True),
        ("cluster.local/ns/ns/sa/sa", "ns/sa", True),
        ("cluster.local/ns/ns/sa/sa", "sa/ns", False),
    ],
)
def test_names_may_be_words_of_an_identity(principal: str, account: str, verdict: bool) -> None:
    rule = {"from": [{"source": {"serviceAccounts": [account]}}]}
    assert allowed(rule, Call(principal=principal)) is verdict


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ({"from": [{"source": {"ipBlocks": ["0.0.0.0/0"]}}]}, False),
        ({"from": [{"source": {"notIpBlocks": ["10.244.0.0/16"]}}]}, True),
        (when("source.ip", "10.244.0.0/16"), False),
        (when("remote.ip", "10.244.0.0/16"), True),
        ({"from": [{"source": {"remoteIpBlocks": ["10.244.0.0/16"]}}]}, True),
        (when("destination.ip", "10.96.0.0/12"), True),
    ],
)
def test_a_waypoint_does_not_know_where_a_connection_comes_from(rule: Mapping[str, Any], verdict: bool) -> None:
    assert allowed(rule, Call(source_ip="10.244.1.7", destination_ip="10.96.3.4")) is verdict


@pytest.mark.parametrize(("port", "verdict"), [("80", True), ("8080", False)])
def test_ports_are_those_of_the_service(port: str, verdict: bool) -> None:
    call = Call(port=80)  # of a Service that leads to port 8080 of its pods
    assert allowed({"to": [{"operation": {"ports": [port]}}]}, call) is verdict
    assert allowed(when("destination.port", port), call) is verdict


HTTP = {"to": [{"operation": {"methods": ["GET", "POST"]}}]}
FROM_ORACLE = {"from": [{"source": {"namespaces": ["oracle"]}}]}


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (HTTP, False),
        ({**FROM_ORACLE, **HTTP}, False),
        ({**FROM_ORACLE, **when("request.headers[x]", "y")}, False),
        ({"to": [{"operation": {"methods": ["GET"], "ports": ["8080"]}}]}, True),
        ({"to": [{"operation": {"methods": ["GET"], "notPorts": ["9090"]}}]}, True),
        ({"to": [{"operation": {"methods": ["GET"]}}, {"operation": {"ports": ["8080"]}}]}, True),
        ({"from": [{"source": {"notRequestPrincipals": ["*"]}}]}, False),
        ({"from": [{"source": {"trustDomains": ["cluster.local"]}}]}, False),
        ({"from": [{"source": {"trustDomains": ["other.local"], "namespaces": ["oracle"]}}]}, True),
        (when("source.serviceAccount", "web"), False),
        (FROM_ORACLE, True),
        ({}, True),
    ],
)
def test_ztunnel_denies_nothing_by_what_it_does_not_understand(rule: Mapping[str, Any], verdict: bool) -> None:
    assert denied_by_ztunnel(rule, Call("cluster.local/ns/oracle/sa/web", 8080, method="GET")) is verdict


def test_ztunnel_allows_nobody_for_a_trust_domain() -> None:
    rule = {"from": [{"source": {"trustDomains": ["cluster.local"]}}]}
    policy = Policy("oracle", "policy", "ALLOW", {"app": "cart"}, (), (rule,))
    assert not decide([policy], Call("cluster.local/ns/oracle/sa/web", 8080), Proxy.ZTUNNEL).allowed


def test_ztunnel_may_deny_by_a_port_that_is_not_known_yet() -> None:
    rule = {"to": [{"operation": {"methods": ["GET"], "ports": ["8080"]}}]}
    reading = read(rule, frozenset({PORT}), Proxy.ZTUNNEL)
    assert (reading.surely, reading.on) == (None, {PORT})
    assert reading.maybe is not None
    assert matches(reading.maybe, Call(), Proxy.ZTUNNEL, "DENY", "oracle")
