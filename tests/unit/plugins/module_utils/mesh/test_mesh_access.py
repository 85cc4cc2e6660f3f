# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What entries under access come to: which policies at which proxy, with which ports, and what cannot be known."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.allows import is_allow, target_of
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import (
    Facts,
    NamespaceFacts,
    Port,
    Service,
)
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.names import is_dns_subdomain
from unit.plugins.module_utils.mesh.mesh_world import (
    EDGE,
    SHOP,
    calls_from,
    declared,
    items,
    policy,
    refused,
    seen,
    service,
    specs,
    workload,
)

OPEN = {**SHOP, "lock_down": False}
WEB, OPS, ANY = {"service_account": "web"}, {"namespace": "ops"}, {"any": True}
WEB_RULE = calls_from(principals=["cluster.local/ns/shop/sa/web"])
CART_SELECTOR = {"matchLabels": {"app": "cart"}}
CART_REF = {"targetRefs": [{"group": "", "kind": "Service", "name": "cart"}]}
GATEWAY_REF = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}]}
JWT = {"issuer": "https://id.example", "jwks_uri": "https://id.example/keys"}


def serves(name: str, *ports: Port, headless: bool = False, **selector: str) -> Service:
    return replace(service(name, **selector), ports=ports, headless=headless)


HTTP = serves("cart", Port(80, "http"), Port(81, 9000))
CART_POD = replace(workload("cart", "batch"), ports={"http": 8080})
FACTS = seen([HTTP, serves("web", Port(80, 8080))], [CART_POD, workload("web", "web")])


def entry(*callers: dict[str, Any], to: Any = None, **more: Any) -> dict[str, Any]:
    target = {} if to == "" else {"to": to or {"service": "cart"}}
    return {**target, "from": list(callers) or [WEB], **more}


def compiled(*access: dict[str, Any], facts: Facts | None = FACTS, waypoint: Any = None, **shop: Any) -> list[Item]:
    where = {"state": "l7"} if waypoint else {"state": "l4"}
    return items(declared({**where, **shop, "access": list(access)}, waypoints=[waypoint] if waypoint else []), facts)


