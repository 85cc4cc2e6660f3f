# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a waypoint works and what is bound to it; and how much is read for that."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube import waypoints
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.followed import Followed
from ansible_collections.alauda.ambient.plugins.module_utils.kube.lookups import is_waited_for
from ansible_collections.alauda.ambient.plugins.module_utils.kube.ready import Verdict
from ansible_collections.alauda.ambient.plugins.module_utils.kube.watch import News, Scope, What
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item

USE = "istio.io/use-waypoint"


def patch(kind: str, name: str = "shop", namespace: str = "", patch: bool = True, **rest: Any) -> Item:
    """A patch with labels, or with a spec."""
    labels = rest.pop("labels", {})
    metadata = {"name": name, "labels": labels} | ({"namespace": namespace} if namespace else {})
    return Item({"apiVersion": rest.pop("api", "v1"), "kind": kind, "metadata": metadata, **rest}, 50, patch)


TEMPLATE: dict[str, Any] = {"api": "apps/v1", "namespace": "shop", "spec": {"template": {"metadata": {"labels": {}}}}}


@pytest.mark.parametrize(
    ("item", "waypoint", "waited"),
    [
        (patch("Namespace", labels={USE: "w"}), "shop/w", True),
        (patch("Namespace", labels={USE: "w", f"{USE}-namespace": "infra"}), "infra/w", True),
        (patch("Service", "cart", "shop", labels={USE: "w"}), "shop/w", True),
        (patch("Service", "cart", "shop", labels={USE: "none"}), "", False),
        (patch("Namespace", labels={"istio.io/dataplane-mode": "ambient"}), "", False),
        (patch("Namespace"), "", False),
        (patch("Namespace", patch=False, labels={USE: "w"}), "", True),
        (patch("ServiceAccount", "x", "shop", labels={USE: "w"}), "", False),
        (patch("Service", "x", "shop", api="serving.knative.dev/v1", labels={USE: "w"}), "", False),
        (patch("Deployment", "x", **TEMPLATE), "", True),
        (patch("StatefulSet", "x", **TEMPLATE), "", True),
        (patch("Deployment", "x", "shop", api="apps/v1", labels={USE: "w"}), "", False),
        (patch("Deployment", "x", "shop", api="apps/v1", spec=None), "", False),
        (patch("CronJob", "x", **{**TEMPLATE, "api": "batch/v1"}), "", False),
    ],
)
def test_which_patches_are_waited_for(item: Item, waypoint: str, waited: bool) -> None:
    assert waypoints.waypoint_wanted(item) == waypoint
    assert is_waited_for(item) is waited


