# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to read many Services with their policies, and to say who may call them; no cluster is involved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.authz.answering import can
from ansible_collections.alauda.ambient.plugins.module_utils.authz.asking import Question
from ansible_collections.alauda.ambient.plugins.module_utils.authz.judging import Judge
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matrix import matrix
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World

SIZES = [100, 1000, 10000]
MATRIX_UP_TO = 1000  # Services; a hundred million pairs serve nobody
BAR = 20.0  # seconds for the matrix of 1,000 Services
BAR_AT = 1000
_IN_A_NAMESPACE = 10
_READY = {"conditions": [{"type": "Programmed", "status": "True"}], "addresses": [{"value": "10.0.0.1"}]}


def measure(sizes: Sequence[int], say: Callable[[str], None]) -> dict[int, float]:
    """The seconds of processor time of the matrix, by the number of Services."""
    found = {}
    for services in sizes:
        objects = list(objects_of(services))
        start = time.process_time()
        world = World.of(objects, True)
        judge = Judge(world)
        accounts = len(world.accounts)
        read = time.process_time()
        for service in world.services:
            can(world, Question(("team-0000", "app-0"), service), judge)
        asked = time.process_time()
        say(
            f"{services} Services, {len(world.policies)} policies, {accounts} accounts: read in {read - start:.2f} s, "
            f"asked of each in {asked - read:.2f} s ({(asked - read) / services * 1000:.2f} ms a question)"
        )
        if services <= MATRIX_UP_TO:
            start = time.process_time()
            rows = matrix(world).rows
            found[services] = time.process_time() - start
            each = found[services] / services * 1000
            say(f"  matrix of {len(rows)} x {accounts}: {found[services]:.2f} s ({each:.2f} ms a Service)")
    return found


def objects_of(services: int, in_a_namespace: int = _IN_A_NAMESPACE) -> Iterator[dict[str, Any]]:
    """Namespaces in the mesh, every second one with a waypoint; each Service has a policy."""
    for number in range((services + in_a_namespace - 1) // in_a_namespace):
        space = f"team-{number:04}"
        through = number % 2 == 0
        labels = {"istio.io/dataplane-mode": "ambient", **({"istio.io/use-waypoint": "waypoint"} if through else {})}
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": labels}}
        if through:
            yield _waypoint(space)
        for at in range(min(in_a_namespace, services - number * in_a_namespace)):
            yield from _application(space, f"app-{at}", through, number, at)


def _waypoint(space: str) -> dict[str, Any]:
    listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "waypoint", "namespace": space},
        "spec": {"gatewayClassName": "istio-waypoint", "listeners": [listener]},
        "status": _READY,
    }


def _application(space: str, name: str, through: bool, number: int, at: int) -> Iterator[dict[str, Any]]:
    meta = {"name": name, "namespace": space}
    labels = {"app": name}
    port = {"port": 80, "targetPort": 8080}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": [port]}}
    template = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": name, "containers": []}}
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    callers = [f"{space}/app-{(at + 1) % _IN_A_NAMESPACE}", f"team-{number // 2:04}/app-0"]
    rules: list[dict[str, Any]] = [
        {"from": [{"source": {"serviceAccounts": callers}}]},
        {"from": [{"source": {"namespaces": [f"team-{number // 3:04}"]}}]},
    ]
    spec: dict[str, Any] = {"action": "ALLOW", "rules": rules, "selector": {"matchLabels": labels}}
    if through:
        rules[0]["to"] = [{"operation": {"methods": ["GET"], "paths": ["/api/*"]}}]
        spec = {"action": "ALLOW", "rules": rules, "targetRefs": [{"kind": "Service", "name": name}]}
    yield {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": f"allow-{name}", "namespace": space},
        "spec": spec,
    }
