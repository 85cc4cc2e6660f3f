# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EnvoyFilters and Telemetries: which of them no proxy applies, and which change a waypoint."""

from __future__ import annotations

from typing import Any

import policy_cases as cases
import policy_mesh as parts
import pytest

GATEWAY = {"gateway.networking.k8s.io/gateway-name": "edge"}
TO_EDGE = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}]


def told(report: Any) -> list[str]:
    return [f"{finding.severity} {finding.object}: {finding.message}" for finding in report.findings]


def envoy_filter(where: str = "shop", **spec: Any) -> Any:
    return parts.make("EnvoyFilter", "it", where, spec=spec)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([envoy_filter()], "warning EnvoyFilter shop/it: is about pods that ztunnel captures"),
        ([envoy_filter("istio-system", workloadSelector={"labels": {"app": "db"}})], "neither ztunnel nor a waypoint"),
        ([envoy_filter("istio-system", targetRefs=cases.TO_CLASS)], "info EnvoyFilter istio-system/it: changes every"),
        ([envoy_filter(targetRef=cases.TO_WAYPOINT[0])], "changes waypoint shop/waypoint"),
        ([parts.make("Telemetry", "it", "istio-system", spec={"selector": cases.DB})], "Telemetry istio-system/it"),
    ],
)
def test_what_changes_no_proxy_or_a_waypoint_is_told(world: Any, examine: Any, changes: Any, words: str) -> None:
    (found,) = told(examine(world(*parts.mesh(), *changes), "AMB0743"))

    assert words in found


@pytest.mark.parametrize(
    "changes",
    [
        [envoy_filter("istio-system")],
        [parts.ingress(where="shop"), envoy_filter()],
        [envoy_filter("old", workloadSelector={"labels": {"app": "db"}})],
        [envoy_filter(workloadSelector={"labels": GATEWAY})],
        [parts.ingress(), envoy_filter("web", targetRefs=TO_EDGE)],
        [envoy_filter(targetRefs=cases.TO_CLASS)],
        [parts.make("Telemetry", "it", spec={"selector": {"matchLabels": GATEWAY}})],
        [parts.make("Telemetry", "it", "old", spec={"selector": cases.DB})],
    ],
)
def test_what_gateways_or_sidecars_apply_is_left_alone(world: Any, examine: Any, changes: Any) -> None:
    assert told(examine(world(*parts.mesh(), *changes), "AMB0743")) == []
