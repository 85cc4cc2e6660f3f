# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which change of labels moves traffic, and what it then needs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.moves import (
    Need,
    What,
    leads_traffic,
    move_needs,
    needs_by_namespace,
    release_needs,
    without_brought,
)
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item

MODE, USE, USE_NAMESPACE = "istio.io/dataplane-mode", "istio.io/use-waypoint", "istio.io/use-waypoint-namespace"
INGRESS = "istio.io/ingress-use-waypoint"
IN = {MODE: "ambient"}
THROUGH = {**IN, USE: "waypoint"}
ISTIOD, NODES, WAYPOINT = Need(What.ISTIOD), Need(What.NODES, "shop"), Need(What.WAYPOINT, "shop/waypoint")


def labelled(kind: str, labels: dict[str, str], api_version: str = "v1") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "shop" if kind == "Namespace" else "cart"}
    if kind != "Namespace":
        metadata["namespace"] = "shop"
    obj: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    if kind in ("Deployment", "DaemonSet"):
        obj["spec"] = {"template": {"metadata": {"labels": labels}}}
    else:
        metadata["labels"] = labels
    return obj


def patch(kind: str, labels: dict[str, str], api_version: str = "v1") -> Item:
    return Item(labelled(kind, labels, api_version), 50 if kind == "Namespace" else 45, True)


def policy(wave: int = 70) -> Item:
    metadata = {"name": "ambient-strict", "namespace": "shop"}
    return Item({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": metadata}, wave)


@pytest.mark.parametrize(
    ("there", "wanted", "needs"),
    [
        ({}, IN, {ISTIOD, NODES}),
        ({}, THROUGH, {ISTIOD, NODES, WAYPOINT}),
        (IN, THROUGH, {ISTIOD, NODES, WAYPOINT}),
        ({USE: "waypoint"}, IN, {ISTIOD, NODES, WAYPOINT}),  # somebody else named it, and now it counts
        ({**IN, USE: "old"}, THROUGH, {ISTIOD, NODES, WAYPOINT}),
        ({**THROUGH, USE_NAMESPACE: "edge"}, THROUGH, {ISTIOD, NODES, WAYPOINT}),
        (THROUGH, {**THROUGH, INGRESS: "true"}, {ISTIOD, NODES, WAYPOINT}),
        (IN, {**IN, USE: "shared", USE_NAMESPACE: "edge"}, {ISTIOD, NODES, Need(What.WAYPOINT, "edge/shared")}),
        (IN, IN, set()),
        (THROUGH, THROUGH, set()),
        (THROUGH, IN, set()),
        (THROUGH, {}, set()),
        (IN, {}, set()),
        (IN, {**IN, INGRESS: "true"}, set()),
        (THROUGH, {**IN, USE: "none"}, set()),
        ({}, {"istio-discovery": "enabled"}, set()),
    ],
)
def test_only_a_move_towards_something_needs_it(there: Any, wanted: Any, needs: Any) -> None:
    assert move_needs(patch("Namespace", wanted), labelled("Namespace", there)) == needs


@pytest.mark.parametrize(("kind", "api_version"), [("Service", "v1"), ("Deployment", "apps/v1")])
def test_services_and_pod_templates_move_traffic_too(kind: str, api_version: str) -> None:
    item = patch(kind, {USE: "waypoint"}, api_version)
    assert move_needs(item, labelled(kind, {}, api_version)) == {ISTIOD, NODES, WAYPOINT}
    assert move_needs(item, labelled(kind, {USE: "waypoint"}, api_version)) == set()
    assert move_needs(patch(kind, {USE: "none"}, api_version), labelled(kind, {USE: "waypoint"}, api_version)) == set()


def test_what_is_not_there_yet_has_no_traffic_to_move() -> None:
    assert move_needs(patch("Namespace", THROUGH), None) == set()


def test_other_kinds_lead_nowhere() -> None:
    assert not leads_traffic(Item(labelled("ConfigMap", THROUGH), 0))
    assert not leads_traffic(Item(labelled("Service", THROUGH, "serving.knative.dev/v1"), 0))
    assert move_needs(Item(labelled("ConfigMap", THROUGH), 0), labelled("ConfigMap", {})) == set()


def test_what_narrows_needs_all_that_the_labels_beside_it_lead_to() -> None:
    listed = [patch("Namespace", IN), patch("Service", {USE: "waypoint"}), policy()]
    assert needs_by_namespace(listed) == {"shop": {ISTIOD, NODES, WAYPOINT}}
    assert needs_by_namespace([policy()]) == {}, "nothing of the run opens"


def test_a_released_label_leads_to_what_the_namespace_names() -> None:
    cart, own = Identity.parse("v1", "Service", "cart", "shop"), labelled("Service", {USE: "main"})
    through = patch("Namespace", THROUGH)
    assert release_needs(cart, own, through) == {ISTIOD, NODES, WAYPOINT}
    assert release_needs(cart, labelled("Service", {USE: "none"}), through) == {ISTIOD, NODES, WAYPOINT}
    assert release_needs(cart, labelled("Service", {USE: "waypoint"}), through) == set(), "it goes there already"
    assert release_needs(cart, own, patch("Namespace", IN)) == set(), "it is called directly then"
    assert release_needs(cart, labelled("Service", {}), through) == set()
    assert release_needs(cart, None, through) == set()
    assert release_needs(cart, own, None) == set()


def test_what_a_run_brings_or_mends_itself_is_not_asked_for_before() -> None:
    gateway = Item(labelled("Gateway", {}, "gateway.networking.k8s.io/v1"), 30)
    options = Item(labelled("ConfigMap", {}), 30)
    route = Item(labelled("HTTPRoute", {}, "gateway.networking.k8s.io/v1"), 40)
    istiod = Item(labelled("Deployment", {"app": "istiod"}, "apps/v1"), 0)
    ztunnel = Item(labelled("DaemonSet", {"app": "ztunnel"}, "apps/v1"), 20)
    elsewhere = Need(What.WAYPOINT, "edge/shared")
    needs = {ISTIOD, NODES, WAYPOINT, elsewhere}
    for beside in (gateway, options):
        assert without_brought(needs, [beside]) == {ISTIOD, NODES, elsewhere}
    for mesh in (istiod, ztunnel):
        assert without_brought(needs, [mesh]) == set(), "waypoints may come back with it"
    assert without_brought(needs, [policy(), route, patch("Service", THROUGH)]) == needs


def test_what_leads_somewhere_in_a_namespace_counts_once_it_joins() -> None:
    joining = patch("Namespace", IN)
    assert move_needs(joining, labelled("Namespace", {}), {WAYPOINT}) == {ISTIOD, NODES, WAYPOINT}
    assert move_needs(joining, labelled("Namespace", IN), {WAYPOINT}) == set()


@pytest.mark.parametrize("spec", ["x", {"template": "x"}, {"template": {"metadata": "x"}}, None])
def test_a_manifest_of_another_shape_leads_nowhere(spec: Any) -> None:
    obj = {**labelled("Deployment", {}, "apps/v1"), "spec": spec}
    assert not leads_traffic(Item(obj, 0))
