# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module namespace_objects: create, again, change, check mode, empty, exact errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import load_items
from unit.plugins.module_utils.mesh.mesh_world import policy, seen
from unit.plugins.modules.image_modules import run_module

Run = Callable[..., dict[str, Any]]
SHOP = {"name": "default", "namespaces": [{"name": "shop", "state": "l4"}]}
BLUE = [{"matchLabels": {"mesh": "blue"}}]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(check: bool = False, **args: Any) -> dict[str, Any]:
        return run_module("namespace_objects", check, **{"dest": str(tmp_path / "objects" / "namespaces.json"), **args})

    return call


def test_create_again_change_and_empty(run: Run) -> None:
    first = run(mesh=SHOP)
    assert (first["changed"], first["count"], first["enrolled"], first["released"]) == (True, 1, ["shop"], [])

    path = Path(first["file"])
    written = path.read_bytes(), path.stat().st_mtime_ns
    assert run(mesh=SHOP)["changed"] is False
    assert (path.read_bytes(), path.stat().st_mtime_ns) == written

    off = {"namespaces": [{"name": "shop", "state": False}]}
    changed = run(mesh=off)
    assert (changed["changed"], changed["released"]) == (True, ["shop"])
    (item,) = load_items([path]).items
    assert (item.patch, item.releases, item.gone) == (True, True, ("istio.io/dataplane-mode",))

    empty = run(mesh={})
    assert (empty["changed"], empty["count"]) == (True, 0)
    assert load_items([path]).items == []


def test_check_mode_says_what_would_change_and_writes_nothing(run: Run) -> None:
    result = run(mesh=SHOP, check=True)
    assert result["changed"] is True
    assert not Path(result["file"]).exists()

    run(mesh=SHOP)
    before = Path(result["file"]).read_bytes()
    assert run(mesh=SHOP, check=True)["changed"] is False
    assert run(mesh={}, check=True)["changed"] is True
    assert Path(result["file"]).read_bytes() == before


def test_discovery_labels_come_along(run: Run) -> None:
    result = run(mesh=SHOP, discovery_selectors=BLUE)

    assert [(item.wave, item.manager, item.object["metadata"]) for item in load_items([result["file"]]).items] == [
        (-30, "alauda.ambient/discovery", {"name": "shop", "labels": {"mesh": "blue"}}),
        (50, "alauda.ambient/enrolment", {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}}),
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "missing required arguments: mesh"),
        (
            {"mesh": "shop"},
            "ambient_mesh: a string where a mapping is expected. Write name, namespaces, waypoints under it",
        ),
        (
            {"mesh": {"namespaces": [{"name": "shop", "state": "of"}]}},
            "ambient_mesh.namespaces[0].state: 'of' is not a state. Did you mean off?",
        ),
        (
            {"mesh": SHOP, "discovery_selectors": [{}]},
            "ambient_discovery_selectors[0]: a label selector is expected. Use matchLabels or matchExpressions",
        ),
    ],
)
def test_an_error_is_told_exactly(run: Run, args: dict[str, Any], message: str) -> None:
    result = run(**args)

    assert (result["failed"], result["msg"]) == (True, message)


def test_policies_that_come_in_the_same_run_get_the_waypoint_admitted(run: Run, tmp_path: Path) -> None:
    """Also without a cluster: a tree that is rendered admits it, too."""
    mesh = {"namespaces": [{"name": "shop", "state": "l7"}], "waypoints": [{"name": "waypoint", "namespace": "shop"}]}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "cart"}}}
    spec["rules"] = [{"from": [{"source": {"principals": ["cluster.local/ns/web/sa/front"]}}]}]
    metadata = {"name": "front-may", "namespace": "shop"}
    policy = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}
    manifests = tmp_path / "policies.json"
    manifests.write_text(json.dumps({"role": "policies", "items": [{"object": policy}]}))

    def admits() -> list[Any]:
        items = load_items([tmp_path / "objects/namespaces.json"]).items
        return [item.object["spec"] for item in items if item.identity.name.startswith("ambient-admit-")]

    run(mesh=mesh)
    assert admits() == []
    run(mesh=mesh, manifests=str(manifests))
    (admitted,) = admits()
    assert admitted["selector"] == spec["selector"]
    assert admitted["rules"] == [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/waypoint"]}}]}]

    manifests.write_text(
        json.dumps({"role": "policies", "items": [{"object": {**policy, "spec": {**spec, "action": "DENY"}}}]})
    )
    assert "denies by who the client is" in run(mesh=mesh, manifests=str(manifests))["msg"]


L7 = {"namespaces": [{"name": "shop", "state": "l7"}], "waypoints": [{"name": "waypoint", "namespace": "shop"}]}
BY_CLIENT = [{"from": [{"source": {"principals": ["cluster.local/ns/web/sa/front"]}}]}]


@pytest.fixture
def told(run: Run, tmp_path: Path) -> Callable[..., str]:
    """What becomes of a policy that is there and of the same one in a manifest: refused, admitted, or nothing."""

    def call(live: bool, action: str, where: str = "shop", asleep: bool = False, **annotations: str) -> str:
        there = (policy("it", action, BY_CLIENT, where),) if live else ()
        facts = seen(policies=() if where == "istio-system" else there, root=there if where == "istio-system" else ())
        (tmp_path / "facts.json").write_text(replace(facts, asleep=((where, "it"),) if asleep else ()).to_json())
        metadata = {"name": "it", "namespace": where, "annotations": annotations}
        spec = {"action": action, "rules": BY_CLIENT}
        obj = {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": metadata,
            "spec": spec,
        }
        manifests = tmp_path / "policies.json"
        manifests.write_text(json.dumps({"role": "policies", "items": [{"object": obj}]}))
        result = run(mesh=L7, manifests=str(manifests), facts=str(tmp_path / "facts.json"))
        if result.get("failed"):
            return str(result["msg"]).rpartition("denies")[1] and "refused"
        found = load_items([result["file"]]).items
        return "admitted" if any(item.identity.name.startswith("ambient-admit-") for item in found) else "nothing"

    return call


@pytest.mark.parametrize("where", ["shop", "istio-system"])
@pytest.mark.parametrize(("action", "says"), [("ALLOW", "admitted"), ("DENY", "refused")])
def test_what_a_manifest_puts_to_sleep_or_wakes_counts_as_it_will_be(
    told: Callable[..., str], where: str, action: str, says: str
) -> None:
    for live in (True, False):
        assert told(live, action, where) == says
        assert told(live, action, where, **{"istio.io/dry-run": "false"}) == says
        assert told(live, action, where, **{"istio.io/dry-run": "1"}) == "nothing"


@pytest.mark.parametrize(("action", "says"), [("ALLOW", "admitted"), ("DENY", "refused")])
def test_a_dry_run_that_others_hold_ends_only_where_the_manifest_says_so(
    told: Callable[..., str], action: str, says: str
) -> None:
    assert told(False, action, asleep=True) == "nothing"
    assert told(False, action, asleep=True, **{"istio.io/dry-run": "false"}) == says


@pytest.mark.parametrize("trust", ["", "spiffe://cluster.local", "cluster.local/ns", "a b", "*"])
def test_a_trust_domain_that_no_principal_begins_with_is_refused(run: Run, trust: str) -> None:
    told = run(mesh=SHOP, trust_domain=trust)["msg"]
    what = f"{trust!r} is no trust domain" if trust else "is empty"
    assert told == f"trust_domain: {what}. Write the name alone, such as cluster.local (ambient_trust_domain)"
