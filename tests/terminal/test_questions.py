# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees who asks the playbooks can and explain: of a tree, and of a cluster."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import pytest
import yaml
from unit.plugins.module_utils.authz.small_world import app, may, namespace, policy, waypoint
from world import Outcome, World, play

RULE = "from serviceAccounts shop/web; to hosts cart.example, methods GET"
OBJECTS = [
    namespace("shop", use_waypoint="waypoint"),
    *app("cart"),
    *app("web"),
    waypoint(ready=False),
    policy("l7", may("shop/web", methods=["GET"], hosts=["cart.example"]), on="Service/cart"),
]


@pytest.fixture(scope="module")
def part(world: World) -> World:
    return world.part("questions")


def ask(part: World, playbook: str, **variables: Any) -> Outcome:
    """Of the tree; without a way to any cluster."""
    tree = part.file("objects.yaml", yaml.safe_dump_all(OBJECTS))
    return play(part, f"alauda.ambient.{playbook}", {"source": "tree", "tree": tree, **variables})


def lines(outcome: Outcome) -> list[str]:
    """What is printed under the name of the host."""
    dummy, dummy, rest = outcome.text.partition("\neast:\n")
    return [line.removeprefix("  ") for line in takewhile(lambda line: line.startswith("  "), rest.splitlines())]


def test_can_of_a_tree(part: World) -> None:
    request = {"method": "GET", "path": "/p", "host": "cart.example"}
    outcome = ask(part, "can", **{"from": "shop/web", "to": "shop/cart:80"}, **request)
    assert outcome.status == 0, outcome.text
    assert lines(outcome)[:4] == [
        "shop/web to Service shop/cart port 80, GET /p: allowed (as written)",
        "because AuthorizationPolicy shop/l7 allows it, rule 1",
        f"decided by AuthorizationPolicy shop/l7, rule 1: {RULE}",
        "enforced at: waypoint shop/waypoint",
    ]
    assert "changed=0" in outcome.text
    assert "WARNING" not in outcome.text


def test_the_matrix_of_a_tree(part: World) -> None:
    assert lines(ask(part, "can", matrix="mesh")) == [
        "2 Services, 2 service accounts, as written",
        "shop/cart  depends on the host and the method: shop/web; denied: all others (1)",
        "shop/web  allowed: all (2)",
    ]


def test_explain_of_a_tree(part: World) -> None:
    outcome = ask(part, "explain", of="shop/cart")
    assert outcome.status == 0, outcome.text
    found = lines(outcome)
    assert found[0] == "Service shop/cart: l7 (as written), called through a waypoint, which knows requests"
    assert any(line.startswith("    next: ") for line in found)


@pytest.mark.parametrize(
    ("playbook", "given", "message"),
    [
        (
            "can",
            {"from": "shop/wep", "to": "shop/cart"},
            "from: there is no service account shop/wep. Did you mean shop/web?",
        ),
        ("can", {"matrix": "shap"}, "namespace: there is no namespace shap. Did you mean shop?"),
        ("explain", {}, "of: is required. Write NAMESPACE, NAMESPACE/SERVICE or pod/NAMESPACE/NAME"),
    ],
)
def test_a_bad_question_ends_in_one_error(part: World, playbook: str, given: dict[str, Any], message: str) -> None:
    outcome = ask(part, playbook, **given)
    (error,) = outcome.errors
    assert outcome.status != 0
    assert error == f"[ERROR]: Task failed: Module failed: {message}"
    assert "Traceback" not in outcome.text


def test_a_variable_that_nobody_looks_at_is_told(part: World) -> None:
    asked = {"from": "shop/web", "to": "shop/cart"}
    outcome = ask(part, "can", **asked, methd="GET", form="shop/web")
    assert outcome.status != 0
    (error,) = outcome.errors
    assert "form: the playbook does not take it. Did you mean from?" in error
    assert "methd: the playbook does not take it. Did you mean method?" in outcome.text
    other = ask(part, "can", **asked, verb="GET")
    assert other.status == 0, other.text
    assert "not looked at: -e verb. The playbook takes from, to, port," in " ".join(other.text.split())


def test_a_cluster_is_asked_and_nothing_is_written(part: World) -> None:
    before = len(part.api.writes())
    outcome = play(part, "alauda.ambient.explain", {**part.good, "of": "kube-system"})
    assert outcome.status == 0, outcome.text
    assert lines(outcome)[0] == "namespace kube-system: off, ztunnel does not guard the pods"
    assert part.api.writes()[before:] == []
