# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh that is well, and how its objects are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Object = dict[str, Any]

SECURITY, NETWORKING = "security.istio.io/v1", "networking.istio.io/v1"
GATEWAY_API, WASM = "gateway.networking.k8s.io/v1", "extensions.istio.io/v1alpha1"
AMBIENT = {"istio.io/dataplane-mode": "ambient"}
USE, USE_FROM = "istio.io/use-waypoint", "istio.io/use-waypoint-namespace"
FOR, INGRESS = "istio.io/waypoint-for", "istio.io/ingress-use-waypoint"
CART = {"app": "cart"}
WAYPOINT = "cluster.local/ns/shop/sa/waypoint"
WEB = "cluster.local/ns/web/sa/web"
TO_CART = [{"group": "", "kind": "Service", "name": "cart"}]
READY = {"conditions": [{"type": "Programmed", "status": "True"}], "addresses": [{"value": "10.0.0.1"}]}
#: Kinds that are no part of the world of policies, and that checks look at.
OTHERS = ("Sidecar", "NetworkPolicy", "EnvoyFilter", "Telemetry", "TrafficExtension", "TCPRoute", "TLSRoute")
VERSIONS = {
    "Namespace": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    **dict.fromkeys(("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"), SECURITY),
    **dict.fromkeys(("VirtualService", "DestinationRule", "ServiceEntry", "Sidecar"), NETWORKING),
    **dict.fromkeys(("Gateway", "HTTPRoute", "GRPCRoute"), GATEWAY_API),
    **dict.fromkeys(("TCPRoute", "TLSRoute"), GATEWAY_API),
    **dict.fromkeys(("WasmPlugin", "TrafficExtension"), WASM),
    "EnvoyFilter": "networking.istio.io/v1alpha3",
    "Telemetry": "telemetry.istio.io/v1",
}


def make(kind: str, name: str, namespace: str = "shop", **parts: Any) -> Object:
    """An object; `labels`, `annotations` and `creationTimestamp` go into its metadata, None for no namespace."""
    metadata: Object = {"name": name, **({} if kind == "Namespace" else {"namespace": namespace})}
    metadata |= {key: parts.pop(key) for key in ("labels", "annotations", "creationTimestamp") if key in parts}
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata, **parts}


def namespace(name: str, **labels: str) -> Object:
    return make("Namespace", name, labels=labels)


def service(name: str = "cart", where: str = "shop", labels: Any = None, **spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    content = {"selector": {"app": name}, "ports": ports, **spec}
    return make("Service", name, where, labels={USE: "waypoint"} if labels is None else labels, spec=content)


def deployment(name: str, where: str = "shop", labels: Any = None, own: Any = None, **spec: Any) -> Object:
    pod_labels = {"app": name, **(labels or {})}
    pod = {"serviceAccountName": name, "containers": [{"name": "main", "image": "none.invalid/x"}]}
    template = {"metadata": {"labels": pod_labels}, "spec": pod}
    content = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return make("Deployment", name, where, labels=own or {}, spec=content)


def waypoint(status: Any = None, routes: str = "", **labels: str) -> Object:
    listener: Object = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
    if routes:
        listener["allowedRoutes"] = {"namespaces": {"from": routes}}
    spec = {"gatewayClassName": "istio-waypoint", "listeners": [listener]}
    return make("Gateway", "waypoint", labels=labels, spec=spec, status=READY if status is None else status)


def ingress(name: str = "edge", where: str = "web") -> Object:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    return make("Gateway", name, where, spec={"gatewayClassName": "istio", "listeners": [listener]})


def policy(name: str = "it", where: str = "shop", rules: Any = None, annotations: Any = None, **spec: Any) -> Object:
    content = {**spec, **({} if rules is None else {"rules": rules})}
    return make("AuthorizationPolicy", name, where, annotations=annotations or {}, spec=content)


def rule(to: Any = None, when: Any = None, **source: Any) -> Object:
    found: Object = {"from": [{"source": source}]} if source else {}
    found |= {"to": [{"operation": to}]} if to else {}
    return found | ({"when": when} if when else {})


def peers(name: str, where: str = "shop", selector: Any = None, created: str = "", **spec: Any) -> Object:
    content = {**({"selector": {"matchLabels": selector}} if selector else {}), **spec}
    age = {"creationTimestamp": created} if created else {}
    return make("PeerAuthentication", name, where, spec=content, **age)


def route(kind: str = "HTTPRoute", where: str = "shop", name: str = "way", **spec: Any) -> Object:
    return make(kind, name, where, spec={"parentRefs": TO_CART, **spec})


def selected(**labels: str) -> Object:
    return {"matchLabels": labels or CART}


LOCK_DOWN = policy("locked", action="DENY", selector=selected(), rules=[rule(notPrincipals=[WAYPOINT])])


def mesh() -> list[Object]:
    """Two namespaces in ambient mode; cart is called through a waypoint, and its pods take calls from it alone."""
    return [
        namespace("istio-system"),
        namespace("shop", **AMBIENT),
        namespace("web", **AMBIENT),
        namespace("old", **{"istio-injection": "enabled"}),
        *(make("ServiceAccount", name, where) for where, name in (("shop", "cart"), ("shop", "db"), ("web", "web"))),
        deployment("cart"),
        deployment("db"),
        deployment("web", "web"),
        service(),
        service("db", labels={}),
        service("web", "web", labels={}),
        waypoint(),
        LOCK_DOWN,
        policy("of-cart", targetRefs=TO_CART, rules=[rule({"methods": ["GET"], "ports": ["80"]}, principals=[WEB])]),
        policy("of-db", selector=selected(app="db"), rules=[rule({"ports": ["8080"]}, principals=[WEB])]),
        peers("strict", mtls={"mode": "STRICT"}),
    ]


def changed(objects: Sequence[Object], changes: Sequence[Object], without: Sequence[Object] = ()) -> list[Object]:
    """The objects with others in their place or added."""
    found = {_key(obj): obj for obj in objects}
    for obj in without:
        found.pop(_key(obj))
    return list((found | {_key(obj): obj for obj in changes}).values())


def _key(obj: Object) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
