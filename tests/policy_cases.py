# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For each check of policies what makes a mesh ill, and what is near that and fine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policy_mesh import (
    AMBIENT,
    CART,
    FOR,
    INGRESS,
    TO_CART,
    USE,
    USE_FROM,
    WAYPOINT,
    WEB,
    Object,
    deployment,
    ingress,
    make,
    namespace,
    peers,
    policy,
    route,
    rule,
    selected,
    service,
    waypoint,
)


@dataclass(frozen=True)
class Case:
    """What is planted over the mesh where a check finds something, and what where it passes.

    Attributes:
        object, words: of the finding.
        without: what is taken out of the mesh in both.
    """

    code: str
    object: str
    words: str
    bad: tuple[Object, ...]
    good: tuple[Object, ...] = ()
    severity: str = "error"
    without: tuple[Object, ...] = ()


IT = "AuthorizationPolicy shop/it"
DB = selected(app="db")
GET = {"methods": ["GET"]}
TO_DB = [{"kind": "Service", "name": "db"}]
TO_PLAIN = [{"kind": "Service", "name": "plain"}]
TO_WAYPOINT = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}]
DRY = {"istio.io/dry-run": "true"}
NOT_READY = {"conditions": [{"type": "Programmed", "status": "False"}]}
STRICT = peers("strict", mtls={"mode": "STRICT"})
TO_OUT = [{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "out"}]
TO_CLASS = [{"group": "gateway.networking.k8s.io", "kind": "GatewayClass", "name": "istio-waypoint"}]
TO_EDGE = [{"name": "edge", "namespace": "web"}]
BACKEND = [{"backendRefs": [{"name": "cart", "port": 80}]}]
FROM_EDGE = route(name="in", parentRefs=TO_EDGE, rules=BACKEND)
NEVER = {"type": "ZtunnelAccepted", "status": "False", "reason": "UnsupportedValue", "message": "no"}
OPENED = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"ports": [{"port": 15008}, {"port": 8080}]}]}


def hosted_out(**parts: Any) -> Object:
    return make("ServiceEntry", "out", spec={"hosts": ["out.example.com"]}, **parts)


def hosted(kind: str, **spec: Any) -> Object:
    return make(kind, "way", spec=spec)


def networked(app: str, *ports: int) -> Object:
    return {"podSelector": {"matchLabels": {"app": app}}, "ingress": [{"ports": [{"port": port} for port in ports]}]}


def ranged(first: int, last: int | None) -> Object:
    return {**networked("lone"), "ingress": [{"ports": [{"port": first, "endPort": last}]}]}


def with_waypoint(obj: Object, name: str, where: str = "") -> Object:
    labels = {**obj["metadata"].get("labels", {}), USE: name, **({USE_FROM: where} if where else {})}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


def one_pod(replicas: int) -> Object:
    own = {"gateway.networking.k8s.io/gateway-name": "waypoint"}
    return deployment("waypoint", own=own, labels=own, replicas=replicas)


def told(obj: Object, *conditions: Object) -> Object:
    return {**obj, "status": {"conditions": list(conditions)}}


def mesh_config(text: str) -> Object:
    return make("ConfigMap", "istio", "istio-system", labels={"istio.io/rev": "default"}, data={"mesh": text})


def of_gateway(name: str) -> Object:
    return {"matchLabels": {"gateway.networking.k8s.io/gateway-name": name}}


def l4(**source: Any) -> list[Object]:
    return [rule(**source)]


def tokens(targets: Any) -> Object:
    rules = [{"issuer": "https://id.example", "jwksUri": "https://id.example/keys"}]
    return make("RequestAuthentication", "tokens", spec={"targetRefs": targets, "jwtRules": rules})


TOKEN = rule({"ports": ["80"]}, requestPrincipals=["https://id.example/*"])
CLAIM = rule(when=[{"key": "request.auth.claims[groups]", "values": ["admin"]}])
TO_FRONT = [{"kind": "Service", "name": "front"}]
FRONT = service("front")
VIA_FRONT = hosted("VirtualService", hosts=["front"], http=[{"route": [
    {"destination": {"host": "cart", "port": {"number": 80}}}]}])  # fmt: skip
