# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said for people: of a namespace, a Service, pods, and of the matrix."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.asking import Request
from ansible_collections.alauda.ambient.plugins.module_utils.authz.explaining import Explanation, explain
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matrix import matrix
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from unit.plugins.module_utils.authz.small_world import (
    app,
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

AT_WAYPOINT = policy("l7", may("shop/web", methods=["GET"]), on="Service/cart")
LOCKED = policy("locked", may("shop/waypoint"), on="app=cart")
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "cart-5d8-1",
        "namespace": "shop",
        "labels": {"app": "cart", "pod-template-hash": "5d8"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "cart-5d8"}],
    },
    "spec": {"serviceAccountName": "cart"},
}


def wrong(explained: Explanation) -> dict[str, str]:
    return {each.what: each.next for each in explained.troubles}


@pytest.mark.parametrize(
    ("world", "state"),
    [
        (shop(enrolled=False), "off"),
        (shop(), "l4"),
        (shop(peer("p", "STRICT")), "l4-strict"),
        (shop(peer("p", "STRICT", "istio-system")), "l4-strict"),
        (bound(peer("p", "STRICT")), "l7"),
        (bound(ready=False), "l4"),
        (bound(peer("p", "STRICT"), serves="workload"), "l4-strict"),
        (bound(live=False, ready=False), "l7"),
    ],
)
@pytest.mark.parametrize("of", ["shop", "shop/cart", "deployment/shop/cart"])
def test_the_state_is_what_it_amounts_to(world: World, state: str, of: str) -> None:
    assert explain(world, of).state.value == state


def test_a_service_is_explained_in_full() -> None:
    assert explain(bound(AT_WAYPOINT, LOCKED), "shop/cart").lines() == [
        "Service shop/cart: l7, called through a waypoint, which knows requests",
        "waypoint: shop/waypoint, ready, calls pass it",
        "policies that decide:",
        "  AuthorizationPolicy shop/l7: ALLOW, 1 rule, at waypoint shop/waypoint",
        "  AuthorizationPolicy shop/locked: ALLOW, 1 rule, at ztunnel",
        "who may call:",
        "  shop/cart  depends on the method: shop/web; denied: all others (2)",
        "what is wrong: nothing that is seen here",
    ]


def test_a_namespace_tells_of_all_its_services() -> None:
    lines = explain(shop(), "shop").lines()
    assert lines[1:] == [
        "waypoint: none",
        "policies that decide: none: nothing says who may call",
        "who may call:",
        "  shop/cart  allowed: all (3)",
        "  shop/web  allowed: all (3)",
        "what is wrong: nothing that is seen here",
    ]


def test_a_pod_is_found_whoever_makes_it() -> None:
    explained = explain(shop(POD, policy("p", may("shop/web"), on="app=cart")), "pod/shop/cart-5d8-1")
    assert explained.of == "Pod shop/cart-5d8-1"
    assert explained.policies == ["AuthorizationPolicy shop/p: ALLOW, 1 rule, at ztunnel"]
    assert explained.callers == ["shop/cart  allowed: shop/web; denied: all others (2)"]


@pytest.mark.parametrize("of", ["deployment/shop/cart", "pod/shop/cart-5d8-1"])
def test_pods_tell_what_waypoints_decide_about_calls_to_them(of: str) -> None:
    """By which Services they are called, and who may: the same as is said of these."""
    again = [service(name, selector={"app": "cart"}, ports=[{"port": 80}]) for name in ("carts", "basket")]
    straight = service("straight", labels={"istio.io/use-waypoint": "none"}, selector={"app": "cart"})
    at_gateway = policy("all", may("shop/web"), on="Gateway/waypoint", action="DENY")
    world = bound(POD, *again, straight, AT_WAYPOINT, at_gateway, LOCKED)
    explained = explain(world, of)
    assert explained.policies == [
        "AuthorizationPolicy shop/all: DENY, 1 rule, at waypoint shop/waypoint for calls to cart, carts, basket",
        "AuthorizationPolicy shop/l7: ALLOW, 1 rule, at waypoint shop/waypoint for calls to cart",
        "AuthorizationPolicy shop/locked: ALLOW, 1 rule, at ztunnel",
    ]
    names = ("basket", "cart", "carts", "straight")
    assert explained.callers == [line for name in names for line in explain(world, f"shop/{name}").callers]
    assert "shop/straight  denied: all (3)" in explained.callers


