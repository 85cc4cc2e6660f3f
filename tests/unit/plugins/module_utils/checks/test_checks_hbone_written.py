# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkPolicies without the port of HBONE in manifests, and for pods that join by a label of their own."""

from __future__ import annotations

from typing import Any

import policy_cases as cases
import policy_mesh as parts
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks import policy_world
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.engine import Selection, run_checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_table import POLICY_CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item

SHUT = parts.make("NetworkPolicy", "shut", spec=cases.networked("cart", 8080))
EVERYBODY = parts.make("NetworkPolicy", "hbone", spec={"podSelector": {}, "ingress": [{"ports": [{"port": 15008}]}]})


def out(*ports: int, space: str = "web") -> Any:
    named = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}}
    rules = [{"to": [named], "ports": [{"port": port} for port in ports]}]
    return parts.make("NetworkPolicy", "out", spec={"podSelector": {}, "policyTypes": ["Egress"], "egress": rules})


def of_a_tree(*objects: Any) -> list[str]:
    items = [Item(obj, 0) for obj in parts.changed(parts.mesh(), objects)]
    context = Context(Snapshot(None), Wishes(tree=policy_world.written(items)))  # type: ignore[arg-type]
    report = run_checks(POLICY_CHECKS, Selection((Phase.POLICIES,), ("AMB0741",)), context)
    return told(report)


def told(report: Any) -> list[str]:
    return [f"{each.severity} {each.code} {each.object}: {each.message}" for each in report.findings]


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([SHUT], "admits callers to 1 of its 1 workloads, but not to TCP 15008"),
        ([SHUT, parts.make("NetworkPolicy", "web", "web", spec=cases.networked("web", 15008))], "shop/shut"),
        ([parts.make("NetworkPolicy", "later", spec=cases.networked("later", 8080))], "the pods that it selects"),
        ([out(8080)], "NetworkPolicy shop/out: lets 2 of its 2 workloads call others, but not on TCP 15008"),
    ],
)
def test_a_tree_with_a_network_policy_that_shuts_hbone_is_warned(objects: Any, words: str) -> None:
    (found,) = of_a_tree(*objects)

    assert found.startswith("warning AMB0741")
    assert words in found


@pytest.mark.parametrize(
    "objects",
    [
        [SHUT, EVERYBODY],
        [parts.make("NetworkPolicy", "none", spec={"podSelector": {}, "policyTypes": ["Ingress"]})],
        [parts.make("NetworkPolicy", "old", "old", spec=cases.networked("cart", 8080))],
        [out(8080, 15008)],
        [out(8080, space="old")],
        [SHUT, parts.namespace("shop"), parts.namespace("web")],
        [SHUT, parts.deployment("cart", labels={"istio.io/dataplane-mode": "none"})],
    ],
    ids=["another opens", "nobody", "outside", "out", "out of the mesh", "no mesh", "not captured"],
)
def test_a_tree_that_leaves_hbone_open_passes(objects: Any) -> None:
    assert of_a_tree(*objects) == []


def test_one_check_tells_about_a_namespace_of_a_cluster_and_the_other_about_pods_of_their_own(
    world: Any, examine: Any
) -> None:
    lone = parts.make("NetworkPolicy", "lone", "old", spec=cases.networked("lone", 8080))
    pod = {"metadata": {"name": "cart-0", "namespace": "shop", "labels": parts.CART}}

    report = examine(
        world(*parts.mesh(), SHUT, cases.LONE, lone, {"apiVersion": "v1", "kind": "Pod", **pod}), "AMB0407", "AMB0741"
    )

    assert [each.split(":")[0] for each in told(report)] == [
        "warning AMB0407 NetworkPolicy shop/shut",
        "warning AMB0741 NetworkPolicy old/lone",
    ]