@pytest.mark.parametrize(
    ("spec", "deployed"),
    [
        ({"gatewayClassName": "istio-waypoint"}, True),
        ({"gatewayClassName": "istio-waypoint-arm", "addresses": [{"type": "IPAddress", "value": "192.0.2.1"}]}, True),
        ({"gatewayClassName": "istio-waypoint", "addresses": [{"type": "Hostname", "value": "mine.svc"}]}, False),
        ({"gatewayClassName": "istio"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_whose_proxies_istiod_makes(spec: Any, deployed: bool) -> None:
    assert waypoints.is_deployed_waypoint({"spec": spec}) is deployed


def proxies(wanted: int = 2, generation: int = 2, **status: Any) -> dict[str, Any]:
    """A Deployment of a waypoint, as seen at generation 2."""
    metadata = {"name": "w", "namespace": "shop", "generation": generation}
    found = {"observedGeneration": 2, **status}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": wanted},
        "status": found,
    }


@pytest.mark.parametrize(
    ("gateway", "deployments", "missing"),
    [
        ("", None, "its Deployment is being looked at"),
        ("", [], "has no Deployment yet"),
        ("not yet Programmed", [], "not yet Programmed, and has no Deployment yet"),
        ("", [proxies(replicas=2, updatedReplicas=2, availableReplicas=1)], ""),
        ("not yet Programmed", [proxies(replicas=2, updatedReplicas=2, availableReplicas=1)], "not yet Programmed"),
        ("", [proxies(replicas=2, updatedReplicas=2)], "no pod of its Deployment w is available (0/2 ready)"),
        (
            "",
            [proxies(replicas=3, updatedReplicas=1, availableReplicas=2)],
            "no pod of its Deployment w is available (1/2 ready)",
        ),
        ("", [proxies(replicas=3, updatedReplicas=1, availableReplicas=3)], ""),
        (
            "",
            [proxies(generation=3, replicas=2, updatedReplicas=2, availableReplicas=2)],
            "no pod of its Deployment w is available (not yet seen by its controller)",
        ),
    ],
)
def test_what_a_waypoint_lacks(gateway: str, deployments: Any, missing: str) -> None:
    assert waypoints.with_proxies(Verdict(gateway), deployments).missing == missing


def test_a_waypoint_that_will_not_roll_out_is_not_waited_for_any_longer() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}
    verdict = waypoints.with_proxies(Verdict(), [proxies(conditions=[late])])
    assert (verdict.final, verdict.may_recover) == (True, True)


def service(labels: dict[str, str] | None = None, kind: str = "ClusterIP", **bound: str) -> dict[str, Any]:
    """A live Service; `bound` is its condition."""
    conditions = [{"type": "istio.io/WaypointBound", **bound}] if bound else []
    metadata = {"name": "x", "namespace": "shop", "labels": labels or {}}
    return {"metadata": metadata, "spec": {"type": kind}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("live", "why"),
    [
        (service(), "istiod has not reported on it"),
        (service(status="True", message="Successfully attached to waypoint shop/w"), ""),
        (service(status="True", message="Successfully attached to waypoint shop/w. Ingress traffic will"), ""),
        (service(status="True", message="in words of a later version"), ""),
        (service(status="True", message="Successfully attached to waypoint shop/w.2"), "still bound to shop/w.2"),
        (service(status="False", reason="WaypointMissing", message="no w"), "WaypointMissing: no w"),
        (service(status="False"), "istiod refuses it"),
    ],
)
def test_what_keeps_a_service_from_its_waypoint(live: dict[str, Any], why: str) -> None:
    assert waypoints.service_unbound(live, "shop/w") == why
    assert waypoints.service(live, "shop/w").missing == (f"not bound to waypoint shop/w: {why}" if why else "")


def test_what_follows_the_label_of_its_namespace() -> None:
    others = {
        "external": service(kind="ExternalName"),
        "gateway": service({"gateway.networking.k8s.io/gateway-name": "w"}),
        "managed": service({"gateway.istio.io/managed": "x"}),
        "own": service({USE: "other"}),
        "none": service({USE: "none"}),
        "workload": service(status="False", reason="UnsupportedTrafficType", message="x"),
    }
    assert waypoints.namespace(None, "shop/w").missing == "its Services are being looked at"
    assert waypoints.namespace(others, "shop/w").missing == ""
    assert waypoints.service(others["workload"], "shop/w").missing.endswith("UnsupportedTrafficType: x")
    assert waypoints.service(others["external"], "shop/w").missing == ""
    many = {f"s{number}": service() for number in range(5)}
    told = "5 of 5 Services not bound to waypoint shop/w: " + ", ".join(
        f"s{number} (istiod has not reported on it)" for number in range(3)
    )
    assert waypoints.namespace({**others, **many}, "shop/w").missing == f"{told} and 2 more"


class Asked:
    """Watches that only note what is to be followed."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    def add(self, scope: Scope) -> None:
        """As Watches."""
        self.scopes.append(scope)


def follow(*namespaces: str) -> tuple[Followed, Asked]:
    """Follow the Services of some namespaces."""
    asked = Asked()
    return Followed(asked, "v1", "Service", namespaces), asked  # type: ignore[arg-type]


def heard(followed: Followed, what: What, *names: str, where: str = "", error: Exception | None = None) -> list[str]:
    """Let it hear of Services; the namespaces that it says are touched."""
    objects = [{"metadata": {"namespace": name.partition("/")[0], "name": name.partition("/")[2]}} for name in names]
    return sorted(followed.hear(News(Scope("v1", "Service", where), what, objects, error)))


def test_several_namespaces_are_read_by_one_list() -> None:
    assert follow()[1].scopes == []
    assert [scope.namespace for scope in follow("a")[1].scopes] == ["a"]
    followed, asked = follow("a", "b")
    assert [scope.namespace for scope in asked.scopes] == [""]
    assert followed.of("a") is None
    assert heard(followed, What.SEEN, "a/x") == [], "a list comes first"
    assert heard(followed, What.LISTED, "a/x", "c/x") == ["a", "b"]
    assert (sorted(followed.of("a") or []), followed.of("b"), followed.of("c")) == (["x"], {}, None)
    assert heard(followed, What.SEEN, "b/y") == ["b"] and heard(followed, What.DELETED, "a/x") == ["a"]
    assert (followed.of("a"), sorted(followed.of("b") or [])) == ({}, ["y"])


def test_where_the_cluster_may_not_be_read_namespaces_are() -> None:
    followed, asked = follow("a", "b")
    forbidden = ApiError("forbidden", status=403)
    assert followed.narrows(News(asked.scopes[0], What.TROUBLE, error=forbidden))
    assert sorted(scope.namespace for scope in asked.scopes) == ["", "a", "b"]
    assert heard(followed, What.LISTED, "a/x", where="a") == ["a"] and followed.of("b") is None
    assert not followed.narrows(News(Scope("v1", "Service", "b"), What.TROUBLE, error=forbidden))
    assert heard(followed, What.TROUBLE, where="b", error=forbidden) == ["b"]
    assert (followed.refused("a"), followed.refused("b")) == ("", "forbidden")
    assert not followed.narrows(News(asked.scopes[0], What.TROUBLE, error=ApiError("away", status=500)))
    assert heard(followed, What.TROUBLE, error=ApiError("away", status=500)) == []