def test_pods_tell_nothing_of_policies_at_a_waypoint_that_calls_do_not_pass() -> None:
    explained = explain(bound(AT_WAYPOINT, ready=False), "deployment/shop/cart")
    assert explained.policies == []
    assert any("is not ready; what 1 policy there would say" in each for each in wrong(explained))


@pytest.mark.parametrize(("serves", "named"), [("all", True), ("workload", True), ("service", False)])
def test_pods_with_a_waypoint_for_their_addresses_name_it_and_its_policies(serves: str, named: bool) -> None:
    own = deployment("till", labels={"istio.io/use-waypoint": "waypoint"}, account="till")
    explained = explain(
        shop(own, waypoint(serves=serves), policy("gate", may("shop/web"), on="Gateway/waypoint")), "pod/shop/till"
    )

    there = "shop/waypoint, for calls to the addresses of the pods"
    assert explained.waypoint == (there if named else "none")
    assert explained.policies == (
        [f"AuthorizationPolicy shop/gate: ALLOW, 1 rule, at waypoint {there}"] if named else []
    )


def test_policies_on_the_way_to_pods_that_do_not_say_what_they_seem_are_wrong_there_too() -> None:
    misread = policy("p", {"from": [{"source": {"notIpBlocks": ["10.0.0.0/8"]}}]}, on="Service/cart")
    assert any(
        "which a waypoint does not know" in each for each in wrong(explain(bound(misread), "deployment/shop/cart"))
    )


@pytest.mark.parametrize(
    ("world", "what", "then"),
    [
        (shop(labels={"use_waypoint": "waypoint"}), "the waypoint shop/waypoint is not there", "Declare the waypoint"),
        (bound(AT_WAYPOINT, ready=False), "is not ready; what 1 policy there would say is not enforced", "Look at the"),
        (bound(serves="none"), "stands for none", "stand for Services"),
        (
            shop(
                namespace("infra"),
                waypoint("w", "infra"),
                labels={"use_waypoint": "w", "use_waypoint_namespace": "infra"},
            ),
            "does not allow the namespace shop",
            "allowedRoutes",
        ),
        (shop(AT_WAYPOINT), "no label names a waypoint", "Name a waypoint for the Service"),
        (bound(AT_WAYPOINT), "takes calls from anybody in the mesh that pass the waypoint", "lock_down"),
        (
            bound(policy("p", may("shop/web"), on="app=cart")),
            "Deployment shop/cart refuses the waypoint shop/waypoint",
            "Admit serviceAccounts shop/waypoint",
        ),
        (
            shop(policy("p", may(methods=["GET"]), on="app=cart")),
            "AuthorizationPolicy shop/p speaks of HTTP (methods), which ztunnel does not know: such rules never match.",
            "targetRefs",
        ),
        (
            shop(policy("p", may("shop/web", methods=["GET"]), on="app=cart", action="DENY")),
            "AuthorizationPolicy shop/p speaks of HTTP (methods), which ztunnel does not know: such rules deny nobody.",
            "targetRefs",
        ),
        (
            shop(policy("p", may(methods=["GET"], ports=["8080"]), on="app=cart", action="DENY")),
            "it denies more than it says",
            "targetRefs",
        ),
        (
            shop(policy("p", {"from": [{"source": {"trustDomains": ["a"]}}]}, on="app=cart", action="DENY")),
            "(trustDomains) in a way that ztunnel does not know: such rules deny nobody",
            "principals",
        ),
        (
            bound(policy("p", {"from": [{"source": {"notIpBlocks": ["10.0.0.0/8"]}}]}, on="Service/cart")),
            "(notIpBlocks), which a waypoint does not know: it allows more than it says",
            "remoteIpBlocks",
        ),
        (
            shop(policy("p", may(), on="app=cart", action="CUSTOM")),
            "has the action CUSTOM, which ztunnel does not enforce",
            "targetRefs",
        ),
        (
            bound(LOCKED, policy("p", on="Service/cart", status=[("WaypointAccepted", "False", "Invalid")])),
            "AuthorizationPolicy shop/p is not accepted: Invalid",
            "attached",
        ),
        (shop(enrolled=False), "Deployment shop/cart is not in the mesh, since namespace shop is not", "ambient_mesh"),
        (shop(app("cart", hostNetwork=True)), "uses the network of its host", "network of its own"),
        (
            shop(
                deployment("cart", labels={"app": "cart", "istio.io/dataplane-mode": "none"}, account="cart"),
            ),
            "opts out by the label istio.io/dataplane-mode=none",
            "Take the label off",
        ),
        (
            shop(deployment("cart", labels={"app": "cart", "sidecar.istio.io/inject": "true"}, account="cart")),
            "Deployment shop/cart has a sidecar",
            "Take the sidecar away",
        ),
        (
            shop(service("cart", selector={"app": "nobody"}, ports=[{"port": 80}])),
            "Nothing that stands behind Service shop/cart is there now",
            "meant",
        ),
    ],
)
def test_what_is_wrong_comes_with_what_to_do(world: World, what: str, then: str) -> None:
    found = wrong(explain(world, "shop/cart"))
    (said,) = (each for each in found if what in each)
    assert then in found[said]


