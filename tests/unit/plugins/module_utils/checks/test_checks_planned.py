# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase policies with what a run would bring, without a cluster, and without the right to look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import policy_mesh as parts
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks import policy_world
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_table import POLICIES
from ansible_collections.alauda.ambient.plugins.module_utils.checks.run import Request, examine
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts, NamespaceFacts, Service
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.patches import ENROLMENT_MANAGER
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.waypoints import waypoint_items
from ansible_collections.alauda.ambient.plugins.modules import check

CLOSED = parts.policy(selector=parts.selected(app="db"), rules=[parts.rule({"methods": ["GET"]})])


def told(report: Any) -> list[str]:
    return [f"{finding.severity} {finding.code} {finding.object}" for finding in report.findings]


def look(examine: Any, cluster: Any, items: Sequence[Item], *only: str, roles: Sequence[str] = ()) -> Any:
    planned = policy_world.Planned(items, frozenset(roles))
    return examine(cluster, *(only or (POLICIES,)), policies=planned, known_errors_warn=True)


def compiled(declared: Any) -> list[Item]:
    mesh = parse_mesh(declared)
    services = (Service("cart", {"app": "cart"}), Service("db", {"app": "db"}), Service("web", {"app": "web"}))
    facts = Facts({name: NamespaceFacts(services) for name in ("shop", "web")})
    return [*waypoint_items(mesh), *namespace_items(mesh, [], facts)]


DECLARED: dict[str, Any] = {
    "waypoints": [
        {"name": "waypoint", "namespace": "shop", "replicas": 2},
        {"name": "edge", "namespace": "web", "for": "all"},
    ],
    "namespaces": [
        {
            "name": "shop",
            "state": "l7",
            "default_deny": True,
            "exceptions": [
                {"allow": "plaintext", "selector": {"app": "db"}, "ports": [9090]},
                {"allow": "direct", "ports": [9090]},
            ],
        },
        {"name": "web", "state": "l4-strict", "services": [{"name": "web", "waypoint": "edge"}]},
    ],
}


def bare() -> list[Any]:
    """The users' objects before there is any mesh."""
    kept = ("Namespace", "Service", "ServiceAccount", "Deployment")
    found = [obj for obj in parts.mesh() if obj["kind"] in kept]
    return [{**obj, "metadata": {**obj["metadata"], "labels": {}}} for obj in found]


def test_a_first_installation_passes_with_all_that_it_brings(world: Any, examine: Any) -> None:
    report = look(examine, world(*bare()), compiled(DECLARED))

    assert told(report) == []
    assert {result.status for result in report.results} == {"pass"}


def test_an_empty_cluster_passes(world: Any, examine: Any) -> None:
    assert {result.status for result in look(examine, world(), []).results} == {"pass"}


def test_what_is_compiled_is_well_once_it_is_there(world: Any, examine: Any) -> None:
    items = compiled(DECLARED)
    first = world(*bare())
    view = policy_world.read(_Listing(first), policy_world.Planned(items)).after  # type: ignore[arg-type]
    there = [obj for group in view.world.objects.values() for obj in group]

    report = look(examine, world(*there), items)

    assert told(report) == []