def allows(*access: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The specs of what entries come to, by name."""
    return specs(compiled(*access, **more), "ambient-allow-")


def rules(*access: dict[str, Any], name: str = "service-cart", **more: Any) -> list[Any]:
    found: list[Any] = allows(*access, **more)[f"ambient-allow-{name}"].get("rules", [])
    return found


def test_without_a_waypoint_it_is_one_policy_at_the_pods_that_opens_early() -> None:
    (item,) = (item for item in compiled(entry(WEB, OPS)) if not item.patch)
    assert (item.wave, item.identity.name, item.role) == (40, "ambient-allow-service-cart", "namespaces")
    sources = [*WEB_RULE["from"], {"source": {"namespaces": ["ops"]}}]
    assert item.object["spec"] == {"action": "ALLOW", "selector": CART_SELECTOR, "rules": [{"from": sources}]}
    assert item.object["metadata"]["labels"] == {
        "ambient.alauda.io/intent": "service-cart",
        "ambient.alauda.io/mesh": "default",
    }


def test_behind_a_waypoint_all_is_told_there_and_the_callers_at_the_pods() -> None:
    said = entry(WEB, ports=[80], methods=["PUT", "GET"], paths=["/a/*"], hosts=["shop.example"])
    assert allows(said, waypoint=SHOP) == {
        "ambient-allow-service-cart": {
            "action": "ALLOW",
            "selector": CART_SELECTOR,
            "rules": [{**WEB_RULE, "to": [{"operation": {"ports": ["8080"]}}]}],
        },
        "ambient-allow-service-cart.waypoint": {
            "action": "ALLOW",
            **CART_REF,
            "rules": [
                {
                    **WEB_RULE,
                    "to": [
                        {
                            "operation": {
                                "ports": ["80"],
                                "methods": ["GET", "PUT"],
                                "paths": ["/a/*"],
                                "hosts": ["shop.example"],
                            }
                        }
                    ],
                }
            ],
        },
    }


def test_where_the_pods_are_not_locked_down_http_rules_open_nothing_past_the_waypoint() -> None:
    http, plain = entry(WEB, methods=["GET"]), entry(OPS)
    assert rules(http, plain, waypoint=OPEN) == [calls_from(namespaces=["ops"])]
    assert rules(http, waypoint=OPEN) == [], "nobody comes past the waypoint"
    assert len(rules(http, plain, name="service-cart.waypoint", waypoint=OPEN)) == 2


def test_ports_that_are_called_past_the_waypoint_are_not_opened_by_http_rules() -> None:
    direct: dict[str, Any] = {"exceptions": [{"allow": "direct", "ports": [9000]}]}
    (rule,) = rules(entry(WEB, methods=["GET"]), waypoint=SHOP, **direct)
    assert rule == {**WEB_RULE, "to": [{"operation": {"notPorts": ["9000"]}}]}
    (rule,) = rules(entry(WEB, methods=["GET"], ports=[80, 81]), waypoint=SHOP, **direct)
    assert rule == {**WEB_RULE, "to": [{"operation": {"ports": ["8080"]}}]}
    assert rules(entry(WEB, methods=["GET"], ports=[81]), waypoint=SHOP, **direct) == []
    assert rules(entry(WEB), waypoint=SHOP, **direct) == [WEB_RULE]


def test_waypoints_are_let_in_beside_our_own_allows() -> None:
    def admits(**more: Any) -> list[Any]:
        return list(specs(compiled(entry(), **more), "ambient-admit-").values())

    assert [each["selector"] for each in admits(waypoint=SHOP)] == [CART_SELECTOR]
    assert admits() == [], "nothing comes from a waypoint"
    theirs = seen([HTTP], [CART_POD], [policy("theirs", app="cart")])
    assert len(admits(waypoint=SHOP, facts=theirs)) == 1, "once beside theirs and ours"


def test_tokens_are_asked_for_at_the_waypoint() -> None:
    jwt = {**JWT, "audiences": ["shop"], "claims": {"groups": ["b", "a"]}}
    found = [item for item in compiled(entry(WEB, jwt=jwt), waypoint=SHOP) if "allow" in item.identity.name]
    (tokens,) = (item for item in found if item.identity.kind == "RequestAuthentication")
    (rule,) = rules(entry(WEB, jwt=jwt), name="service-cart.waypoint", waypoint=SHOP)

    keys = {"issuer": JWT["issuer"], "jwksUri": JWT["jwks_uri"], "forwardOriginalToken": True}
    assert tokens.object["spec"] == {**CART_REF, "jwtRules": [{**keys, "audiences": ["shop"]}]}
    assert tokens.wave == 39, "before the rule that asks for a token"
    (source,) = rule["from"]
    assert source["source"]["requestPrincipals"] == ["https://id.example/*"]
    assert rule["when"] == [
        {"key": "request.auth.audiences", "values": ["shop"]},
        {"key": "request.auth.claims[groups]", "values": ["a", "b"]},
    ]


def test_anybody_with_a_token_is_a_rule_and_keys_may_be_text() -> None:
    jwks = '{"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}]}'
    said = entry(ANY, jwt={"issuer": "a", "jwks": jwks})
    assert rules(said, name="service-cart.waypoint", waypoint=SHOP) == [calls_from(requestPrincipals=["a/*"])]
    (tokens,) = (item for item in compiled(said, waypoint=SHOP) if item.identity.kind == "RequestAuthentication")
    assert tokens.object["spec"]["jwtRules"] == [{"issuer": "a", "forwardOriginalToken": True, "jwks": jwks}]


def test_an_issuer_takes_the_audiences_of_all_entries_or_any() -> None:
    def audiences(*all_of_them: Any) -> Any:
        said = [entry(WEB, jwt={**JWT, **({"audiences": each} if each else {})}) for each in all_of_them]
        found = compiled(*said, waypoint=SHOP)
        (tokens,) = (item for item in found if item.identity.kind == "RequestAuthentication")
        return tokens.object["spec"]["jwtRules"][0].get("audiences")

    assert audiences(["b"], ["a"]) == ["a", "b"]
    assert audiences(["b"], None) is None


def test_a_whole_namespace_is_closed_at_its_gateway_and_at_all_its_pods() -> None:
    assert allows(entry(OPS, to=""), waypoint=SHOP) == {
        "ambient-allow-namespace": {"action": "ALLOW", "rules": [calls_from(namespaces=["ops"])]},
        "ambient-allow-namespace.gateway-waypoint": {
            "action": "ALLOW",
            **GATEWAY_REF,
            "rules": [calls_from(namespaces=["ops"])],
        },
    }


def test_ports_of_a_whole_namespace_are_told_for_each_service() -> None:
    found = allows(entry(OPS, to="", ports=[8080]), waypoint=SHOP)
    operations = {name: [rule["to"] for rule in spec.get("rules", [])] for name, spec in found.items()}
    assert operations == {
        "ambient-allow-namespace": [[{"operation": {"ports": ["8080"]}}]],
        "ambient-allow-namespace.gateway-waypoint": [],
        "ambient-allow-namespace.service-cart": [[{"operation": {"ports": ["80"]}}]],
        "ambient-allow-namespace.service-web": [[{"operation": {"ports": ["80"]}}]],
    }


def test_at_a_waypoint_of_many_namespaces_each_service_is_closed() -> None:
    value = declared({"state": "l7", "waypoint": "edge/edge", "access": [entry(OPS, to="")]}, waypoints=[EDGE])
    assert sorted(specs(items(value, FACTS), "ambient-allow-namespace.")) == [
        "ambient-allow-namespace.service-cart",
        "ambient-allow-namespace.service-web",
    ]
    assert "which Services edge/edge stands before is not known without a cluster" in refused(value)


def test_a_service_account_is_its_workloads_and_its_services() -> None:
    found = allows(entry(WEB, to={"service_account": "batch"}, ports=[8080]), waypoint=SHOP)
    (at_pods,) = (spec for name, spec in found.items() if "service-cart" not in name)
    assert at_pods["selector"] == CART_SELECTOR
    assert at_pods["rules"] == [{**WEB_RULE, "to": [{"operation": {"ports": ["8080"]}}]}]
    at_waypoint = found["ambient-allow-account-batch.service-cart"]
    assert at_waypoint["rules"] == [{**WEB_RULE, "to": [{"operation": {"ports": ["80"]}}]}]


def test_a_service_as_caller_is_the_accounts_of_its_pods() -> None:
    far = NamespaceFacts((service("grafana"),), (workload("grafana", "a"), workload("two", "b", app="grafana")))
    facts = Facts({**FACTS.namespaces, "ops": far})
    (rule,) = rules(entry({"service": "ops/grafana"}), facts=facts)
    assert rule == calls_from(principals=["cluster.local/ns/ops/sa/a", "cluster.local/ns/ops/sa/b"])


def test_without_a_cluster_ports_are_taken_to_be_the_same() -> None:
    said = entry(WEB, to={"service": "cart", "selector": {"app": "cart"}}, ports=[80])
    for name in ("service-cart", "service-cart.waypoint"):
        assert rules(said, name=name, facts=None, waypoint=SHOP) == [
            {**WEB_RULE, "to": [{"operation": {"ports": ["80"]}}]}
        ]


def test_long_names_have_labels_that_kubernetes_takes() -> None:
    names = ["a" * 62 + end for end in "xy"]
    values = {
        item.object["metadata"]["labels"]["ambient.alauda.io/intent"]
        for name in names
        for item in compiled(entry(WEB, to={"service": name, "selector": {"app": name}}), facts=None)
        if not item.patch
    }
    assert len(values) == 2 and {len(value) for value in values} == {63}


DOTTED = (f"web.{'v1' * 73}", "web.v1", "web.v1.service-cart")  # the first as long as one may be


def test_service_accounts_with_dots_are_told_apart_by_names_and_labels_that_kubernetes_takes() -> None:
    facts = seen(
        [serves(f"cart-{number}", Port(80, 8080)) for number in range(3)],
        [workload(f"cart-{number}", name) for number, name in enumerate(DOTTED)],
    )
    said = [entry({"service_account": "pay/web.v2"}, to={"service_account": name}) for name in DOTTED]
    found = [item for item in compiled(*said, facts=facts, waypoint=SHOP) if is_allow(item)]
    assert {target_of(item).name for item in found} == set(DOTTED)
    assert len({item.identity.name for item in found}) == len(found) == 2 * len(DOTTED)
    assert all(is_dns_subdomain(item.identity.name) for item in found)
    values = {item.object["metadata"]["labels"]["ambient.alauda.io/intent"] for item in found}
    assert len(values) == len(DOTTED)
    assert all(re.fullmatch("[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])", value) for value in values)
    principal = "cluster.local/ns/pay/sa/web.v2"
    assert principal in str(found[0].object["spec"])


@pytest.mark.parametrize("service", ["cart", "c" * 63])
def test_names_of_policies_lead_back_to_their_target(service: str) -> None:
    facts = seen([serves(service, Port(80, 8080))], [workload(service, "web.v1")])
    said = [entry(to={"service": service}), entry(to={"service_account": "web.v1"}), entry(to="")]
    found = [item for item in compiled(*said, facts=facts, waypoint=SHOP) if is_allow(item)]
    slugs = [f"service-{service}"] * 2 + ["account-web.v1"] * 2 + ["namespace"] * 2
    assert sorted(target_of(item).slug for item in found) == sorted(slugs)


PLACE = "ambient_mesh.namespaces[0].access[0]"


@pytest.mark.parametrize(
    ("said", "facts", "says"),
    [
        (entry(), None, f"{PLACE}.to.selector: which pods to close is not known without a cluster. Write"),
        (
            entry(to={"service_account": "batch"}),
            None,
            f"{PLACE}.to.service_account: what runs as a service account only a cluster knows. Give",
        ),
        (
            entry({"service": "web"}, to=""),
            None,
            f"{PLACE}.from[0].service: as which service accounts the pods of Service shop/web call is not known",
        ),
        (
            entry(to={"service": "card"}),
            FACTS,
            f"{PLACE}.to.service: there is no Service shop/card with pods. Did",
        ),
        (entry(), seen([]), f"{PLACE}.to.service: there is no Service shop/cart with pods. Create it first"),
        (entry(), seen([Service("cart", {})]), f"{PLACE}.to: the Service has no selector: which pods to close"),
        (
            entry(to={"service": "cart", "selector": {"app": "other"}}),
            FACTS,
            f"{PLACE}.to.selector: the Service has another selector: app=cart. Correct it",
        ),
        (entry(ports=[8080]), FACTS, f"{PLACE}.ports: Service shop/cart has no port 8080. Did you mean 80?"),
        (
            entry(ports=[80]),
            seen([HTTP], [workload("cart")]),
            f"{PLACE}.ports: no pod of Service shop/cart says the number of the named port behind 80. Name it",
        ),
        (
            entry(to={"service_account": "bach"}),
            FACTS,
            f"{PLACE}.to.service_account: nothing in shop runs as service account bach. Did you mean batch?",
        ),
        (
            entry(to={"service_account": "batch"}),
            seen([HTTP], [CART_POD, workload("two", "other", app="cart")]),
            f"{PLACE}.to.service_account: Service shop/cart leads to pods of several service accounts: batch, other",
        ),
        (
            entry(to={"service_account": "batch"}),
            seen([], [replace(workload("job", "batch", "Pod"), labels={}, selector={})]),
            f"{PLACE}.to.service_account: pods of Pod shop/job have no labels to close them by. Give them a label",
        ),
        (entry({"service": "wep"}), FACTS, f"{PLACE}.from[0].service: there is no Service shop/wep with pods. Did you"),
        (
            entry({"service": "cart"}),
            seen([HTTP]),
            f"{PLACE}.from[0].service: nothing runs behind Service shop/cart: as whom it calls is not known. Deploy",
        ),
    ],
)
def test_what_cannot_be_known_is_one_error_with_its_place(said: Any, facts: Facts | None, says: str) -> None:
    told = refused(declared({"state": "l4", "access": [said]}, waypoints=[]), facts)
    assert told.startswith(says), told
    assert "\n" not in told


def test_a_second_service_behind_the_waypoint_would_be_a_side_door() -> None:
    all_of_it = serves("all", Port(80, 8080), app="cart")

    def value(*access: Any, **shop: Any) -> dict[str, Any]:
        return declared({"state": "l7", "access": list(access), **shop}, waypoints=[SHOP])

    facts = seen([HTTP, all_of_it], [CART_POD])
    says = f"{PLACE}.to: Service shop/all leads to the same pods, and everybody may call it. Say who may call it"
    assert refused(value(entry()), facts).startswith(says)
    assert items(value(entry(), default_deny=True), facts)
    assert items(value(entry(), entry(to={"service": "all"})), facts)
    assert items(value(entry(), entry(to="")), facts)
    assert items(value(entry()), seen([HTTP, replace(all_of_it, headless=True)], [CART_POD]))


def test_a_headless_service_is_called_past_its_waypoint() -> None:
    facts = seen([serves("cart", Port(80, 8080), headless=True)], [CART_POD])

    def value(waypoint: Any, exceptions: Any = (), **more: Any) -> dict[str, Any]:
        shop = {"state": "l7", "access": [entry(**more)], "exceptions": list(exceptions)}
        return declared(shop, waypoints=[waypoint])

    says = "Service shop/cart is headless, so its callers go past waypoint shop/waypoint"
    assert refused(value(OPEN, methods=["GET"]), facts).startswith(f"{PLACE}.methods: {says}. Take it out")
    locked = refused(value(SHOP), facts)
    assert locked.startswith(f"{PLACE}.to: {says}, and the lock-down refuses them. Name its ports")
    assert items(value(SHOP, [{"allow": "direct", "ports": [8080]}]), facts)
    assert items(value(OPEN), facts)


def test_callers_of_a_service_are_not_let_in_at_the_ports_of_another_one_with_the_same_pods() -> None:
    admin, again = serves("admin", Port(90, 9000), app="cart"), serves("again", Port(1, 8080), app="cart")
    http = serves("cart", Port(80, "http"))

    def rule(service: str, *services: Service) -> Any:
        value = declared({"state": "l4", "access": [entry(to={"service": service})]}, waypoints=[])
        (spec,) = specs(items(value, seen(list(services), [CART_POD])), "ambient-allow").values()
        return spec["rules"]

    assert rule("cart", http, admin) == [{**WEB_RULE, "to": [{"operation": {"ports": ["8080"]}}]}]
    assert rule("admin", http, admin) == [{**WEB_RULE, "to": [{"operation": {"ports": ["9000"]}}]}]
    assert rule("cart", http, again) == rule("cart", http) == [WEB_RULE]


def test_http_keys_of_an_account_without_a_service_behind_a_waypoint_are_refused() -> None:
    batch = workload("job", "batch")
    value = declared(
        {"state": "l7", "access": [entry(to={"service_account": "batch"}, methods=["GET"])]}, waypoints=[SHOP]
    )
    says = f"{PLACE}.methods: needs a waypoint. Bind it under services, or say state: l7"
    assert refused(value, seen([], [batch])) == says


@pytest.mark.parametrize("to", ["", {"service_account": "batch"}])
@pytest.mark.parametrize("how", ["none", "headless"])
def test_http_keys_are_refused_where_a_service_of_the_target_passes_the_waypoint(to: Any, how: str) -> None:
    other = serves("peers", Port(7000, 7000), app="cart", headless=how == "headless")
    facts = seen([HTTP, other], [CART_POD])
    services = [] if how == "headless" else [{"name": "peers", "waypoint": "none"}]

    def value(**more: Any) -> dict[str, Any]:
        access = [entry(to=to, methods=["GET"], **more)]
        return declared({"state": "l7", "services": services, "access": access}, waypoints=[OPEN])

    says = "calls to Service shop/peers pass no waypoint, which alone could tell, and would be refused. Bind it under"
    told = refused(value(paths=["/"]), facts)
    assert told.startswith(f"{PLACE}.methods: {says}") and "\n" not in told
    assert items(value(ports=[8080]), facts), "the entry is not about its port"


def test_http_keys_of_a_namespace_name_all_services_that_are_not_bound() -> None:
    services = [{"name": "cart", "waypoint": "waypoint"}]
    value = declared({"services": services, "access": [entry(to="", methods=["GET"])]}, waypoints=[OPEN])
    facts = seen([HTTP, *(serves(name, Port(80, 80)) for name in ("web", "db"))], [CART_POD])
    assert refused(value, facts).startswith(f"{PLACE}.methods: calls to Services shop/db, shop/web pass no waypoint")
    assert items(value, seen([HTTP, Service("outside", {})], [CART_POD]))


def test_http_keys_are_refused_without_a_cluster_where_a_declared_service_opts_out() -> None:
    services = [{"name": "db", "waypoint": "none", "selector": {"app": "db"}}]
    value = declared({"state": "l7", "services": services, "access": [entry(to="", methods=["GET"])]}, waypoints=[OPEN])
    assert refused(value).startswith(f"{PLACE}.methods: calls to Service shop/db pass no waypoint")