def test_a_namespace_outside_the_mesh_says_how_to_join() -> None:
    found = wrong(explain(shop(), "out"))
    assert found["Namespace out is not in the mesh."].startswith("Declare it in ambient_mesh")


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("shap", "of: there is no namespace shap. Did you mean shop?"),
        ("shop/card", "of: there is no Service shop/card. Did you mean shop/cart?"),
        ("pod/shop/card", "of: there is no pod shop/card. Did you mean deployment/shop/cart?"),
        ("deployment/shop/wep", "of: there is no deployment shop/wep. Did you mean deployment/shop/web?"),
        ("pod/none/x", "of: there is no pod none/x. Nothing makes pods in none"),
        ("", "of: is required. Write NAMESPACE, NAMESPACE/SERVICE or pod/NAMESPACE/NAME"),
        ("a//b", "of: 'a//b' names nothing. Write NAMESPACE, NAMESPACE/SERVICE or pod/NAMESPACE/NAME"),
    ],
)
def test_what_is_not_there_is_told_exactly(of: str, message: str) -> None:
    with pytest.raises(AmbientError) as caught:
        explain(shop(), of)
    assert str(caught.value) == message


def test_the_matrix_in_lines() -> None:
    world = shop(app("cook", "out"), policy("p", may("shop/web", "out/job", "out/cook"), on="app=cart"), enrolled=True)
    assert matrix(world, "shop").lines() == [
        "2 Services, 4 service accounts",
        "shop/cart  allowed: shop/web; denied: all others (3)",
        "shop/web  allowed: all (4)",
    ]
    open_to_a_namespace = policy("q", {"from": [{"source": {"namespaces": ["shop"]}}]}, on="app=cart")
    many = shop(*(app(f"app-{at}", "out") for at in range(4)), open_to_a_namespace)
    assert matrix(many, "shop").lines()[1] == "shop/cart  allowed: shop/*; denied: all others (5)"


def test_the_matrix_of_a_request() -> None:
    found = matrix(bound(AT_WAYPOINT, live=False), "shop", Request(method="GET"))
    assert found.lines()[0] == "2 Services, 3 service accounts, as written"
    assert found.data()["services"][0]["groups"][0]["accounts"] == ["shop/web"]
    assert found.data()["services"][0]["groups"][0]["verdict"] == "allowed"


def test_a_namespace_without_services_has_an_empty_matrix_and_an_unknown_one_is_refused() -> None:
    assert matrix(shop(namespace("empty")), "empty").rows == []
    with pytest.raises(AmbientError, match="there is no namespace shap"):
        matrix(shop(), "shap")
