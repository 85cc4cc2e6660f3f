# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each passive verification passes on a sound mesh, fails on its broken subject, and proves nothing unseen."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.verify import passive
from ansible_collections.alauda.ambient.plugins.module_utils.verify.declared import Declared
from ansible_collections.alauda.ambient.plugins.module_utils.verify.facts import Daemon
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import Checked, Seen, outcome, run
from ansible_collections.alauda.ambient.plugins.module_utils.verify.ztunnel import STAND_IN
from unit.plugins.module_utils.verify.verify_world import (
    NODES,
    STAND_IN_IMAGE,
    ZTUNNEL_IMAGE,
    daemon,
    enrolled,
    entry,
    istiod,
    node,
    pod,
    sound,
    spiffe,
)


def judge(**changes: Any) -> dict[str, Checked]:
    return {item.id: item for item in run(passive.CHECKS, sound(**changes))}


def lacking(where: str) -> Daemon:
    whole = daemon("ztunnel", "ztunnel", ZTUNNEL_IMAGE)
    return Daemon(whole.daemonset, [pod_ for pod_ in whole.pods if pod_["spec"]["nodeName"] != where])


def unready() -> Daemon:
    whole = daemon("istio-cni", "istio-cni-node", "cni:1")
    return Daemon(whole.daemonset, [whole.pods[0], pod("istio-cni", "b", "node-b", ready=False)])


def dumps(*, cart: list[dict[str, Any]]) -> Seen[Any]:
    return Seen(
        {
            "node-a": Seen({"certificates": cart}),
            "node-b": Seen({"certificates": [entry(spiffe("shop", "till"))]}),
        }
    )


CART = spiffe("shop", "cart")

# id of the check -> what breaks its subject, and a word of the evidence
BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("istiod-available", {"istiod": Seen([])}, "there is no istiod Deployment"),
    ("istiod-available", {"istiod": Seen([istiod(available=0)])}, "0 of 1 pods available"),
    ("cni-on-every-node", {"cni": Seen(Daemon(None, []))}, "no DaemonSet istio-cni/istio-cni-node"),
    ("cni-on-every-node", {"cni": Seen(unready())}, "node-b (not ready)"),
    ("ztunnel-on-every-node", {"ztunnel": Seen(lacking("node-b"))}, "node-b (no pod)"),
    ("ztunnel-on-every-node", {"nodes": Seen([])}, "no schedulable Linux node"),
    ("namespaces-as-declared", {"namespaces": Seen([])}, "not enrolled: shop"),
    ("namespaces-as-declared", {"namespaces": Seen(["shop", "old"])}, "still enrolled: old"),
    (
        "pods-redirected",
        {"pods": Seen([enrolled("shop", "cart"), pod("shop", "till")])},
        "on node-a (no anno",
    ),
    (
        "pods-redirected",
        {"pods": Seen([pod("shop", "till", annotations={"ambient.istio.io/redirection": "pending"})])},
        "(pending)",
    ),
    ("pods-redirected", {"pods": Seen([pod("x", "y", labels={"istio.io/dataplane-mode": "ambient"})])}, "x/y"),
    ("workloads-known", {"workloads": Seen({"shop/cart": {"tunnelProtocol": "HBONE"}})}, "shop/till"),
    (
        "workloads-known",
        {"workloads": Seen({"shop/cart": {"tunnelProtocol": "HBONE"}, "shop/till": {"tunnelProtocol": "NONE"}})},
        "1 of 2",
    ),
    ("identities-signed", {"dumps": dumps(cart=[])}, "ztunnel has no certificate"),
    ("identities-signed", {"dumps": dumps(cart=[entry(CART, state="Unavailable: denied")])}, "Unavailable: denied"),
    ("identities-signed", {"dumps": dumps(cart=[entry(CART, signer="someone")])}, "not signed by the mesh's root"),
    ("identities-signed", {"dumps": dumps(cart=[{**entry(spiffe("a", "b")), "identity": CART}])}, "is for spiffe"),
]


