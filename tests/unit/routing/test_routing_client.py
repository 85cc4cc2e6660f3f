# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the harness makes of the client's lines, and the objects that it deploys."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from devcluster import assets
from routing import Answer, Totals, application, pods, stock_envoy, watch


def line(total: int, failed: int, **routes: int) -> dict[str, Any]:
    tally = {"total": total, "failed": failed, "statuses": {"200": total - failed}, "routes": routes, "reasons": {}}
    tally["repeated"] = {}
    return {"kind": "second", "sum": tally, "now": tally}


def test_totals_since_an_earlier_look() -> None:
    before = Totals.of(line(10, 1, plain=10))
    after = Totals.of({**line(30, 1, plain=15, direct=15), "failed_by_second": {"12:00:00": 1}})
    since = after.since(before)
    assert (since.total, since.failed) == (20, 0)
    assert since.routes == {"plain": 5, "direct": 15}
    assert since.statuses == {"200": 20}


def test_a_failure_is_told_in_full() -> None:
    tally = {**line(2, 1, plain=2)["sum"], "reasons": {"timeout": 1}, "repeated": {"status 503": 4}}
    final = {"sum": tally, "first_errors": [{"error": "no answer within 3s"}], "failed_by_second": {"12:00:01": 1}}
    said = str(Totals.of(final))
    for words in ("1 of 2 failed", "timeout", "4 tries repeated", "status 503", "no answer within 3s", "12:00:01"):
        assert words in said


@pytest.mark.parametrize(
    ("route", "via"), [("via waypoint shop/waypoint", "shop/waypoint"), ("direct hbone", ""), ("plain", ""), ("", "")]
)
def test_the_waypoint_of_an_answer(route: str, via: str) -> None:
    assert Answer(200, route, "cart-1", "").via == via


def test_a_client_is_outside_the_mesh_and_has_what_ztunnel_would_have() -> None:
    pod = pods.pod("space", "loop-a", "reader", "image", ["idle"])
    assert pod["metadata"]["labels"]["istio.io/dataplane-mode"] == "none"
    token, roots = pod["spec"]["volumes"]
    assert token["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "istio-ca"
    assert roots["configMap"]["name"] == "istio-ca-root-cert"
    assert pod["spec"]["serviceAccountName"] == "reader"


def test_the_application() -> None:
    objects = application.objects("registry/echo@sha256:1", "shop")
    assert objects[0] == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, "not enrolled"
    assert "NAMESPACE" not in json.dumps(objects) and "ECHO_IMAGE" not in json.dumps(objects)
    deployments = [item for item in objects if item["kind"] == "Deployment"]
    assert {item["spec"]["template"]["spec"]["serviceAccountName"] for item in deployments} == {"cart", "stock"}
    assert all(item["spec"]["replicas"] == 2 for item in deployments)
    services = [item["spec"] for item in objects if item["kind"] == "Service"]
    assert sorted(len(service["ports"]) for service in services) == [1, 1, 2]
    assert [service.get("clusterIP") for service in services].count("None") == 1


def test_the_stock_envoy_of_any_waypoint() -> None:
    objects = stock_envoy.objects("gate", "infra")
    assert [item["kind"] for item in objects] == ["Telemetry", "EnvoyFilter"]
    for item in objects:
        assert item["metadata"] == {"name": "stock-envoy-gate", "namespace": "infra"}
        assert [target["name"] for target in item["spec"]["targetRefs"]] == ["gate"]
    made = stock_envoy.gateway("gate", "infra", "workload")
    assert made["metadata"]["labels"] == {"istio.io/waypoint-for": "workload"}
    assert stock_envoy.objects("other", "infra")[0]["spec"]["targetRefs"][0]["name"] == "other"


def test_feeds_cover_the_kinds_of_a_namespace() -> None:
    found = watch.feeds("shop")
    assert len(found) == len(watch.KINDS)
    assert found[0].selector == "metadata.name=shop"
    assert all("{}" not in feed.path for feed in found)


class Chunks(io.BytesIO):
    """A response that comes in pieces."""

    def stream(self, **_options: Any) -> Any:
        yield from iter(lambda: self.read(3), b"")


def test_lines_are_put_together() -> None:
    assert list(watch.lines(Chunks(b'{"a": 1}\n\n{"b": 2}\n'))) == [b'{"a": 1}', b'{"b": 2}']


def test_the_image_says_what_it_is() -> None:
    text = assets.ROUTING_CLIENT_IMAGE.read_text()
    assert "NOT ztunnel" in text and "routing-test-client" in text
