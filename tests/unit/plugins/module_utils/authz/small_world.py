# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small worlds, written in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.authz.answering import Answer, can
from ansible_collections.alauda.ambient.plugins.module_utils.authz.asking import question_of
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World

Object = dict[str, Any]
AMBIENT = {"istio.io/dataplane-mode": "ambient"}
READY = {"conditions": [{"type": "Programmed", "status": "True"}], "addresses": [{"value": "10.0.0.1"}]}


def meta(name: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> Object:
    return {"name": name, **({"namespace": namespace} if namespace else {}), **({"labels": labels} if labels else {})}


def namespace(name: str, *, enrolled: bool = True, **labels: str) -> Object:
    given = {**(AMBIENT if enrolled else {}), **{_key(key): value for key, value in labels.items()}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(name, labels=given)}


def app(name: str, space: str = "shop", port: int = 80, target: Any = 8080, **spec: Any) -> list[Object]:
    """A Service, a Deployment and its service account of one name."""
    labels = {"app": name}
    ports = [{"port": port, "targetPort": target}]
    return [
        service(name, space, ports=ports, selector=labels),
        deployment(name, space, labels=labels, account=name, **spec),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(name, space)},
    ]


def service(name: str, space: str = "shop", labels: Mapping[str, str] | None = None, **spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, space, labels), "spec": spec}


def deployment(name: str, space: str = "shop", *, labels: Mapping[str, str], account: str, **spec: Any) -> Object:
    containers = [{"name": "main", "ports": [{"name": "web", "containerPort": 8080}]}]
    pods = {"serviceAccountName": account, "containers": containers, **spec}
    template = {"metadata": {"labels": dict(labels)}, "spec": pods}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(name, space),
        "spec": {"template": template},
    }


def pod(
    name: str, owner: Mapping[str, Any] | None = None, phase: str = "Running", space: str = "shop", **labels: str
) -> Object:
    """Of the service account `runner`; an empty `phase`: its status is not known."""
    metadata = {**meta(name, space, labels), "ownerReferences": [owner] if owner else []}
    status = {"phase": phase} if phase else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"serviceAccountName": "runner"},
        "status": status,
    }


def waypoint(
    name: str = "waypoint",
    space: str = "shop",
    serves: str = "",
    allowed: Mapping[str, Any] | None = None,
    ready: bool = True,
) -> Object:
    listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
    if allowed:
        listener["allowedRoutes"] = {"namespaces": allowed}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": meta(name, space, {"istio.io/waypoint-for": serves} if serves else None),
        "spec": {"gatewayClassName": "istio-waypoint", "listeners": [listener]},
        "status": READY if ready else {},
    }


def policy(
    name: str,
    *rules: Mapping[str, Any],
    space: str = "shop",
    action: str = "ALLOW",
    on: str = "",
    status: Iterable[tuple[str, str, str]] = (),
    **spec: Any,
) -> Object:
    """`on`: `Service/cart` for a waypoint, `app=cart` for ztunnel, else the whole namespace."""
    kind, slash, target = on.partition("/")
    if slash:
        spec["targetRefs"] = [{"kind": kind, "name": target}]
    elif on:
        spec["selector"] = {"matchLabels": dict([on.split("=")])}
    conditions = [{"type": kind, "status": state, "reason": reason} for kind, state, reason in status]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": meta(name, space),
        "spec": {"action": action, "rules": list(rules), **spec},
        "status": {"conditions": conditions},
    }


def peer(name: str, mode: str, space: str = "shop", on: str = "", age: str = "", **spec: Any) -> Object:
    if on:
        spec["selector"] = {"matchLabels": dict([on.split("=")])}
    found = meta(name, space)
    if age:
        found["creationTimestamp"] = age
    given = {**({"mtls": {"mode": mode}} if mode else {}), **spec}
    return {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": found, "spec": given}


def may(*accounts: str, **to: Any) -> Object:
    """A rule: these accounts, `NAMESPACE/NAME`, to what `to` says (methods, paths, ports …)."""
    rule: Object = {"from": [{"source": {"serviceAccounts": list(accounts)}}]} if accounts else {}
    return {**rule, **({"to": [{"operation": to}]} if to else {})}


def shop(*more: Any, live: bool = True, labels: Mapping[str, str] | None = None, enrolled: bool = True) -> World:
    """shop/cart and shop/web in the mesh, out/job outside of it, and more; without them what is named again."""
    spaces = [namespace("shop", enrolled=enrolled, **(labels or {})), namespace("out", enrolled=False)]
    given = [*spaces, *app("cart"), *app("web"), *app("job", "out")]
    for each in more:
        given += each if isinstance(each, list) else [each]
    found = {(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]): obj for obj in given}
    return World.of(found.values(), live)


def bound(*more: Any, live: bool = True, ready: bool = True, **given: Any) -> World:
    """The shop, called through its waypoint."""
    return shop(waypoint(ready=ready, **given), *more, live=live, labels={"use_waypoint": "waypoint"})


def ask(world: World, source: str = "shop/web", to: str = "shop/cart", **request: Any) -> Answer:
    return can(world, question_of(world, {"from": source, "to": to, **request}))


def _key(word: str) -> str:
    return f"istio.io/{word.replace('_', '-')}"