class _Listing:
    """As Snapshot.all, of a cluster of a test."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def all(self, resource: Any) -> Any:
        return self._cluster.list(resource.api_version, resource.kind)


def test_what_the_run_brings_is_refused_and_what_is_there_is_a_warning(world: Any, examine: Any) -> None:
    item = Item(CLOSED, 40)
    brought = look(examine, world(*parts.mesh()), [item], "AMB0701")
    there = look(examine, world(*parts.mesh(), CLOSED), [], "AMB0701")
    again = look(examine, world(*parts.mesh(), CLOSED), [item], "AMB0701")
    refused = examine(world(*parts.mesh(), CLOSED), "AMB0701")

    assert told(brought) == told(refused) == ["error AMB0701 AuthorizationPolicy shop/it"]
    assert told(there) == told(again) == ["warning AMB0701 AuthorizationPolicy shop/it"]


def test_what_the_run_mends_is_not_told(world: Any, examine: Any) -> None:
    mended = parts.policy(selector=parts.selected(app="db"), rules=[parts.rule(principals=[parts.WEB])])

    assert told(look(examine, world(*parts.mesh(), CLOSED), [Item(mended, 40)], "AMB0701")) == []


@pytest.mark.parametrize(
    ("manager", "says"), [("kubectl-annotate", "warning AMB0703"), ("alauda.ambient", "error AMB0701")]
)
def test_a_dry_run_that_others_hold_outlasts_the_manifest_of_the_run(
    world: Any, examine: Any, manager: str, says: str
) -> None:
    fields = {"f:metadata": {"f:annotations": {"f:istio.io/dry-run": {}}}}
    metadata = {
        **CLOSED["metadata"],
        "annotations": {"istio.io/dry-run": "true"},
        "managedFields": [{"manager": manager, "fieldsV1": fields}],
    }

    found = look(
        examine, world(*parts.mesh(), {**CLOSED, "metadata": metadata}), [Item(CLOSED, 40)], "AMB0701", "AMB0703"
    )

    assert told(found) == [f"{says} AuthorizationPolicy shop/it"]


@pytest.mark.parametrize("is_planned", [True, False])
def test_a_waypoint_that_comes_with_the_run_counts_as_ready(world: Any, examine: Any, is_planned: bool) -> None:
    gone = parts.changed(parts.mesh(), [], [parts.waypoint()])
    unready = parts.changed(parts.mesh(), [parts.waypoint(status={})])
    plain = {key: value for key, value in parts.waypoint().items() if key != "status"}
    items = [Item(plain, 30)] if is_planned else []

    for cluster in (gone, unready):
        found = told(look(examine, world(*cluster), items, "AMB0706", "AMB0718"))
        assert bool(found) is not is_planned, found


def test_a_label_of_the_run_counts(world: Any, examine: Any) -> None:
    label = {parts.USE: "none-such"}
    patch = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "shop", "labels": label}}

    report = look(examine, world(*parts.mesh()), [Item(patch, 60, patch=True)], "AMB0718")

    assert told(report) == ["error AMB0718 Service shop/db"]


def held(obj: Any, *labels: str) -> Any:
    """The object with these labels held by the enrolment."""
    fields = {"f:metadata": {"f:labels": {f"f:{label}": {} for label in labels}}}
    entry = {"manager": ENROLMENT_MANAGER, "operation": "Apply", "fieldsV1": fields}
    return {**obj, "metadata": {**obj["metadata"], "managedFields": [entry]}}


@pytest.mark.parametrize("is_held", [True, False])
def test_a_label_that_the_run_lets_go_is_gone_unless_somebody_else_holds_it(
    world: Any, examine: Any, is_held: bool
) -> None:
    shop = parts.namespace("shop", **parts.AMBIENT, **{parts.USE: "waypoint", parts.USE_FROM: "gateways"})
    before = held(shop, parts.USE, parts.USE_FROM) if is_held else held(shop, parts.USE)
    patch = parts.namespace("shop", **parts.AMBIENT, **{parts.USE: "waypoint"})
    item = Item(patch, 50, patch=True, manager=ENROLMENT_MANAGER)

    report = look(examine, world(*parts.changed(parts.mesh(), [before])), [item], "AMB0718")

    assert told(report) == ([] if is_held else ["warning AMB0718 Namespace shop"])


def test_the_label_of_a_pod_template_goes_as_well(world: Any, examine: Any) -> None:
    template = {"f:template": {"f:metadata": {"f:labels": {f"f:{parts.USE}": {}}}}}
    entry = {"manager": ENROLMENT_MANAGER, "fieldsV1": {"f:spec": template}}
    made = parts.deployment("db", labels={parts.USE: "gone"})
    made = {**made, "metadata": {**made["metadata"], "managedFields": [entry]}}
    bare_one = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db", "namespace": "shop"}}
    cluster = parts.changed(parts.mesh(), [made])

    item = Item(bare_one, 60, patch=True, manager=ENROLMENT_MANAGER)
    assert told(look(examine, world(*cluster), [], "AMB0718")) == ["warning AMB0718 Deployment shop/db"]
    assert told(look(examine, world(*cluster), [item], "AMB0718")) == []


def test_another_waypoint_does_not_meet_the_lock_down_of_the_one_before(world: Any, examine: Any) -> None:
    view = policy_world.read(_Listing(world(*bare())), policy_world.Planned(compiled(DECLARED))).after  # type: ignore[arg-type]
    there = [obj for group in view.world.objects.values() for obj in group]
    waypoints = [{"name": "second", "namespace": "shop"}, DECLARED["waypoints"][1]]
    other = compiled({**DECLARED, "waypoints": waypoints})

    after = look(examine, world(*there), other, roles=["namespaces", "waypoints", "policies"])
    without_knowing = look(examine, world(*there), other)

    assert [line for line in told(after) if line.startswith("error")] == []
    assert any(line.startswith("error AMB0709") for line in told(without_knowing))


def test_a_manifest_that_left_the_declaration_does_not_count(world: Any, examine: Any) -> None:
    ours = {**CLOSED, "metadata": {**CLOSED["metadata"], "labels": {"ambient.alauda.io/mesh": "default"}}}
    cluster = [*parts.mesh(), ours]

    assert told(look(examine, world(*cluster), [], "AMB0701", roles=["policies"])) == []
    assert told(look(examine, world(*cluster), [], "AMB0701", roles=["namespaces"])) != []
    assert told(look(examine, world(*parts.mesh(), CLOSED), [], "AMB0701", roles=["policies"])) != []


def test_the_age_of_what_is_there_counts_though_the_run_brings_it_again(world: Any, examine: Any) -> None:
    old = parts.peers("b", mtls={"mode": "STRICT"}, created="2024-01-01T00:00:00Z")
    young = parts.peers("a", mtls={"mode": "PERMISSIVE"}, created="2025-01-01T00:00:00Z")
    rest = parts.changed(parts.mesh(), [], [parts.peers("strict")])
    sent = parts.peers("b", mtls={"mode": "STRICT"})

    report = look(examine, world(*rest, young, old), [Item(sent, 70)], "AMB0713")

    assert told(report) == ["warning AMB0713 PeerAuthentication shop/a"]


def test_what_may_not_be_listed_is_skipped_and_the_rest_is_looked_at(world: Any, examine: Any) -> None:
    report = examine(world(*parts.mesh(), denied=("RequestAuthentication",)), POLICIES)

    skipped = {result.check.code: result.detail for result in report.results if result.status == "skipped"}
    assert set(skipped) == {"AMB0704", "AMB0705", "AMB0706", "AMB0716", "AMB0731", "AMB0734", "AMB0739", "AMB0745"}
    assert set(skipped.values()) == {"no right to list RequestAuthentication"}
    assert told(report) == []
    report = examine(world(*parts.mesh(), denied=("Namespace",)), POLICIES)
    assert {each.status for each in report.results if each.check.code != "AMB0744"} == {"skipped"}  # one ConfigMap


def options(**given: Any) -> dict[str, Any]:
    defaults = {option: spec.get("default") for option, spec in check.SPEC.items()}
    return {**defaults, "phase": ["policies"], "source": "tree", **given}


def test_a_tree_is_looked_at_as_written_and_no_cluster_is_asked(tmp_path: Path) -> None:
    for number, obj in enumerate([*parts.mesh(), CLOSED]):
        (tmp_path / f"{number}.json").write_text(json.dumps({k: v for k, v in obj.items() if k != "status"}))

    result = examine(Request.of(options(tree=[str(tmp_path)])), {}).result

    assert [(each["code"], each["object"]) for each in result["findings"]] == [
        ("AMB0701", "AuthorizationPolicy shop/it")
    ]
    status = {each["code"]: (each["status"], each["detail"]) for each in result["checks"]}
    assert "AMB0101" not in status
    assert status["AMB0702"] == ("pass", "as written")
    assert status["AMB0734"] == ("skipped", "manifests have no status")
    assert result["refusal"].startswith("AMB0701 AuthorizationPolicy shop/it: ztunnel enforces it")


def test_what_a_tree_lacks_is_a_warning_at_most(tmp_path: Path) -> None:
    lonely = parts.policy(targetRefs=parts.TO_CART, rules=[parts.rule(principals=[parts.WEB])])
    file = tmp_path / "one.json"
    file.write_text(json.dumps(lonely))

    result = examine(Request.of(options(tree=[str(file)])), {}).result

    assert [(each["code"], each["severity"]) for each in result["findings"]] == [
        ("AMB0704", "warning"),
        ("AMB0727", "info"),
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"phase": ["pre", "policies"], "tree": ["x"]}, "phase: a tree tells about policies only"),
        ({"tree": []}, "tree: names no file or folder"),
        ({"source": "cluster", "tree": ["x"]}, "tree: a tree was given, and the cluster is the source"),
        ({"tree": ["/does/not/exist"]}, "/does/not/exist"),
    ],
)
def test_options_that_do_not_fit_are_one_clear_error(given: dict[str, Any], words: str) -> None:
    with pytest.raises(AmbientError) as caught:
        Request.of(options(**given))
    assert words in str(caught.value)
