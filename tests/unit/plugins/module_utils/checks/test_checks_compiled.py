# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ambient_mesh` comes to raises no alarm: with who may call what, with and without a waypoint, on the way out."""

from __future__ import annotations

from typing import Any

import policy_mesh as parts
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_table import POLICIES
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_world import Planned, Seen, read
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.patches import ENROLMENT_MANAGER
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.survey import survey
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.waypoints import waypoint_items

ROLES = frozenset(("namespaces", "policies", "waypoints"))
WAYPOINTS = [{"name": "waypoint", "namespace": "shop", "replicas": 2}]
WEB = {"service_account": "web/web"}
TOKEN = {"issuer": "https://i.example", "jwks_uri": "https://i.example/keys"}
L7 = [
    {"to": {"service": "cart"}, "from": [WEB], "methods": ["GET"], "paths": ["/a/*"]},
    {"to": {"service": "db"}, "from": [{"namespace": "web"}]},
    {"from": [{"any": True}], "ports": [8080]},
]
L4 = [
    {"to": {"service_account": "cart"}, "from": [WEB], "ports": [8080]},
    {"to": {"service": "db"}, "from": [{"service": "cart"}]},
]
MIXED = [
    {"to": {"service": "cart"}, "from": [WEB, {"namespace": "shop"}], "hosts": ["a.example"], "jwt": TOKEN},
    {"to": {"service": "db"}, "from": [{"service": "cart"}], "ports": [80]},
]
OPEN = [{"to": {"service": "web"}, "from": [{"any": True}]}]
DECLARED: dict[str, Any] = {
    "l7": {
        "waypoints": WAYPOINTS,
        "namespaces": [
            {"name": "shop", "state": "l7", "default_deny": True, "access": L7},
            {"name": "web", "state": "l4"},
        ],
    },
    "l4": {
        "namespaces": [
            {"name": "shop", "state": "l4-strict", "default_deny": True, "access": L4},
            {"name": "web", "state": "l4", "access": OPEN},
        ]
    },
    "single Services": {
        "waypoints": WAYPOINTS,
        "namespaces": [
            {
                "name": "shop",
                "state": "l4-strict",
                "access": MIXED,
                "services": [{"name": "cart", "waypoint": "waypoint"}],
            },
            {"name": "web", "state": "l4"},
        ],
    },
    "off": {"namespaces": [{"name": "shop", "state": "off"}, {"name": "web", "state": "off"}]},
}


def bare() -> list[Any]:
    """The users' objects before there is any mesh."""
    kept = ("Namespace", "Service", "ServiceAccount", "Deployment")
    found = [obj for obj in parts.mesh() if obj["kind"] in kept]
    return [{**obj, "metadata": {**obj["metadata"], "labels": {}}} for obj in found]


def compiled(world: Any, declared: Any) -> list[Item]:
    mesh = parse_mesh(declared)
    return [*waypoint_items(mesh), *namespace_items(mesh, [], survey(world(*bare()), mesh))]


def held(obj: Any) -> Any:
    """With its labels held by the enrolment, as they are once it has set them."""
    labels = obj["metadata"].get("labels") or {}
    fields = {"f:metadata": {"f:labels": {f"f:{label}": {} for label in labels}}}
    entry = {"manager": ENROLMENT_MANAGER, "fieldsV1": fields}
    return {**obj, "metadata": {**obj["metadata"], "managedFields": [entry]}}


def seen(world: Any, objects: list[Any], items: list[Item]) -> Seen:
    return read(Snapshot(world(*objects)), Planned(items, ROLES))


@pytest.mark.parametrize("name", DECLARED)
def test_what_is_declared_raises_no_alarm(world: Any, examine: Any, name: str) -> None:
    items = compiled(world, DECLARED[name])

    report = examine(world(*bare()), POLICIES, policies=Planned(items, ROLES), known_errors_warn=True)

    assert [str(finding) for finding in report.findings] == []
    assert items


@pytest.mark.parametrize("before", DECLARED)
@pytest.mark.parametrize("after", DECLARED)
def test_no_way_from_one_to_another_is_refused(world: Any, examine: Any, before: str, after: str) -> None:
    there = seen(world, bare(), compiled(world, DECLARED[before])).after
    objects = [held(obj) for group in there.world.objects.values() for obj in group]
    items = compiled(world, DECLARED[after])

    report = examine(world(*objects), POLICIES, policies=Planned(items, ROLES), known_errors_warn=True)

    assert [str(finding) for finding in report.findings if finding.severity == "error"] == []
