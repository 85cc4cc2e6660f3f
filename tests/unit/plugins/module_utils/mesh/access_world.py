# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call by the objects that a declaration comes to, as the proxies themselves would decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.authz.deciding import decide
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import Call, Proxy
from ansible_collections.alauda.ambient.plugins.module_utils.authz.reading import overlay
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item

NAMESPACES = ("shop", "pay")
SERVICES = ("cart", "web")
WAYPOINTS = (("shop", "waypoint"), ("shop", "second"), ("pay", "waypoint"))
TRUST = "cluster.local"


def _object(version: str, kind: str, namespace: str, name: str, spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _static() -> Iterable[dict[str, Any]]:
    for namespace in NAMESPACES:
        yield _object("v1", "Namespace", "", namespace, {})
        for name in SERVICES:
            labels, ports = {"app": name}, [{"port": 80, "targetPort": 8080}]
            yield _object("v1", "Service", namespace, name, {"selector": labels, "ports": ports})
            template = {"metadata": {"labels": labels}, "spec": {}}
            yield _object("apps/v1", "Deployment", namespace, name, {"template": template})
    for namespace, name in WAYPOINTS:
        spec = {"gatewayClassName": "istio-waypoint"}
        yield _object("gateway.networking.k8s.io/v1", "Gateway", namespace, name, spec)


STATIC = list(_static())


def account(name: str) -> str:
    """The principal of a service account, `NAMESPACE/NAME`."""
    return f"{TRUST}/ns/{name.replace('/', '/sa/')}"


def world_of(items: Iterable[Item]) -> World:
    return World.of(overlay(STATIC, items), live=False)


def may(world: World, service: tuple[str, str], principal: str, **request: Any) -> bool:
    """Whether a call to the Service is let through by all proxies on the way that its labels say.

    `direct=True`: to the pods' address, past any waypoint.
    """
    direct = request.pop("direct", False)
    there = world.services[service]
    ref = None if direct else world.waypoint_named(there)
    if ref is not None:
        call = Call(principal, **{"port": 80, "method": "GET", "path": "/", "host": "a.example", **request})
        if not decide(world.at_waypoint(ref, there), call, Proxy.WAYPOINT).allowed:
            return False
        principal = ref.principal(TRUST)
    pods = [pod for pod in world.behind(there) if world.captured(pod)]
    call = Call(principal, port=8080)
    return all(decide(world.at_pods(pod), call, Proxy.ZTUNNEL).allowed for pod in pods)


def allowed(items: Iterable[Item], callers: Sequence[str], methods: Sequence[str] = ("GET", "PUT")) -> set[Any]:
    """Every call that is let through: (namespace, Service, principal, method)."""
    world = world_of(items)
    return {
        (namespace, name, caller, method)
        for namespace, name in world.services
        for caller in callers
        for method in methods
        if may(world, (namespace, name), caller, method=method)
    }
