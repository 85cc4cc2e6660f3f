# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`can` on small worlds: each rule of the way that a call takes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.explaining import explain
from ansible_collections.alauda.ambient.plugins.module_utils.authz.ruling import Verdict
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from unit.plugins.module_utils.authz.small_world import (
    app,
    ask,
    bound,
    deployment,
    may,
    namespace,
    peer,
    policy,
    service,
    shop,
    waypoint,
)

ALLOWED, DENIED, DEPENDS, OPEN = Verdict.ALLOWED, Verdict.DENIED, Verdict.DEPENDS, Verdict.NOT_ENFORCED
GET = {"method": "GET", "path": "/p"}
ONLY_WEB = policy("only-web", may("shop/web"), on="app=cart")
AT_WAYPOINT = policy("l7", may("shop/web", methods=["GET"]), on="Service/cart")


def test_without_policies_everybody_may() -> None:
    answer = ask(shop())
    assert (answer.verdict, answer.total.where) == (ALLOWED, "ztunnel of Deployment shop/cart")
    assert answer.total.reason == "no policy says who may call, so everybody may"


def test_a_denial_that_is_not_heard_is_named_where_everybody_may() -> None:
    free, no = "no policy says who may call, so everybody may", "AuthorizationPolicy shop/no would deny"

    def reason(world: Any, **request: Any) -> str:
        answer = ask(world, **request)
        assert answer.verdict is ALLOWED
        return answer.total.reason

    path = policy("no", may(ports=["9"]), may(paths=["/admin"]), action="DENY", on="app=cart")
    unread = "but ztunnel does not understand paths"
    assert reason(shop(path)) == f"{free}; {no} some of it, rule 2, {unread}"
    assert reason(shop(path), path="/admin") == f"{free}; {no} it, rule 2, {unread}"
    assert reason(shop(path), path="/") == free

    client = policy("no", may("shop/web"), action="DENY", on="app=cart")
    assert reason(bound(client)) == f"{free}; {no} it, rule 1, but the pods see the waypoint instead of the client"
    assert reason(bound(policy("no", may("shop/job"), action="DENY", on="app=cart"))) == free
    lock = {"from": [{"source": {"notPrincipals": ["cluster.local/ns/shop/sa/waypoint"]}}]}
    assert reason(bound(policy("only", lock, action="DENY", on="app=cart"))) == free


def test_ztunnel_decides_with_the_callers_identity_and_the_rule_is_named() -> None:
    world = shop(policy("two", may("shop/other"), may("shop/web"), on="app=cart"))
    answer = ask(world)
    assert (answer.verdict, answer.total.by, answer.total.rule) == (ALLOWED, "AuthorizationPolicy shop/two", 2)
    assert answer.total.text == "from serviceAccounts shop/web"
    refused = ask(world, "out/job")
    assert (refused.verdict, refused.total.by, refused.total.rule) == (DENIED, "AuthorizationPolicy shop/two", 0)
    assert "no rule of AuthorizationPolicy shop/two allows it" in refused.total.reason


def test_ztunnel_sees_the_pods_port_and_the_waypoint_the_services() -> None:
    at_pods = may(ports=["8080"])
    assert ask(shop(policy("p", at_pods, on="app=cart"))).verdict is ALLOWED
    assert ask(shop(policy("p", may(ports=["80"]), on="app=cart"))).verdict is DENIED
    at_service = policy("w", may(ports=["80"]), on="Service/cart")
    assert ask(bound(at_service, policy("p", at_pods, on="app=cart"))).verdict is ALLOWED
    assert ask(bound(policy("w", at_pods, on="Service/cart"))).verdict is DENIED


