# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading of policies against the waypoint that enforces them: generated cases, the waypoint is right.

AMBIENT_ORACLE_CASES: how many, AMBIENT_ORACLE_SEED: which ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oracle import generate
from oracle.cases import Group, Identity, Plan, Request
from oracle.running import Oracle, Verdict
from oracle.vocabulary import IDENTITIES, NAMESPACE

DIRECTORY = Path(__file__).resolve().parents[2] / os.environ.get("AMBIENT_DIR", "build/test")
CASES = int(os.environ.get("AMBIENT_ORACLE_CASES", "60"))
SEED = int(os.environ.get("AMBIENT_ORACLE_SEED", "7"))
WEB, ADMIN = IDENTITIES[:2]
FEWEST = 0.2  # of all cases, that are let through, and that are refused


@pytest.fixture(scope="module")
def oracle(mesh: None, environment: dict[str, Any], images: dict[str, Any]) -> Iterator[Oracle]:
    """The waypoints and what stands behind them."""
    if not environment["source"].startswith("kind"):
        pytest.skip(f"the cluster's source is {environment['source']}: the test client is loaded onto kind nodes only")
    with Oracle(DIRECTORY, images["echo"]["ref"]) as running:
        yield running


@pytest.fixture(scope="module")
def verdicts(oracle: Oracle) -> list[Verdict]:
    """What became of each case."""
    return oracle.run(generate.plan(CASES, SEED))


def test_the_policies_have_decided_each_case(verdicts: list[Verdict]) -> None:
    astray = [each for each in verdicts if each.through is None or not each.route.endswith(f"/{each.group.waypoint}")]
    assert not astray, "\n".join(map(str, astray))


def test_both_answers_are_frequent(verdicts: list[Verdict]) -> None:
    through = sum(bool(each.through) for each in verdicts)
    print(f"oracle, seed {SEED}: {through} of {len(verdicts)} cases let through by the waypoint, the others refused")
    assert len(verdicts) == CASES
    assert FEWEST * CASES < through < (1 - FEWEST) * CASES


def test_we_say_what_the_waypoint_does(verdicts: list[Verdict]) -> None:
    wrong = [each for each in verdicts if each.through is not None and not each.agrees]
    assert not wrong, f"{len(wrong)} of {len(verdicts)}:\n" + "\n".join(map(str, wrong))


def test_a_route_leads_past_the_policies_of_the_service_that_it_leads_to(oracle: Oracle) -> None:
    closed = policy("closed", targetRefs=[{"group": "", "kind": "Service", "name": "closed"}], rules=[by(WEB)])
    groups = (
        Group("front", generate.OPEN, (), (root(ADMIN),), routed_to="closed"),
        Group("closed", generate.OPEN, (closed,), (root(WEB), root(ADMIN))),
    )

    found = {each.name: each for each in oracle.run(Plan(groups))}

    assert {name: each.through for name, each in found.items()} == {
        "front/0": True,
        "closed/0": True,
        "closed/1": False,
    }
    assert all(each.agrees for each in found.values()), "\n".join(map(str, found.values()))


def test_a_waypoint_looks_at_no_selector(oracle: Oracle) -> None:
    labels = {"gateway.networking.k8s.io/gateway-name": generate.OPEN}
    selecting = policy("selecting", selector={"matchLabels": labels}, action="DENY", rules=[{}])
    pods = oracle.pods_with(labels)

    (found,) = oracle.run(Plan((Group("front", generate.OPEN, (selecting,), (root(WEB),)),)))

    assert pods, "the selector picks the waypoint's pods"
    assert found.through and found.agrees, str(found)


def policy(name: str, **spec: Any) -> dict[str, Any]:
    """An AuthorizationPolicy beside the waypoints."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def by(identity: Identity) -> dict[str, Any]:
    """A rule about its calls."""
    return {"from": [{"source": {"principals": [identity.principal]}}]}


def root(identity: Identity) -> Request:
    """A call to the root of a site."""
    return Request(identity, 80, "GET", "/", "shop.example")