def test_a_sound_mesh_is_verified() -> None:
    checked = run(passive.CHECKS, sound())
    assert [item.verdict.result for item in checked] == ["pass"] * len(checked), [item.line() for item in checked]
    assert outcome(checked) == "verified"


@pytest.mark.parametrize(("name", "changes", "evidence"), BROKEN)
def test_a_broken_subject_fails(name: str, changes: dict[str, Any], evidence: str) -> None:
    verdict = judge(**changes)[name].verdict
    assert verdict.result == "fail"
    assert evidence in verdict.evidence
    assert verdict.advice


def test_every_verification_can_fail() -> None:
    # Encryption cannot be refuted by reading: no line in a log proves that another connection was plain.
    assert {case[0] for case in BROKEN} == {check.id for check in passive.CHECKS} - {"encryption"}


@pytest.mark.parametrize("check", passive.CHECKS, ids=lambda check: check.id)
def test_what_was_not_seen_is_not_proven(check: Any) -> None:
    for need in check.needs:
        verdict = judge(**{need: Seen(why="no right to look")})[check.id].verdict
        assert (verdict.result, verdict.evidence) == ("not-proven", "no right to look")


def test_a_ztunnel_that_cannot_be_read_leaves_its_identities_unproven() -> None:
    unread = Seen({"node-a": Seen({"certificates": [entry(CART)]}), "node-b": Seen[Any](why="port is closed")})
    verdict = judge(dumps=unread)["identities-signed"].verdict
    assert (verdict.result, verdict.evidence) == ("not-proven", "port is closed")


def test_the_stand_in_proves_no_encryption_even_if_it_counts_connections() -> None:
    verdict = judge(stand_in=Seen(f"image {STAND_IN_IMAGE} of ztunnel-1"))["encryption"].verdict
    assert verdict.result == "not-proven"
    assert verdict.evidence.startswith(STAND_IN)


def test_without_mutual_tls_in_the_metrics_encryption_is_not_proven() -> None:
    plain = 'istio_tcp_connections_opened_total{connection_security_policy="unknown"} 9\n'
    assert judge(metrics=Seen({"node-a": Seen(plain)}))["encryption"].verdict.result == "not-proven"


def test_nothing_enrolled_is_skipped_not_passed() -> None:
    judged = judge(pods=Seen([]), namespaces=Seen([]), declared=Declared())
    names = ("namespaces-as-declared", "pods-redirected", "workloads-known", "identities-signed")
    assert [judged[name].verdict.result for name in names] == ["skipped"] * 4


def test_pods_that_cannot_be_enrolled_are_left_out() -> None:
    others = [
        pod("shop", "host", host_network=True),
        pod("shop", "sidecar", annotations={"sidecar.istio.io/status": "{}"}),
        pod("shop", "out", labels={"istio.io/dataplane-mode": "none"}),
        pod("shop", "done", phase="Succeeded"),
        pod("other", "plain"),
    ]
    assert judge(pods=Seen([enrolled("shop", "cart"), *others]))["pods-redirected"].verdict.evidence.startswith(
        "1 pod "
    )


def test_cordoned_and_windows_nodes_need_no_pod() -> None:
    windows = node("w")
    windows["metadata"]["labels"]["kubernetes.io/os"] = "windows"
    nodes = [*(node(name) for name in NODES), node("cordoned", unschedulable=True), windows]
    assert (
        judge(nodes=Seen(nodes))["ztunnel-on-every-node"].verdict.evidence
        == "ready on 2 schedulable Linux nodes, all there are"
    )


def test_an_enrolled_namespace_that_is_not_declared_is_named() -> None:
    evidence = judge(namespaces=Seen(["shop", "forgotten"]))["namespaces-as-declared"].verdict.evidence
    assert evidence == "enrolled: shop; enrolled but not declared: forgotten"
