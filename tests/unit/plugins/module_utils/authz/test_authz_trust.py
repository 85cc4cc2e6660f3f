# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a mesh is called is looked up, never guessed where it can be known; and what that means for principals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matrix import matrix
from ansible_collections.alauda.ambient.plugins.module_utils.authz.trust import Names, names_of, refuse_another
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from unit.plugins.module_utils.authz.small_world import app, ask, namespace, policy, waypoint


class Cluster:
    """With istiod's ConfigMap, or the status with which it is refused."""

    def __init__(self, mesh: str | None, status: int = 0) -> None:
        self._mesh = mesh
        self._status = status
        self.asked: list[tuple[str, ...]] = []

    def get(self, *what: str) -> dict[str, Any] | None:
        self.asked.append(what)
        if self._status:
            raise ApiError("no", status=self._status)
        return None if self._mesh is None else {"data": {"mesh": self._mesh}}


OTHER = "defaultConfig: {}\nrootNamespace: roots\ntrustDomain: td.example\n"


@pytest.mark.parametrize(
    ("mesh", "given", "names"),
    [
        (OTHER, {}, Names("roots", "td.example")),
        (OTHER, {"trust_domain": "td.example", "root_namespace": "roots"}, Names("roots", "td.example")),
        ("", {}, Names("istio-system", "cluster.local")),
        ("enableTracing: true", {"trust_domain": "cluster.local"}, Names("istio-system", "cluster.local")),
        (None, {"trust_domain": "td.example", "root_namespace": "r"}, Names("r", "td.example")),
    ],
)
def test_what_istiod_has_counts(mesh: str | None, given: dict[str, str], names: Names) -> None:
    cluster = Cluster(mesh)
    assert names_of(given, cluster.get) == names
    assert cluster.asked == [("v1", "ConfigMap", "istio", "istio-system")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"trust_domain": "cluster.local"},
            "trust_domain: is cluster.local, and istiod has td.example (ConfigMap istio-system/istio). "
            "Leave it out, or set it to td.example",
        ),
        ({"root_namespace": "istio-system"}, "root_namespace: is istio-system, and istiod has roots (ConfigMap"),
        ({"trust_domain": "spiffe://td"}, "trust_domain: 'spiffe://td' is no trust domain"),
        ({"trust_domain": ""}, "trust_domain: is empty"),
    ],
)
def test_what_istiod_does_not_have_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(AmbientError) as caught:
        names_of(given, Cluster(OTHER).get)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        (Cluster(None), "there is no ConfigMap istio-system/istio"),
        (Cluster(None, 403), "ConfigMap istio-system/istio may not be read"),
    ],
)
def test_what_cannot_be_looked_up_is_in_doubt_unless_somebody_says_it(cluster: Cluster, why: str) -> None:
    names = names_of({}, cluster.get)
    assert (names.trust, names.root) == ("cluster.local", "istio-system")
    assert names.doubt.startswith(f"{why}; the trust domain is taken for cluster.local: set ambient_trust_domain")
    assert names_of({"trust_domain": "td.example"}, cluster.get) == Names(trust="td.example")


def test_other_errors_are_errors_and_a_tree_is_taken_by_its_word() -> None:
    with pytest.raises(ApiError):
        names_of({}, Cluster(None, 500).get)
    assert names_of({}) == Names()
    assert names_of({"trust_domain": "td.example"}) == Names(trust="td.example")


def test_another_trust_domain_than_istiods_is_refused_where_that_is_known() -> None:
    with pytest.raises(AmbientError) as caught:
        refuse_another("cluster.local", Cluster(OTHER).get)
    assert str(caught.value) == (
        "trust_domain: is cluster.local, and istiod has td.example (ConfigMap istio-system/istio): policies would name "
        "nobody, and shut all out. Set ambient_trust_domain to td.example"
    )
    with pytest.raises(AmbientError, match=r"is td\.example, and istiod has cluster\.local"):
        refuse_another("td.example", Cluster("").get)


@pytest.mark.parametrize("cluster", [Cluster(OTHER), Cluster(None), Cluster(None, 403)])
def test_the_trust_domain_of_istiod_passes_and_so_does_any_where_nobody_can_know(cluster: Cluster) -> None:
    refuse_another("td.example", cluster.get)
    assert len(cluster.asked) == 1


def _named(*principals: str, on: str, when: bool) -> World:
    """A shop in the trust domain td.example where a policy names these principals."""
    key = {"key": "source.principal", "values": list(principals)}
    rule = {"when": [key]} if when else {"from": [{"source": {"principals": list(principals)}}]}
    gateway = [waypoint()] if "/" in on else []
    space = namespace("shop", **({"use_waypoint": "waypoint"} if gateway else {}))
    objects = [space, *app("cart"), *app("web"), *gateway, policy("p", rule, on=on)]
    return replace(World.of(objects, True), trust_domain="td.example")


@pytest.mark.parametrize("when", [False, True])
@pytest.mark.parametrize(
    ("principal", "on", "verdict"),
    [
        ("cluster.local/ns/shop/sa/web", "Service/cart", "allowed"),
        ("td.example/ns/shop/sa/web", "Service/cart", "allowed"),
        ("other.example/ns/shop/sa/web", "Service/cart", "denied"),
        ("cluster.local/ns/shop/*", "Service/cart", "denied"),
        ("*/ns/shop/sa/web", "Service/cart", "allowed"),
        ("cluster.local/ns/shop/sa/web", "app=cart", "denied"),
        ("td.example/ns/shop/sa/web", "app=cart", "allowed"),
    ],
)
def test_cluster_local_stands_for_the_trust_domain_at_a_waypoint_alone(
    principal: str, on: str, verdict: str, when: bool
) -> None:
    world = _named(principal, on=on, when=when)
    assert ask(world).verdict.value == verdict
    (row,) = (each for each in matrix(world, "shop").rows if each.service.name == "cart")
    found = {account: group.ruling.verdict.value for group in row.groups for account in group.accounts}
    assert found["shop", "web"] == verdict


def test_other_keys_and_the_own_trust_domain_stay_as_they_are() -> None:
    rule = {"from": [{"source": {"namespaces": ["shop"]}}], "when": [{"key": "source.namespace", "values": ["shop"]}]}
    objects = [policy("p", rule, on="Service/cart")]
    for trust in ("cluster.local", "td.example"):
        (found,) = replace(World.of(objects, True), trust_domain=trust).policies
        assert found.rules == (rule,)
