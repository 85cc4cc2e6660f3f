# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a run: one workload, all Services before it, the waypoints, and what is attached to them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from routing import application, stock_envoy

from .cases import Plan
from .generate import CANARY_HEADER, GATED, OPEN
from .vocabulary import ISSUERS, NAMESPACE, PORTS

Object = dict[str, Any]
WAYPOINTS = (OPEN, GATED)


def canary(waypoint: str) -> str:
    """The Service that shows whether a waypoint has heard of everything."""
    return f"canary-{waypoint}"


def workload(echo_image: str) -> list[Object]:
    """The namespace, which is not in the mesh: what a waypoint decides does not depend on it. Then the workload."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": _use(OPEN)}}
    objects = application.objects(echo_image, NAMESPACE)
    (cart,) = (each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"] == "cart")
    account = next(each for each in objects if each["kind"] == "ServiceAccount")
    cart["spec"]["replicas"] = 1
    return [namespace, account, cart]


def waypoints() -> list[Object]:
    """Both waypoints, with what a stock Envoy needs."""
    found: list[Object] = []
    for name in WAYPOINTS:
        found += [*stock_envoy.objects(name, NAMESPACE), stock_envoy.gateway(name, NAMESPACE)]
    return found


def policies(plan: Plan, jwks: str, word: str) -> list[Object]:
    """All that is about who may call, the canaries' last: who has heard of these, and their word, has heard of all."""
    found: list[Object] = [
        _service(each.service, each.waypoint, "nobody" if each.routed_to else "cart") for each in plan.groups
    ]
    found += [_route(each.service, each.routed_to) for each in plan.groups if each.routed_to]
    found += [_service(canary(name), name) for name in WAYPOINTS]
    found += [_tokens(each.service, "Service", jwks) for each in plan.groups if each.tokens]
    found.append(_tokens(GATED, "Gateway", jwks))
    found += [_tokens(canary(name), "Service", jwks) for name in WAYPOINTS]
    found += map(dict, _attached(plan))
    return [*found, *(_canary_policy(name, word) for name in WAYPOINTS)]


def _attached(plan: Plan) -> Iterable[Mapping[str, Any]]:
    yield from plan.shared
    for group in plan.groups:
        yield from group.policies


def _use(waypoint: str) -> dict[str, str]:
    return {"istio.io/use-waypoint": waypoint}


def _service(name: str, waypoint: str, app: str = "cart") -> Object:
    ports = [{"name": f"http-{port}", "port": port, "targetPort": target} for port, target in PORTS.items()]
    metadata = {"name": name, "namespace": NAMESPACE, "labels": _use(waypoint)}
    spec = {"selector": {"app": app}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _route(service: str, backend: str) -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": service, "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": service}],
            "rules": [{"backendRefs": [{"name": backend, "port": 80}]}],
        },
    }


def _tokens(target: str, kind: str, jwks: str) -> Object:
    group = "gateway.networking.k8s.io" if kind == "Gateway" else ""
    rules = [{"issuer": issuer, "jwks": jwks} for issuer in ISSUERS]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": f"tokens-{target}", "namespace": NAMESPACE},
        "spec": {"targetRefs": [{"kind": kind, "group": group, "name": target}], "jwtRules": rules},
    }


def _canary_policy(waypoint: str, word: str) -> Object:
    """Refuses who has the word in a header, and who has no token."""
    rules = [
        {"when": [{"key": f"request.headers[{CANARY_HEADER}]", "values": [word]}]},
        {"from": [{"source": {"notRequestPrincipals": ["*"]}}]},
    ]
    target = {"kind": "Service", "group": "", "name": canary(waypoint)}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": canary(waypoint), "namespace": NAMESPACE},
        "spec": {"targetRefs": [target], "action": "DENY", "rules": rules},
    }
