# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated cases of the oracle: the same ones for a seed, of every form, and none that istiod refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.deciding import Decision
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import Proxy, says_http
from oracle import generate, l4, objects, vocabulary
from oracle import rules as rule_tables
from oracle.cases import Group, Plan, Request
from oracle.running import Verdict, call_of, let_through

CALLER = vocabulary.IDENTITIES[0]
ALLOWED = Decision(True, Proxy.WAYPOINT, "")


def specs(plan: Plan) -> list[dict[str, Any]]:
    return [policy["spec"] for group in plan.groups for policy in group.policies]


def rules(plan: Plan) -> Iterator[dict[str, Any]]:
    for spec in [*specs(plan), *(policy["spec"] for policy in plan.shared)]:
        yield from spec.get("rules", ())


def test_a_seed_gives_the_same_cases_each_time() -> None:
    assert generate.plan(60, 7) == generate.plan(60, 7)
    assert generate.plan(60, 7) != generate.plan(60, 8)


@pytest.mark.parametrize("cases", [1, 10, 61, 300])
def test_as_many_cases_as_asked_for(cases: int) -> None:
    plan = generate.plan(cases, 1)
    assert len(plan.requests) == cases
    assert len(plan.groups) == -(-cases // generate.PER_SERVICE)


def test_every_form_is_among_300_cases() -> None:
    plan = generate.plan(300, 7)
    sources = [each["source"] for rule in rules(plan) for each in rule.get("from", ())]
    operations = [each["operation"] for rule in rules(plan) for each in rule.get("to", ())]
    conditions = {each["key"] for rule in rules(plan) for each in rule.get("when", ())}
    for tables, found in ((rule_tables.SOURCES, sources), (rule_tables.operations("s"), operations)):
        said = {key for each in found for key in each}
        assert all(said & {key, rule_tables.negated(key)} for key in tables)
        assert said & set(tables) and said - set(tables)
    assert conditions >= {*rule_tables.CONDITIONS, *vocabulary.CLAIMS}
    assert {spec["action"] for spec in specs(plan)} == {"ALLOW", "DENY", "AUDIT"}
    assert any("rules" not in spec for spec in specs(plan)) and {} in list(rules(plan))
    assert {group.waypoint for group in plan.groups} == {generate.OPEN, generate.GATED}
    requests = [request for group in plan.groups for request in group.requests]
    assert {request.identity for request in requests} == set(vocabulary.IDENTITIES)
    assert {request.token for request in requests} == set(vocabulary.TOKENS)


def test_no_source_has_accounts_beside_what_istiod_forbids_there() -> None:
    for rule in rules(generate.plan(2000, 1)):
        for source in (each["source"] for each in rule.get("from", ())):
            plain = {key.removeprefix("not").lower() for key in source}
            assert source and not ("serviceaccounts" in plain and plain & {"principals", "namespaces"}), source


def test_the_canaries_are_applied_last_of_their_kind() -> None:
    found = objects.policies(generate.plan(60, 7), "{}", "run-1")
    for kind in ("Service", "RequestAuthentication", "AuthorizationPolicy"):
        names = [each["metadata"]["name"] for each in found if each["kind"] == kind]
        assert all("canary" in name for name in names[-2:]) and len(set(names)) == len(names)


def test_a_call_is_the_request_as_the_waypoint_sees_it() -> None:
    headers = (("X-Role", "a"), ("x-role", " b "), ("X-Forwarded-For", "10.0.0.9, 192.0.2.7"))
    request = Request(CALLER, 80, "GET", "/", "cart", headers, "alice")
    call = call_of(Group("cart", generate.OPEN, (), (), tokens=True), request, "10.244.0.9", "10.96.0.1")
    assert (call.remote_ip, call.source_ip, call.headers["x-role"]) == ("192.0.2.7", "10.244.0.9", ["a", "b"])
    assert call.claims["sub"] == "alice"
    without = call_of(Group("cart", generate.OPEN, (), ()), Request(CALLER, 80, "GET", "/", "c"), "10.244.0.9", "")
    assert (without.claims, without.remote_ip) == ({}, "10.244.0.9")


@pytest.mark.parametrize(
    ("status", "said", "method", "through"),
    [
        (200, "", "GET", True),
        (403, "RBAC: access denied", "GET", False),
        (403, "", "HEAD", False),
        (403, "the application says no", "GET", None),
        (401, "Jwt is expired", "GET", None),
        (0, "", "GET", None),
    ],
)
def test_only_an_answer_of_the_policies_counts(status: int, said: str, method: str, through: bool | None) -> None:
    request = Request(CALLER, 80, method, "/", "cart")
    assert let_through(request, {"status": status, "body": said}) is through


def test_we_agree_where_we_say_the_same() -> None:
    group, request = Group("cart", generate.OPEN, (), ()), Request(CALLER, 80, "GET", "/", "cart")
    verdicts = [Verdict("cart/0", group, request, through, "", "", ALLOWED) for through in (True, False, None)]
    assert [each.agrees for each in verdicts] == [True, False, False]


def test_rules_for_ztunnel_say_little_of_http_and_not_nothing_either() -> None:
    plan = l4.plan(300, 7)
    found = list(rules(plan))
    http = [rule for rule in found if says_http(rule)]
    assert len(plan.requests) == 300 and 0 < len(http) < len(found) / 2
    selectors = {spec["selector"]["matchLabels"]["app"] for spec in specs(plan)}
    assert selectors == {group.service for group in plan.groups} and not any(
        "targetRefs" in spec for spec in specs(plan)
    )