def test_behind_a_waypoint_pods_do_not_see_the_callers_address() -> None:
    block = policy("net", {"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}, action="DENY", on="app=cart")
    assert ask(shop(block), source_ip="10.0.0.7").verdict is DENIED
    answer = ask(bound(block), source_ip="10.0.0.7")
    assert (answer.verdict, answer.total.on) == (DEPENDS, {"the caller's address"})


def test_what_is_not_tcp_goes_past_ztunnel() -> None:
    dns = service("cart", ports=[{"port": 53, "protocol": "UDP"}], selector={"app": "cart"})
    answer = ask(shop([*app("cart")[1:], dns], policy("nobody", on="app=cart")))
    assert (answer.verdict, answer.total.would) == (OPEN, DENIED)
    assert answer.total.reason == "the Service has no port of TCP, and ztunnel carries nothing else"


def test_a_named_port_is_the_pods() -> None:
    named = app("cart", target="web")
    assert ask(shop(named, policy("p", may(ports=["8080"]), on="app=cart"))).verdict is ALLOWED
    lost = ask(shop(app("cart", target="nobody"), policy("p", may(ports=["8080"]), on="app=cart")))
    assert (lost.verdict, lost.total.on) == (DEPENDS, {"the port"})


def test_an_outsider_has_no_identity() -> None:
    world = shop(policy("jobs", may("out/job"), on="app=cart"))
    answer = ask(world, "out/job")
    assert (answer.verdict, answer.total.by) == (DENIED, "AuthorizationPolicy shop/jobs")


class TestPlainText:
    """PeerAuthentication, where the caller is outside the mesh."""

    @pytest.mark.parametrize(
        ("peers", "verdict"),
        [
            ([], ALLOWED),
            ([peer("a", "STRICT")], DENIED),
            ([peer("a", "DISABLE")], ALLOWED),
            ([peer("a", "STRICT", "istio-system")], DENIED),
            ([peer("a", "STRICT", "istio-system"), peer("b", "PERMISSIVE")], ALLOWED),
            ([peer("a", "STRICT", "istio-system"), peer("b", "")], DENIED),
            ([peer("a", "STRICT", "istio-system"), peer("b", "UNSET", on="app=cart")], DENIED),
            ([peer("a", "STRICT"), peer("b", "PERMISSIVE", on="app=cart")], ALLOWED),
            ([peer("a", "STRICT"), peer("b", "PERMISSIVE", on="app=web")], DENIED),
            ([peer("a", "STRICT", "istio-system", on="app=cart")], ALLOWED),
            ([peer("a", "", on="app=cart", portLevelMtls={"8080": {"mode": "STRICT"}})], DENIED),
            ([peer("a", "", on="app=cart", portLevelMtls={"80": {"mode": "STRICT"}})], ALLOWED),
            ([peer("a", "STRICT", on="app=cart", portLevelMtls={8080: {"mode": "PERMISSIVE"}})], ALLOWED),
            ([peer("a", "STRICT", on="app=cart", portLevelMtls={8080: {"mode": "UNSET"}})], DENIED),
            ([peer("a", "STRICT", portLevelMtls={8080: {"mode": "PERMISSIVE"}})], DENIED),
            ([peer("a", "STRICT", age="2026-01-02"), peer("b", "PERMISSIVE", age="2026-01-01")], ALLOWED),
            ([peer("a", "PERMISSIVE", age="2026-01-02"), peer("b", "STRICT", age="2026-01-01")], DENIED),
        ],
    )
    def test_what_holds(self, peers: list[Any], verdict: Verdict) -> None:
        world = shop(*peers)
        assert ask(world, "out/job").verdict is verdict
        assert ask(world, "shop/web").verdict is ALLOWED

    def test_who_refuses_is_named(self) -> None:
        answer = ask(shop(peer("a", "STRICT")), "out/job")
        assert answer.total.by == "PeerAuthentication shop/a"
        assert "plain text" in answer.total.reason

    def test_where_the_port_is_not_known_it_depends(self) -> None:
        ports = peer("a", "", on="app=cart", portLevelMtls={8080: {"mode": "STRICT"}})
        answer = ask(shop(app("cart", target="nobody"), ports), "out/job")
        assert (answer.verdict, answer.total.on) == (DEPENDS, {"the port"})


def test_pods_outside_the_mesh_are_not_guarded() -> None:
    answer = ask(shop(ONLY_WEB, enrolled=False), "out/job")
    assert (answer.verdict, answer.total.would) == (OPEN, DENIED)
    assert answer.total.reason == "Deployment shop/cart is not in the mesh: ztunnel does not guard its pods"


def test_pods_on_the_hosts_network_are_not_guarded() -> None:
    assert ask(shop(app("cart", hostNetwork=True), ONLY_WEB), "out/job").verdict is OPEN


def test_a_sidecar_is_not_looked_into() -> None:
    sidecar = deployment("cart", labels={"app": "cart", "sidecar.istio.io/inject": "true"}, account="cart")
    answer = ask(shop(sidecar, ONLY_WEB), "out/job")
    assert answer.verdict is OPEN
    assert "sidecar" in answer.total.reason


def test_workloads_behind_one_service_may_differ() -> None:
    second = deployment("cart-2", labels={"app": "cart", "version": "2"}, account="cart")
    answer = ask(shop(second, policy("no", may(), on="version=2", action="DENY")))
    assert (answer.verdict, answer.total.on) == (DEPENDS, {"which pod answers"})
    assert "Deployment shop/cart: allowed" in answer.total.reason
    assert "Deployment shop/cart-2: denied" in answer.total.reason


class TestThroughTheWaypoint:
    """Where the waypoint is in the way."""

    def test_the_waypoint_decides_with_the_callers_identity(self) -> None:
        answer = ask(bound(AT_WAYPOINT), **GET)
        assert (answer.verdict, answer.total.by, answer.total.rule) == (ALLOWED, "AuthorizationPolicy shop/l7", 1)
        assert answer.total.where == "waypoint shop/waypoint"
        assert answer.total.text == "from serviceAccounts shop/web; to methods GET"
        assert ask(bound(AT_WAYPOINT), method="POST", path="/p").verdict is DENIED

    def test_the_pods_see_the_waypoint(self) -> None:
        admits = policy("admits", may("shop/waypoint"), on="app=cart")
        assert ask(bound(AT_WAYPOINT, admits), **GET).verdict is ALLOWED
        answer = ask(bound(AT_WAYPOINT, ONLY_WEB), **GET)
        assert (answer.verdict, answer.total.by) == (DENIED, "AuthorizationPolicy shop/only-web")
        assert answer.total.where == "ztunnel of Deployment shop/cart"

    def test_any_request_depends_on_what_the_rules_ask_for(self) -> None:
        answer = ask(bound(AT_WAYPOINT))
        assert (answer.verdict, answer.total.on) == (DEPENDS, {"the method"})
        assert ask(bound(AT_WAYPOINT), "shop/cart").verdict is DENIED
        allows_all = policy("l4", may("shop/web"), on="Service/cart")
        assert ask(bound(AT_WAYPOINT, allows_all)).verdict is ALLOWED

    def test_a_denial_of_some_requests_leaves_the_rest(self) -> None:
        denies = policy("no", may(methods=["POST"]), on="Service/cart", action="DENY")
        assert ask(bound(denies)).total.on == {"the method"}
        assert ask(bound(denies), method="GET").verdict is ALLOWED
        assert ask(bound(denies), method="POST").verdict is DENIED

    @pytest.mark.parametrize(
        ("condition", "word", "request_"),
        [
            ("request.headers[x-team]", "the headers", {"headers": {"X-Team": "a"}}),
            ("request.auth.claims[group]", "the token", {"claims": {"iss": "i", "sub": "s", "group": "a"}}),
            ("remote.ip", "the caller's address", {"source_ip": "10.0.0.7"}),
        ],
    )
    def test_a_condition_is_answered_when_it_is_known(self, condition: str, word: str, request_: Any) -> None:
        value = "10.0.0.0/8" if condition == "remote.ip" else "a"
        world = bound(policy("w", {"when": [{"key": condition, "values": [value]}]}, on="Service/cart"))
        assert ask(world).total.on == {word}
        assert ask(world, **request_).verdict is ALLOWED

    @pytest.mark.parametrize(
        ("on", "space", "verdict"),
        [
            ("Gateway/waypoint", "shop", DENIED),
            ("Gateway/other", "shop", ALLOWED),
            ("GatewayClass/istio-waypoint", "istio-system", DENIED),
            ("GatewayClass/istio-waypoint", "shop", ALLOWED),
            ("Service/cart", "istio-system", ALLOWED),
        ],
    )
    def test_what_a_policy_is_attached_to(self, on: str, space: str, verdict: Verdict) -> None:
        assert ask(bound(policy("no", may(), on=on, space=space, action="DENY"))).verdict is verdict

    def test_the_address_of_a_connection_is_known_to_ztunnel_alone(self) -> None:
        rule = {"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}
        assert ask(bound(policy("w", rule, on="Service/cart"))).verdict is DENIED
        world = shop(policy("p", rule, on="app=cart"))
        assert ask(world).total.on == {"the caller's address"}
        assert (ask(world, source_ip="10.0.0.7").verdict, ask(world, source_ip="9.9.9.9").verdict) == (ALLOWED, DENIED)

    def test_custom_asks_somebody(self) -> None:
        custom = policy("ask", may(paths=["/p"]), on="Service/cart", action="CUSTOM", provider={"name": "opa"})
        answer = ask(bound(custom), **GET)
        assert answer.verdict is DEPENDS
        assert answer.total.reason == "the ext-authz provider opa decides (AuthorizationPolicy shop/ask)"
        assert ask(bound(custom), method="GET", path="/q").verdict is ALLOWED
        deny = policy("no", may(), on="Service/cart", action="DENY")
        assert ask(bound(custom, deny), **GET).verdict is DENIED

    def test_outsiders_pass_it_by(self) -> None:
        answer = ask(bound(AT_WAYPOINT), "out/job", **GET)
        assert (answer.verdict, answer.total.would) == (OPEN, DENIED)
        assert "is outside the mesh and passes the waypoint shop/waypoint by" in answer.total.reason
        assert ask(bound(), "out/job").verdict is ALLOWED

    def test_sidecars_pass_it_by_with_their_identity(self) -> None:
        side = namespace("side", enrolled=False)
        side["metadata"]["labels"] = {"istio-injection": "enabled"}
        extra = [side, *app("old", "side")]
        assert ask(bound(AT_WAYPOINT, extra), "side/old", **GET).verdict is OPEN
        only = policy("only", may("side/old"), on="app=cart")
        assert ask(shop(only, extra), "side/old").verdict is ALLOWED

    def test_a_lock_down_refuses_who_passes_it_by(self) -> None:
        locked = policy("locked", may("shop/waypoint"), on="app=cart")
        answer = ask(bound(AT_WAYPOINT, locked), "out/job")
        assert (answer.verdict, answer.total.by) == (DENIED, "AuthorizationPolicy shop/locked")

    def test_gateways_pass_it_by_unless_the_service_asks_them_not_to(self) -> None:
        gateway = {**waypoint("edge", "out"), "spec": {"gatewayClassName": "istio"}}
        deny = policy("no", may(), on="Service/cart", action="DENY")
        account = {"kind": "ServiceAccount", "metadata": {"name": "edge-istio", "namespace": "out"}}
        assert ask(bound(deny, gateway, account), "out/edge-istio").verdict is OPEN
        ingress = service(
            "cart", labels={"istio.io/ingress-use-waypoint": "true"}, selector={"app": "cart"}, ports=[{"port": 80}]
        )
        assert ask(bound(deny, gateway, account, ingress), "out/edge-istio").verdict is DENIED

    def test_pods_outside_the_mesh_behind_it_are_not_guarded(self) -> None:
        inside = [namespace("in"), *app("caller", "in")]
        world = shop(waypoint(), AT_WAYPOINT, inside, labels={"use_waypoint": "waypoint"}, enrolled=False)
        answer = ask(world, "in/caller", **GET)
        assert (answer.verdict, answer.total.would) == (OPEN, DENIED)


class TestNotThroughTheWaypoint:
    """Where labels name a waypoint and calls do not pass it: its policies are never what denies."""

    @pytest.mark.parametrize(
        ("world", "why"),
        [
            (shop(AT_WAYPOINT, labels={"use_waypoint": "waypoint"}), "is not there"),
            (bound(AT_WAYPOINT, ready=False), "is not ready"),
            (bound(AT_WAYPOINT, serves="workload"), "stands for workload"),
            (shop(AT_WAYPOINT), "no label names a waypoint"),
            (shop(AT_WAYPOINT, waypoint(), labels={"use_waypoint": "none"}), "no label names a waypoint"),
        ],
        ids=["missing", "not-ready", "wrong-type", "no-label", "none"],
    )
    def test_it_is_not_enforced_and_why_is_said(self, world: Any, why: str) -> None:
        answer = ask(world, "shop/cart", **GET)
        assert (answer.verdict, answer.total.would) == (OPEN, DENIED)
        assert why in answer.total.reason
        assert ask(world, **GET).total.would is ALLOWED

    @pytest.mark.parametrize(
        ("allowed", "verdict"),
        [
            (None, OPEN),
            ({"from": "Same"}, OPEN),
            ({"from": "All"}, DENIED),
            ({"from": "Selector", "selector": {"matchLabels": {"istio.io/use-waypoint": "way"}}}, DENIED),
            ({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}, OPEN),
            ({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}, DENIED),
            ({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "pay"}}}, OPEN),
            (
                {
                    "from": "Selector",
                    "selector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]},
                },
                DENIED,
            ),
            ({"from": "Selector", "selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}, OPEN),
        ],
    )
    def test_a_waypoint_of_another_namespace_must_allow_it(self, allowed: Any, verdict: Verdict) -> None:
        labels = {"use_waypoint": "way", "use_waypoint_namespace": "infra"}
        world = shop(namespace("infra"), waypoint("way", "infra", allowed=allowed), AT_WAYPOINT, labels=labels)
        assert ask(world, "shop/cart").verdict is verdict

    def test_a_label_on_the_service_does_not_fall_back_to_the_namespaces(self) -> None:
        gone = service("cart", labels={"istio.io/use-waypoint": "gone"}, selector={"app": "cart"}, ports=[{"port": 80}])
        answer = ask(bound(AT_WAYPOINT, gone), "shop/cart")
        assert answer.verdict is OPEN
        assert "the waypoint shop/gone is not there" in answer.total.reason

    def test_the_pods_see_the_caller_then(self) -> None:
        answer = ask(bound(AT_WAYPOINT, policy("locked", may("shop/waypoint"), on="app=cart"), ready=False))
        assert (answer.verdict, answer.total.by) == (DENIED, "AuthorizationPolicy shop/locked")

    def test_a_headless_service_is_called_past_a_waypoint_for_services(self) -> None:
        headless = service("cart", selector={"app": "cart"}, ports=[{"port": 80}], clusterIP="None")
        answer = ask(bound(AT_WAYPOINT, headless), "shop/cart")
        assert answer.verdict is OPEN
        assert "headless" in answer.total.reason
        at_gateway = policy("gw", may("shop/web"), on="Gateway/waypoint")
        assert ask(bound(at_gateway, headless, serves="all"), "shop/cart").verdict is DENIED


class TestNotAccepted:
    """What istiod says of policies, which only a cluster can know."""

    def test_a_policy_that_the_waypoint_does_not_have_is_not_enforced(self) -> None:
        status = [("WaypointAccepted", "False", "AncestorNotBound")]
        refused = policy("l7", may("shop/web"), on="Service/cart", status=status)
        answer = ask(bound(refused), "shop/cart")
        assert (answer.verdict, answer.total.would) == (OPEN, DENIED)
        assert answer.total.reason == "AuthorizationPolicy shop/l7 is not accepted: AncestorNotBound"
        assert ask(bound(refused, live=False), "shop/cart").verdict is DENIED

    def test_what_is_accepted_with_reserve_is_enforced_as_ztunnel_reads_it(self) -> None:
        status = [("ZtunnelAccepted", "True", "UnsupportedValue")]
        half = policy("l7", may("shop/web", methods=["GET"]), on="app=cart", status=status)
        for live in (True, False):
            answer = ask(shop(half, live=live), **GET)
            assert answer.verdict is DENIED
            assert "(methods) is not understood by ztunnel" in answer.total.reason

    def test_it_does_not_matter_where_the_rest_says_the_same(self) -> None:
        refused = policy("l7", may("shop/web"), on="Service/cart", status=[("WaypointAccepted", "False", "Invalid")])
        denies = policy("no", may(), on="Service/cart", action="DENY")
        assert ask(bound(refused, denies)).verdict is DENIED

    def test_the_refusal_of_an_accepted_one_stands(self) -> None:
        refused = policy("l7", may("shop/web"), on="Service/cart", status=[("WaypointAccepted", "False", "Invalid")])
        other = policy("other", may("shop/other"), on="Service/cart")
        answer = ask(bound(refused, other))
        assert answer.verdict is DENIED
        assert "AuthorizationPolicy shop/l7 is not accepted (Invalid)" in answer.total.reason

    def test_custom_at_ztunnel_asks_nobody(self) -> None:
        custom = policy("ask", may(), on="app=cart", action="CUSTOM", provider={"name": "opa"})
        answer = ask(shop(custom))
        assert (answer.verdict, answer.total.would) == (OPEN, DEPENDS)
        assert "which ztunnel does not enforce" in answer.total.reason


def test_a_rule_that_asks_for_a_token_where_none_is_looked_at_is_noted() -> None:
    def tokens(kind: str, name: str, *rules: dict[str, Any]) -> dict[str, Any]:
        spec = {"targetRefs": [{"kind": kind, "name": name}], "jwtRules": list(rules)}
        metadata = {"name": "t", "namespace": "shop"}
        return {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": metadata,
            "spec": spec,
        }

    rule = {"from": [{"source": {"requestPrincipals": ["*"]}}]}
    signed = policy("signed", may("shop/web", methods=["PUT"]), rule, on="Service/cart")
    note = (
        "AuthorizationPolicy shop/signed asks for a token, and no RequestAuthentication is attached there: "
        "rule 2 never matches"
    )
    keys = {"issuer": "a", "jwks": "{}"}
    assert ask(bound(signed), **GET).notes == (note,)
    assert ask(bound(signed, tokens("Service", "web", keys)), **GET).notes == (note,)
    assert ask(bound(signed, tokens("Service", "cart")), **GET).notes == (note,), "it has no rules"
    assert ask(bound(signed, tokens("Service", "cart", keys)), **GET).notes == ()
    assert ask(bound(signed, tokens("Gateway", "waypoint", keys)), **GET).notes == ()
    assert ask(bound(policy("other", may("shop/web"), on="Service/cart")), **GET).notes == ()


def test_a_policy_in_dry_run_decides_nothing() -> None:
    tried = policy("no", may(), on="app=cart", action="DENY")
    tried["metadata"]["annotations"] = {"istio.io/dry-run": "true"}
    assert ask(shop(tried)).verdict is ALLOWED


@pytest.mark.parametrize(
    "refused", [("ZtunnelAccepted", "False", "UnsupportedValue"), ("WaypointAccepted", "False", "Invalid")]
)
@pytest.mark.parametrize("on", ["Service/cart", "app=cart"])
def test_a_dry_run_is_not_called_refused(refused: tuple[str, str, str], on: str) -> None:
    tried = policy("no", may(methods=["GET"]), on=on, action="DENY", status=[refused])
    tried["metadata"]["annotations"] = {"istio.io/dry-run": "true"}
    for world in (bound(tried), shop(tried)):
        answer = ask(world, **GET)
        assert (answer.verdict, answer.total.would) == (ALLOWED, None)
        assert answer.notes == ("AuthorizationPolicy shop/no is in dry run: it decides nothing",)
        explained = explain(world, "shop/cart")
        assert [each.what for each in explained.troubles] == [f"{answer.notes[0]}."]
        assert not [each.what for each in explain(world, "shop").troubles if "accepted" in each.what]
    assert "dry run" not in str(ask(bound(tried), to="shop/web").notes)
    assert ask(bound(tried), "out/job").verdict is ALLOWED


def test_a_dry_run_is_not_named_beside_one_that_is_refused() -> None:
    tried, refused = (
        policy(name, may("shop/web"), on="Service/cart", status=[("WaypointAccepted", "False", "Invalid")])
        for name in ("a-try", "real")
    )
    tried["metadata"]["annotations"] = {"istio.io/dry-run": "true"}
    answer = ask(bound(tried, refused), "shop/cart")
    assert answer.total.reason == "AuthorizationPolicy shop/real is not accepted: Invalid"


def test_manifests_are_answered_as_they_are_written() -> None:
    answer = ask(bound(AT_WAYPOINT, live=False, ready=False), **GET)
    assert answer.verdict is ALLOWED
    assert answer.data()["as_written"] is True
    assert answer.lines()[0] == "shop/web to Service shop/cart, GET /p: allowed (as written)"


def test_pods_that_nobody_has_written_down_are_taken_by_the_selector() -> None:
    lonely = service("lonely", selector={"app": "lonely"}, ports=[{"port": 80}])
    answer = ask(shop(lonely, policy("no", may(), on="app=lonely", action="DENY"), live=False), to="shop/lonely")
    assert answer.verdict is DENIED
    assert answer.notes == ("what makes the pods behind Service shop/lonely is not among the manifests",)


def test_a_service_without_a_selector_leads_to_the_unknown() -> None:
    blind = service("blind", ports=[{"port": 80}])
    assert ask(shop(blind), to="shop/blind").verdict is OPEN
    deny = policy("no", may(), on="Service/blind", action="DENY")
    assert ask(bound(blind, deny), to="shop/blind").verdict is DENIED


def test_ports_of_a_service_may_differ() -> None:
    ports = [{"port": 80, "targetPort": 8080}, {"port": 81, "targetPort": 8081}]
    two = service("cart", selector={"app": "cart"}, ports=ports)
    world = shop(two, policy("one", may(ports=["8080"]), on="app=cart"))
    answer = ask(world)
    assert (answer.verdict, answer.total.on) == (DEPENDS, {"the port"})
    assert (ask(world, port=80).verdict, ask(world, port=81).verdict) == (ALLOWED, DENIED)


def test_a_method_that_is_not_written_in_capitals_is_noted() -> None:
    note = "methods are written in capitals: a rule for GET does not match get"
    answer = ask(bound(AT_WAYPOINT), method="get")
    assert (answer.verdict, answer.notes) == (DENIED, (note,))
    assert ask(bound(AT_WAYPOINT), method="GET").notes == ask(bound(AT_WAYPOINT)).notes == ()


def test_pods_of_one_account_may_differ() -> None:
    outside = deployment("web-2", labels={"app": "web-2", "istio.io/dataplane-mode": "none"}, account="web")
    answer = ask(shop(outside, ONLY_WEB))
    assert (answer.verdict, answer.total.on) == (DEPENDS, {"which pod calls"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "shop/wep"}, "from: there is no service account shop/wep. Did you mean shop/web?"),
        ({"source": "web"}, "from: must be NAMESPACE/NAME, it is 'web'. Such as shop/cart"),
        ({"source": ""}, "from: must be NAMESPACE/NAME. Such as shop/cart"),
        ({"to": "shop/card"}, "to: there is no Service shop/card. Did you mean shop/cart?"),
        ({"to": "shop/a/b"}, "to: must be NAMESPACE/NAME, it is 'shop/a/b'. Such as shop/cart"),
        ({"to": "shop/cart:81"}, "port: Service shop/cart has no port 81. Known: 80"),
        ({"to": "shop/cart:web"}, "to: 'web' is no port. Write NAMESPACE/NAME or NAMESPACE/NAME:PORT"),
        ({"port": 81}, "port: Service shop/cart has no port 81. Known: 80"),
        ({"path": "p"}, "path: 'p' is no path. Begin it with /, and leave out control characters"),
        ({"source_ip": "10.0.0"}, "source_ip: '10.0.0' is no IP address. Such as 10.0.0.7"),
    ],
)
def test_a_bad_question_is_told_exactly(given: dict[str, Any], message: str) -> None:
    with pytest.raises(AmbientError) as caught:
        ask(shop(), **given)
    assert str(caught.value) == message


def test_an_account_that_only_a_policy_names_may_be_asked_for_in_manifests() -> None:
    world = {live: shop(policy("p", may("far/caller"), on="app=cart"), live=live) for live in (True, False)}
    assert ask(world[False], "far/caller").verdict is DENIED, "outside the mesh as written: no identity"
    with pytest.raises(AmbientError):
        ask(world[True], "far/caller")
    assert ask(shop(), "shop/default").verdict is ALLOWED