CART_ALONE = {"host": "cart"}
MIRROR = [{"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "cart", "port": 80}}}]}]
SUBSETS = hosted("DestinationRule", host="cart", subsets=[{"name": "v1", "labels": {"version": "v1"}}])
LONE = deployment("lone", "old", labels=AMBIENT)
CASES = (
    Case("AMB0701", IT, "rules that speak of methods (2) never match, and allow nobody",
         (policy(selector=DB, rules=[rule(principals=[WEB]), rule(GET, namespaces=["web"])]),),
         (policy(selector=DB, rules=[rule({"ports": ["8080"]}, namespaces=["web"])]),)),
    Case("AMB0701", IT, "rules that speak of paths (1) deny nobody",
         (policy(action="DENY", rules=[rule({"paths": ["/admin"]}, namespaces=["web"])]),),
         (policy(action="DENY", targetRefs=TO_CART, rules=[rule({"paths": ["/admin"]})]),)),
    Case("AMB0701", IT, "rules that speak of paths (2) lose that part, and deny more",
         (policy(action="DENY", selector=DB, rules=[rule({"ports": ["9"]}), rule({"paths": ["/a"], "ports": ["9"]})]),),
         (policy(action="DENY", selector=DB, rules=[rule({"ports": ["9"]})]),)),
    Case("AMB0701", IT, "rules that speak of methods (1) deny nobody in that part",
         (policy(action="DENY", selector=DB, rules=[
             {"to": [{"operation": GET}, {"operation": {"ports": ["8080"]}}]}]),),
         (policy(action="DENY", selector=DB, rules=l4(trustDomains=["other.example"])),)),
    Case("AMB0702", IT, "does not know the action CUSTOM",
         (policy(action="CUSTOM", selector=DB, provider={"name": "opa"}, rules=[{}]),),
         (policy(action="CUSTOM", targetRefs=TO_CART, provider={"name": "opa"}, rules=[{}]),)),
    Case("AMB0702", IT, "does not know the action AUDIT", (policy(action="AUDIT", selector=DB, rules=[{}]),),
         severity="warning"),
    Case("AMB0703", IT, "is in dry run", (policy(selector=DB, annotations=DRY, rules=l4(principals=[WEB])),),
         (policy(targetRefs=TO_CART, annotations=DRY, rules=l4(principals=[WEB])),), "warning"),
    Case("AMB0704", IT, "Service shop/kart, which does not exist",
         (policy(targetRefs=[{"kind": "Service", "name": "kart"}], rules=l4(principals=[WEB])),),
         (policy(targetRefs=TO_CART, rules=l4(namespaces=["web"])),)),
    Case("AMB0704", "RequestAuthentication shop/it", "GatewayClass outside of namespace istio-system",
         (make("RequestAuthentication", "it", spec={"targetRefs": TO_CLASS}),),
         (make("RequestAuthentication", "it", "istio-system", spec={"targetRefs": TO_CLASS}),)),
    Case("AMB0704", "TrafficExtension shop/it", "Gateway shop/none, which does not exist",
         (make("TrafficExtension", "it", spec={"targetRefs": [{"kind": "Gateway", "name": "none"}]}),),
         (make("TrafficExtension", "it", spec={"targetRefs": TO_WAYPOINT}),)),
    Case("AMB0705", "AuthorizationPolicy web/it", "which stands in namespace shop",
         (policy("it", "web", targetRefs=TO_WAYPOINT),), (policy(targetRefs=TO_WAYPOINT),)),
    Case("AMB0706", IT, "Service shop/db, which has no waypoint: nobody enforces it",
         (policy(targetRefs=TO_DB, rules=l4(principals=[WEB])),),
         (policy(targetRefs=TO_CART, rules=l4(principals=[WEB])),)),
    Case("AMB0706", "AuthorizationPolicy shop/of-cart", "names waypoint shop/waypoint, which is not ready",
         (waypoint(status=NOT_READY),)),
    Case("AMB0706", "AuthorizationPolicy shop/of-cart", "which is for workload and not for Services",
         (waypoint(**{FOR: "workload"}),), (waypoint(**{FOR: "all"}),)),
    Case("AMB0706", "AuthorizationPolicy web/it", "names waypoint shop/waypoint, which does not take namespace web",
         (service("web", "web", {USE: "waypoint", USE_FROM: "shop"}),
          policy("it", "web", targetRefs=[{"kind": "Service", "name": "web"}])),
         (service("web", "web", {USE: "waypoint", USE_FROM: "shop"}), waypoint(routes="All"),
          policy("it", "web", targetRefs=[{"kind": "Service", "name": "web"}]))),
    Case("AMB0706", IT, "ServiceEntry shop/out, which has no waypoint: nobody enforces it",
         (hosted_out(), policy(targetRefs=TO_OUT)),
         (hosted_out(labels={USE: "waypoint"}), policy(targetRefs=TO_OUT))),
    Case("AMB0706", IT, "Gateway shop/waypoint, which is not ready",
         (policy(targetRefs=TO_WAYPOINT), waypoint(status={})), (policy(targetRefs=TO_WAYPOINT),)),
    Case("AMB0707", "HTTPRoute shop/way", "Service shop/db, which has no waypoint: nobody follows it",
         (route(parentRefs=TO_DB),), (route(),)),
    Case("AMB0707", "GRPCRoute shop/way", "Service shop/none, which does not exist",
         (route("GRPCRoute", parentRefs=[{"kind": "Service", "name": "none"}]),), (route("GRPCRoute"),)),
    Case("AMB0707", "VirtualService shop/way", "clients in ambient mode do not follow it",
         (hosted("VirtualService", hosts=["db.shop.svc.cluster.local"]),),
         (hosted("VirtualService", hosts=["cart", "example.com"]),), "warning"),
    Case("AMB0707", "TCPRoute shop/way", "Service shop/db, which has no waypoint: nobody follows it",
         (route("TCPRoute", parentRefs=TO_DB),), (route("TLSRoute"),)),
    Case("AMB0708", IT, "allows clients, but not waypoint shop/waypoint",
         (policy(selector=selected(), rules=l4(principals=[WEB])),),
         (policy(selector=selected(), rules=l4(principals=[WEB])),
          policy("admit", selector=selected(), rules=l4(principals=[WAYPOINT])))),
    Case("AMB0708", IT, "allows clients, but not waypoint shop/waypoint",
         (policy(selector=selected(), rules=[rule({"ports": ["80"]}, principals=[WAYPOINT])]),),
         (policy(selector=selected(), rules=[rule({"ports": ["8080"]}, principals=[WAYPOINT])]),)),
    Case("AMB0708", "AuthorizationPolicy shop/closed", "nobody comes through", (policy("closed"),),
         (policy("closed"), policy("admit", selector=selected(), rules=l4(principals=[WAYPOINT])))),
    Case("AMB0709", IT, "it denies nobody of them", (policy(action="DENY", rules=l4(principals=[WEB])),),
         (policy(action="DENY", targetRefs=TO_CART, rules=l4(principals=[WEB])),)),
    Case("AMB0709", IT, "nobody comes through", (policy(action="DENY", rules=l4(notNamespaces=["web"])),),
         (policy(action="DENY", rules=l4(notNamespaces=["web", "shop"])),)),
    Case("AMB0710", IT, "whoever speaks it is let in",
         (peers("strict", mtls={"mode": "PERMISSIVE"}), policy(action="DENY", selector=selected(app="db"),
          rules=l4(namespaces=["old"]))),
         (policy(action="DENY", selector=selected(app="db"), rules=l4(namespaces=["old"])),), "warning",
         (policy("of-db"),)),
    Case("AMB0711", "PeerAuthentication shop/off", "takes it for PERMISSIVE",
         (peers("off", selector={"app": "db"}, mtls={"mode": "DISABLE"}),),
         (peers("off", selector={"app": "db"}, mtls={"mode": "PERMISSIVE"}),), "warning"),
    Case("AMB0711", "PeerAuthentication shop/off", "mode DISABLE on port 8080",
         (peers("off", selector={"app": "db"}, portLevelMtls={"8080": {"mode": "DISABLE"}}),), (), "warning"),
    Case("AMB0712", "PeerAuthentication istio-system/db", "ztunnel never gets it",
         (peers("db", "istio-system", {"app": "db"}, mtls={"mode": "STRICT"}),),
         (peers("db", "istio-system", mtls={"mode": "STRICT"}),)),
    Case("AMB0713", "PeerAuthentication shop/theirs", "PeerAuthentication shop/strict is older and about the same",
         (peers("theirs", mtls={"mode": "PERMISSIVE"}),),
         (peers("theirs", selector={"app": "db"}, mtls={"mode": "PERMISSIVE"}),), "warning"),
    Case("AMB0713", "PeerAuthentication shop/b", "PeerAuthentication shop/a is older and about pods that it selects",
         (peers("a", selector={"app": "db"}), peers("b", selector={"app": "db"})),
         (peers("a", selector={"app": "db"}), peers("b", selector={"app": "cart"})), "warning"),
    Case("AMB0714", "VirtualService shop/way", "as is HTTPRoute shop/way",
         (route(), hosted("VirtualService", hosts=["cart"])),
         (route(), hosted("VirtualService", hosts=["cart"], gateways=["edge"]))),
    Case("AMB0715", "DestinationRule shop/way", "Service shop/db, which has no waypoint",
         (hosted("DestinationRule", host="db"),), (hosted("DestinationRule", host="cart"),), "warning"),
    Case("AMB0715", "DestinationRule shop/way", "has subsets of Service shop/cart, and HTTPRoute shop/way is about it",
         (SUBSETS, route()), (SUBSETS, hosted("VirtualService", hosts=["cart"], http=[{"route": [
             {"destination": {"host": "cart", "subset": "v1"}}]}])), "warning"),
    Case("AMB0716", "RequestAuthentication shop/it", "no token of theirs is looked at",
         (make("RequestAuthentication", "it", spec={"selector": DB}),),
         (make("RequestAuthentication", "it", spec={"targetRefs": TO_CART}),)),
    Case("AMB0717", "WasmPlugin shop/it", "it runs nowhere", (make("WasmPlugin", "it", spec={"selector": DB}),),
         (make("WasmPlugin", "it", spec={"targetRefs": TO_CART}),)),
    Case("AMB0717", "TrafficExtension shop/it", "it runs nowhere",
         (make("TrafficExtension", "it", spec={"selector": DB}),),
         (make("TrafficExtension", "it", spec={"targetRefs": TO_CART}),)),
    Case("AMB0718", "Service shop/cart", "names waypoint shop/waypint, which does not exist",
         (service(labels={USE: "waypint"}),), (service(labels={USE: "none"}),)),
    Case("AMB0718", "Namespace shop", "names waypoint shop/waypoint, which is not ready",
         (namespace("shop", **AMBIENT, **{USE: "waypoint"}), waypoint(status=NOT_READY)),
         (namespace("shop", **AMBIENT, **{USE: "waypoint"}),)),
    Case("AMB0719", "Service web/web", "which does not take namespace web",
         (service("web", "web", {USE: "waypoint", USE_FROM: "shop"}),),
         (service("web", "web", {USE: "waypoint", USE_FROM: "shop"}), waypoint(routes="All"))),
    Case("AMB0719", "Deployment shop/db", "is for traffic of the kind service only",
         (deployment("db", labels={USE: "waypoint"}),),
         (deployment("db", labels={USE: "waypoint"}), waypoint(**{FOR: "all"}))),
    Case("AMB0720", "Service shop/cart", "Gateway web/edge calls its pods past waypoint shop/waypoint",
         (ingress(), FROM_EDGE), (ingress(), FROM_EDGE, service(labels={USE: "waypoint", INGRESS: "true"}))),
    Case("AMB0720", "Service shop/cart", "Gateway edge calls its pods past waypoint",
         (hosted("VirtualService", hosts=["a.example"], gateways=["edge"],
                 http=[{"route": [{"destination": {"host": "cart"}}]}]),),
         (hosted("VirtualService", hosts=["a.example"], gateways=["edge"],
                 http=[{"route": [{"destination": {"host": "db"}}]}]),)),
    Case("AMB0721", "Gateway shop/waypoint", "anybody may call the pods of Services in shop by their address (cart)",
         (policy("locked", action="DENY", selector=selected(),
                 rules=[rule({"ports": ["9"]}, notPrincipals=[WAYPOINT])]),),
         (policy("locked", action="ALLOW", selector=selected(), rules=l4(principals=[WAYPOINT])),), "warning"),
    Case("AMB0721", "Service shop/plain", "is headless: callers go to its pods' addresses",
         (service("plain", clusterIP="None"), policy(targetRefs=[{"kind": "Service", "name": "plain"}])),
         (service("plain"), policy(targetRefs=[{"kind": "Service", "name": "plain"}])), "warning"),
    Case("AMB0722", IT, "names clients of namespace old, whose pods have sidecars",
         (policy(targetRefs=TO_CART, rules=l4(namespaces=["old"])),),
         (policy(targetRefs=TO_CART, rules=l4(namespaces=["web"])),), "warning"),
    Case("AMB0723", IT, "rule 1 says nothing that rule 2 does not say",
         (policy(selector=DB, rules=[rule({"ports": ["8080"]}, namespaces=["old"]), rule(namespaces=["old"])]),),
         (policy(selector=DB, rules=[rule({"ports": ["8080"]}, namespaces=["old"]), rule(namespaces=["web"])]),),
         "warning"),
    Case("AMB0723", "AuthorizationPolicy shop/of-db", "allows only what rule 1 of AuthorizationPolicy shop/it denies",
         (policy(action="DENY", selector=DB, rules=l4(principals=["*"])),),
         (policy(action="DENY", selector=DB, rules=l4(principals=["cluster.local/ns/old/*"])),), "warning"),
    Case("AMB0724", IT, "it matches nothing, and does nothing", (policy(action="DENY", selector=DB),),
         (policy(),), "warning"),
    Case("AMB0724", IT, "it closes them to everybody", (policy(selector=selected(app="cart")),),
         (policy(selector=DB),), "info"),
    Case("AMB0725", IT, "everybody may do everything, and 1 other rules about the same mean nothing",
         (policy(selector=DB, rules=[{}]),), (policy(selector=DB, rules=l4(namespaces=["old"])),)),
    Case("AMB0725", IT, "everybody may do everything", (policy(rules=[{}]),), (policy(),), "warning"),
    Case("AMB0726", IT, "denies nobody: its principals stand in none of its namespaces",
         (policy(action="DENY", targetRefs=TO_CART, rules=l4(principals=[WEB], namespaces=["old"])),),
         (policy(action="DENY", targetRefs=TO_CART, rules=l4(principals=[WEB], namespaces=["web"])),)),
    Case("AMB0726", IT, "all its ports stand in notPorts",
         (policy(targetRefs=TO_CART, rules=[rule({"ports": ["80"], "notPorts": ["80"]})]),),
         (policy(targetRefs=TO_CART, rules=[rule({"ports": ["80"], "notPorts": ["81"]})]),)),
    Case("AMB0726", IT, "methods are written in capitals, 'get' is not",
         (policy(targetRefs=TO_CART, rules=[rule({"methods": ["get"]})]),),
         (policy(targetRefs=TO_CART, rules=[rule({"methods": ["GET"], "paths": ["/a*", "*b", "{**}"]})]),)),
    Case("AMB0726", IT, "all values of source.namespace stand in its notValues",
         (policy(targetRefs=TO_CART, rules=[
             rule(when=[{"key": "source.namespace", "values": ["web"], "notValues": ["w*"]}])]),),
         (policy(targetRefs=TO_CART, rules=[rule(when=[{"key": "source.namespace", "values": ["web"]}])]),)),
    Case("AMB0727", IT, "service account web/wbe does not exist",
         (policy(targetRefs=TO_CART, rules=l4(principals=["cluster.local/ns/web/sa/wbe"])),),
         (policy(targetRefs=TO_CART, rules=l4(principals=[WEB, WAYPOINT, "*/sa/web", "cluster.local/ns/web/*"])),),
         "warning"),
    Case("AMB0727", IT, "namespace wbe does not exist",
         (policy(targetRefs=TO_CART, rules=l4(serviceAccounts=["wbe/web"])),),
         (policy(targetRefs=TO_CART, rules=l4(serviceAccounts=["web/web", "cart"])),), "warning"),
    Case("AMB0727", IT, "no namespace fits 'prod-*'",
         (policy(targetRefs=TO_CART, rules=l4(namespaces=["prod-*"])),),
         (policy(targetRefs=TO_CART, rules=l4(namespaces=["we*", "*b"])),), "warning"),
    Case("AMB0727", IT, "no service account fits 'cluster.local/ns/prod/*'",
         (policy(targetRefs=TO_CART, rules=l4(principals=["cluster.local/ns/prod/*"])),), (), "warning"),
    Case("AMB0728", IT, "never matches: it begins with spiffe://",
         (policy(targetRefs=TO_CART, rules=l4(principals=[f"spiffe://{WEB}"])),),
         (policy(targetRefs=TO_CART, rules=l4(principals=[WEB])),)),
    Case("AMB0729", IT, "clients of trust domain other.example",
         (policy(targetRefs=TO_CART, rules=l4(principals=["other.example/ns/web/sa/web"])),),
         (policy(targetRefs=TO_CART, rules=l4(principals=["*/ns/web/sa/web"])),), "warning"),
    Case("AMB0730", IT, "rule 1 names port 8080, which Service shop/cart does not have: it never matches",
         (policy(targetRefs=TO_CART, rules=[rule({"ports": ["8080"]}, principals=[WEB])]),),
         (policy(targetRefs=TO_CART, rules=[rule({"ports": ["80"]}, principals=[WEB])]),)),
    Case("AMB0730", IT, "names port 80 of a Service, and ztunnel sees the port of the pods",
         (policy(selector=DB, rules=[rule({"ports": ["80"]}, principals=[WEB])]),),
         (policy(selector=DB, rules=[rule({"ports": ["8080", "9090"]}, principals=[WEB])]),), "warning"),
    Case("AMB0731", IT, "selects no pod: none has app=dbs",
         (policy(selector=selected(app="dbs"), rules=l4(principals=[WEB])),),
         (policy(selector=DB, rules=l4(principals=[WEB])),), "warning"),
    Case("AMB0732", "Sidecar shop/narrow", "has no effect", (make("Sidecar", "narrow", spec={}),),
         (make("Sidecar", "narrow", "old", spec={}),), "info"),
    Case("AMB0733", "ServiceEntry shop/out", "host *.example.com needs a waypoint",
         (make("ServiceEntry", "out", spec={"hosts": ["*.example.com"]}),),
         (make("ServiceEntry", "out", labels={USE: "waypoint"}, spec={"hosts": ["*.example.com"]}),), "warning"),
    Case("AMB0734", IT, "istiod says ZtunnelAccepted is False: UnsupportedValue, no",
         (told(policy(selector=DB, rules=l4(principals=[WEB])), NEVER),),
         (told(policy(selector=DB, rules=l4(principals=[WEB])), {**NEVER, "status": "True"}),), "warning"),
    Case("AMB0734", IT, "istiod says WaypointAccepted is False: Invalid, no",
         (told(policy(targetRefs=TO_CART, annotations=DRY),
               {**NEVER, "type": "WaypointAccepted", "reason": "Invalid"}),),
         (told(policy(targetRefs=TO_CART, annotations=DRY), NEVER),
          told(policy("other", selector=DB, rules=l4(trustDomains=["other.example"])), NEVER)), "warning"),
    Case("AMB0735", "Gateway shop/waypoint", "is a waypoint with one pod", (one_pod(1),), (one_pod(2),), "info"),
    Case("AMB0736", "NetworkPolicy web/open", "who comes by HBONE reaches every port of Deployment web/web",
         (make("NetworkPolicy", "open", "web", spec=OPENED),),
         (make("NetworkPolicy", "open", "web", spec=OPENED), policy("it", "web", rules=l4(namespaces=["old"]))),
         "warning"),
    Case("AMB0737", IT, "rules that speak of ipBlocks (1) never match, and allow nobody",
         (policy(targetRefs=TO_CART, rules=l4(ipBlocks=["10.0.0.0/8"], namespaces=["web"])),),
         (policy(targetRefs=TO_CART, rules=l4(remoteIpBlocks=["10.0.0.0/8"], namespaces=["web"])),)),
    Case("AMB0737", IT, "rules that speak of source.ip (2) deny nobody",
         (policy(action="DENY", targetRefs=TO_WAYPOINT, rules=[
             rule({"ports": ["9"]}), rule(when=[{"key": "source.ip", "values": ["10.0.0.0/8"]}])]),),
         (policy(action="DENY", selector=DB, rules=[rule(when=[{"key": "source.ip", "values": ["10.0.0.0/8"]}])]),)),
    Case("AMB0737", IT, "rules that speak of notIpBlocks (1) lose that part, and deny more",
         (policy(action="DENY", targetRefs=TO_CART, rules=l4(notIpBlocks=["10.0.0.0/8"])),),
         (policy(action="DENY", targetRefs=TO_CART, annotations=DRY, rules=l4(notIpBlocks=["10.0.0.0/8"])),)),
    Case("AMB0737", "AuthorizationPolicy istio-system/it", "rules that speak of ipBlocks (1) never match in that part",
         (policy("it", "istio-system", targetRefs=TO_CLASS, rules=[
             {"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}, {"source": {"namespaces": ["web"]}}]}]),),
         (ingress(), policy("it", "web", rules=l4(ipBlocks=["10.0.0.0/8"]), targetRefs=[
             {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}]))),
    Case("AMB0738", IT, "rules that speak of trustDomains (1) never match, and allow nobody",
         (policy(selector=DB, rules=l4(trustDomains=["cluster.local"])),),
         (policy(targetRefs=TO_CART, rules=l4(trustDomains=["cluster.local"])),)),
    Case("AMB0738", IT, "rules that speak of trustDomains (1) lose that part, and allow more",
         (policy(selector=DB, rules=l4(trustDomains=["other.example"], namespaces=["web"])),),
         (policy(selector=DB, rules=l4(principals=["other.example/*"], namespaces=["web"])),)),
    Case("AMB0738", IT, "rules that speak of source.serviceAccount (1) deny nobody",
         (policy(action="DENY", selector=DB, rules=[rule(when=[{"key": "source.serviceAccount", "values": ["db"]}])]),),
         (policy(action="DENY", selector=DB, rules=l4(serviceAccounts=["db"])),
          policy("tried", action="DENY", selector=DB, annotations=DRY, rules=l4(trustDomains=["other.example"])))),
    Case("AMB0739", IT, "rules that ask for a token (1) never match, and allow nobody",
         (policy(targetRefs=TO_CART, rules=[TOKEN, rule(GET, namespaces=["web"])]),),
         (policy(targetRefs=TO_CART, rules=[TOKEN, rule(GET, namespaces=["web"])]), tokens(TO_CART))),
    Case("AMB0739", IT, "rules that ask for a token (2) never match, and deny nobody",
         (policy(action="DENY", targetRefs=TO_WAYPOINT, rules=[rule({"ports": ["9"]}), CLAIM]), tokens(TO_DB)),
         (policy(action="DENY", targetRefs=TO_WAYPOINT, rules=[rule({"ports": ["9"]}), CLAIM]), tokens(TO_CART))),
    Case("AMB0739", "AuthorizationPolicy istio-system/it", "rules that ask for a token (1) never match",
         (policy("it", "istio-system", targetRefs=TO_CLASS, rules=[TOKEN]),),
         (policy(targetRefs=TO_CART, annotations=DRY, rules=[TOKEN]),
          policy("without", action="DENY", targetRefs=TO_CART, rules=[rule(notRequestPrincipals=["*"])]))),
    Case("AMB0740", "Service shop/all", "AuthorizationPolicy shop/of-cart is about that one alone",
         (service("all", selector=CART),),
         (service("all", selector=CART), policy(targetRefs=[{"kind": "Service", "name": "all"}]))),
    Case("AMB0740", "Service shop/all", "the same pods as Service shop/cart (Deployment shop/cart)",
         (service("all", selector=CART), policy("of-cart", action="DENY", targetRefs=TO_CART, rules=[rule(GET)])),
         (service("all", selector=CART), policy("of-cart", action="DENY", targetRefs=TO_WAYPOINT, rules=[rule(GET)])),
         "warning"),
    Case("AMB0741", "NetworkPolicy old/shut", "admits callers to 1 of its 1 workloads, but not to TCP 15008",
         (LONE, make("NetworkPolicy", "shut", "old", spec=networked("lone", 8080))),
         (LONE, make("NetworkPolicy", "shut", "old", spec=networked("lone", 8080, 15008)),
          make("NetworkPolicy", "other", "old", spec=networked("other", 8080))), "warning"),
    Case("AMB0741", "NetworkPolicy old/range", "admits callers to 1 of its 1 workloads, but not to TCP 15008",
         (LONE, make("NetworkPolicy", "range", "old", spec=ranged(15000, None))),
         (LONE, make("NetworkPolicy", "range", "old", spec=ranged(15000, 16000))), "warning"),
    Case("AMB0742", "HTTPRoute shop/way", "Service shop/front, which everybody may call, to Service shop/cart",
         (FRONT, route(parentRefs=TO_FRONT, rules=BACKEND)),
         (FRONT, route(parentRefs=TO_FRONT, rules=BACKEND), policy(targetRefs=TO_FRONT, rules=l4(principals=[WEB]))),
         "warning"),
    Case("AMB0742", "VirtualService shop/way", "Service shop/front, which everybody may call, to Service shop/cart",
         (FRONT, VIA_FRONT), (FRONT, VIA_FRONT, policy("of-cart", targetRefs=TO_WAYPOINT)), "warning"),
    Case("AMB0742", "HTTPRoute shop/way", "Service shop/front, which everybody may call, to Service shop/cart",
         (FRONT, route(parentRefs=TO_FRONT, rules=MIRROR)), (FRONT, route(parentRefs=TO_FRONT, rules=[{}])), "warning"),
    Case("AMB0742", "VirtualService shop/way", "Service shop/front, which everybody may call, to Service shop/cart",
         (FRONT, hosted("VirtualService", hosts=["front"], http=[{"mirror": CART_ALONE}])),
         (FRONT, hosted("VirtualService", hosts=["cart"], http=[{"mirrors": [{"destination": CART_ALONE}]}])),
         "warning"),
    Case("AMB0743", "EnvoyFilter shop/it", "neither ztunnel nor a waypoint applies it",
         (make("EnvoyFilter", "it", spec={"workloadSelector": {"labels": {"app": "db"}}}),),
         (ingress(), make("EnvoyFilter", "it", "web", spec={}), make("EnvoyFilter", "all", "istio-system", spec={}),
          make("EnvoyFilter", "it", "old", spec={})), "warning"),
    Case("AMB0743", "Telemetry shop/it", "neither ztunnel nor a waypoint applies it",
         (make("Telemetry", "it", spec={"selector": DB}),),
         (make("Telemetry", "it", spec={}), make("Telemetry", "of-cart", spec={"targetRefs": TO_CART})), "warning"),
    Case("AMB0743", "EnvoyFilter shop/it", "changes waypoint shop/waypoint",
         (make("EnvoyFilter", "it", spec={"targetRefs": TO_WAYPOINT}),), severity="info"),
    Case("AMB0744", "ConfigMap istio-system/istio", "td.example, and ambient_trust_domain is cluster.local",
         (mesh_config("trustDomain: td.example"),), (mesh_config("trustDomain: cluster.local"),)),
    Case("AMB0745", "AuthorizationPolicy shop/it", "selects the pods of waypoint waypoint, which looks at no selector",
         (policy(selector=of_gateway("waypoint"), action="DENY", rules=[{}]),),
         (ingress(), policy(where="web", selector=of_gateway("edge"), rules=l4(principals=[WEB])),
          policy("attached", targetRefs=TO_WAYPOINT, rules=l4(principals=[WEB])))),
    Case("AMB0745", "EnvoyFilter shop/it", "selects the pods of waypoint waypoint",
         (make("EnvoyFilter", "it", spec={"workloadSelector": {"labels": {"istio.io/gateway-name": "waypoint"}}}),)),
    Case("AMB0745", "RequestAuthentication istio-system/tokens", "selects the pods of waypoint waypoint",
         (make("RequestAuthentication", "tokens", "istio-system", spec={"selector": of_gateway("waypoint")}),)),
)  # fmt: skip
