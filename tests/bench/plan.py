# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to read, compute and plan many namespaces with a waypoint each; no cluster is involved."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.adoption.meaning import told
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.steps import (
    batches,
    by_namespace,
    changing,
    in_steps,
)
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import (
    Facts,
    NamespaceFacts,
    Policy,
    Service,
    Workload,
)
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.spec import MeshSpec
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.waypoints import waypoint_items

SIZES = [100, 1000, 3000]
BAR = 5.0  # seconds for 1,000 namespaces
BAR_AT = 1000
_SERVICES = 5  # in each namespace


def measure(sizes: Sequence[int], say: Callable[[str], None]) -> dict[int, float]:
    """The seconds of processor time by the number of namespaces: the machine may be busy with something else."""
    found = {}
    for count in sizes:
        mesh, facts = declaration(count), facts_of(count)
        start, clock = time.process_time(), time.perf_counter()
        namespaces, objects = plan(mesh, facts)
        found[count], passed = time.process_time() - start, time.perf_counter() - clock
        say(f"plan of {namespaces} namespaces, {objects} objects: {found[count]:.2f} s, {passed:.2f} s by the clock")
    return found


def plan(declared: dict[str, Any], facts: Facts) -> tuple[int, int]:
    """Everything between the variable and the steps; how many namespaces change, and by how many objects."""
    mesh = parse_mesh(declared)
    waypoints = waypoint_items(mesh)
    target = by_namespace(namespace_items(mesh, [], facts))
    entries = [_entry(item) for items in target.values() for item in items]
    names = changing(mesh, entries, "namespaces")
    steps = {name: in_steps([], target[name], []) for name in names}
    lines = _told(mesh, target, facts)
    if len(lines) < len(names) or sum(map(len, batches(names, 10))) != len(steps):
        raise AssertionError("a namespace was left out")
    return len(names), len(waypoints) + sum(len(items) for items in target.values())


def _told(mesh: MeshSpec, target: dict[str, list[Item]], facts: Facts) -> list[str]:
    return [line for each in mesh.namespaces for line in told(each, mesh, [], target[each.name], facts)]


def _entry(item: Item) -> dict[str, Any]:
    return {"object": str(item.identity), "action": "created", "role": "namespaces"}


def declaration(count: int) -> dict[str, Any]:
    """Namespaces in state l7, each with a waypoint, a Service bound by itself and one by its account."""
    names = [f"team-{number:04}" for number in range(count)]
    bound = {
        "state": "l7",
        "services": [{"name": "app-0", "waypoint": "waypoint"}],
        "service_accounts": [{"name": "account-1", "waypoint": "waypoint"}],
        "exceptions": [{"allow": "direct", "ports": [9090]}],
    }
    sizes = {"replicas": 2, "disruption_budget": {"min_available": 1}}
    return {
        "waypoints": [{"name": "waypoint", "namespace": name, **sizes} for name in names],
        "namespaces": [{"name": name, **bound} for name in names],
    }


def facts_of(count: int) -> Facts:
    """What is seen of as many namespaces."""
    numbers = range(_SERVICES)
    labels = [{"app": f"app-{number}"} for number in numbers]
    services = tuple(Service(f"app-{number}", labels[number]) for number in numbers)
    workloads = tuple(
        Workload("apps/v1", "Deployment", f"app-{number}", f"account-{number}", labels[number], labels[number], 2)
        for number in numbers
    )
    policies = (Policy("shop", "theirs", "ALLOW", labels[0], ({},)),)
    return Facts({f"team-{number:04}": NamespaceFacts(services, workloads, policies) for number in range(count)})
