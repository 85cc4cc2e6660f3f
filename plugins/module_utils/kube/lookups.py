# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness that lies in other objects too: endpoints behind webhooks, a waypoint's pods, Services bound to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from . import waypoints
from .client import Client
from .data_plane import has_ready_endpoint
from .followed import Followed
from .ready import READY, Verdict, judge, waits
from .watch import News, Scope, Watches, What, place

_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")
_SERVICE_LABEL = "kubernetes.io/service-name"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"

_ROLLED_OUT = ("Deployment", "DaemonSet", "StatefulSet")

Service = tuple[str, str]
Rule = Callable[[Object], Verdict]


def is_waited_for(item: Item) -> bool:
    """Whether an item has to become ready. Of patches those do that lead to a waypoint or start pods anew."""
    identity = item.identity
    if not item.patch:
        return waits(identity.group, identity.kind)
    if identity.group == "apps" and identity.kind in _ROLLED_OUT:
        return "template" in (item.object.get("spec") or {})
    return bool(waypoints.waypoint_wanted(item))


class Lookups:
    """Judges the objects of items; follows through `watches` what else they depend on."""

    def __init__(self, client: Client, watches: Watches, items: Collection[Item]) -> None:
        self._client = client
        self._watches = watches
        self.rules: dict[Identity, Rule] = dict.fromkeys((item.identity for item in items), self.judge)
        bound = {item.identity: waypoint for item in items if (waypoint := waypoints.waypoint_wanted(item))}
        for identity, waypoint in bound.items():
            bind = self._bound if identity.kind == "Namespace" else waypoints.service
            self.rules[identity] = partial(bind, waypoint=waypoint)
        labelled = {identity.name for identity in bound if identity.kind == "Namespace"}
        served = {identity for identity in bound if identity.kind == "Service"} if labelled else set()
        # Services are read once, both for their Namespaces and for themselves.
        self._followed = tuple(sorted(served))
        self._services = Followed(watches, "v1", "Service", labelled | {each.namespace for each in served})
        gateways = [item for item in items if item.identity.kind == "Gateway"]
        deployed = {item.identity.namespace for item in gateways if waypoints.is_deployed_waypoint(item.object)}
        self._proxies = Followed(watches, "apps/v1", "Deployment", deployed, waypoints.GATEWAY_LABEL)
        self._ready_slices: dict[Service, set[str]] = {}
        self._listed: set[Service] = set()
        self._refused: dict[Service, str] = {}
        self._waits_for_consumer: dict[str, bool] = {}

    def judge(self, obj: Object) -> Verdict:
        """As ready.judge, with what lies elsewhere."""
        verdict = judge(obj)
        if obj.get("kind") == "Gateway" and waypoints.is_deployed_waypoint(obj):
            return self._deployed(obj, verdict)
        if not verdict.missing and str(obj.get("kind")).endswith("WebhookConfiguration"):
            return self._endpoints(obj)
        if verdict.missing and not verdict.final and obj.get("kind") == "PersistentVolumeClaim":
            return READY if self._is_for_its_first_consumer(obj) else verdict
        return verdict

    def watched(self) -> Iterable[Identity]:
        """Those of the objects that need a watch of their own."""
        return self.rules.keys() - set(self._followed)

    def hear(self, news: News, live: Iterable[Object]) -> list[Object]:
        """Take in news of what others depend on; those of the `live` objects that may be ready now."""
        if news.scope.kind == "Service":
            touched = self._services.hear(news)
            return [obj for obj in live if obj["kind"] == "Namespace" and place(obj)[1] in touched]
        if news.scope.kind == "Deployment":
            touched = self._proxies.hear(news)
            return [obj for obj in live if obj["kind"] == "Gateway" and place(obj)[0] in touched]
        return self._hear_of_endpoints(news, live)

    def narrows(self, news: News) -> bool:
        """Whether the news is only that it will come by namespace."""
        followed = {"Service": self._services, "Deployment": self._proxies}.get(news.scope.kind)
        return followed is not None and followed.narrows(news)

    def of_followed(self, news: News) -> News | None:
        """The part of the news that is about objects which are waited for without a watch of their own."""
        if news.scope.kind != "Service":
            return None
        where = news.scope.namespace
        wanted = tuple(each for each in self._followed if where in ("", each.namespace))
        scope = replace(news.scope, wanted=wanted)
        return replace(news, scope=scope, objects=[obj for obj in news.objects if place(obj) in scope.places])

    def _bound(self, obj: Object, waypoint: str) -> Verdict:
        """Whether the Services of a Namespace are bound to its waypoint."""
        verdict, name = judge(obj), place(obj)[1]
        if verdict.missing:
            return verdict
        if self._services.refused(name):
            return Verdict(f"its Services cannot be read: {self._services.refused(name)}", final=True)
        return waypoints.namespace(self._services.of(name), waypoint)

    def _deployed(self, gateway: Object, verdict: Verdict) -> Verdict:
        """Whether a waypoint is programmed and has a pod."""
        namespace, name = place(gateway)
        if self._proxies.refused(namespace):
            return Verdict(f"its Deployment cannot be read: {self._proxies.refused(namespace)}", final=True)
        found = self._proxies.of(namespace)
        own = None if found is None else [each for each in found.values() if _gateway_of(each) == name]
        return waypoints.with_proxies(verdict, own)

    def _hear_of_endpoints(self, news: News, live: Iterable[Object]) -> list[Object]:
        service = (news.scope.namespace, news.scope.labels.partition("=")[2])
        ready = self._ready_slices[service]
        if news.refused:
            self._refused[service] = getattr(news.error, "message", "")
        if news.what is What.LISTED:
            ready.clear()
            self._listed.add(service)
        for obj in news.objects:
            name = place(obj)[1]
            if news.what is not What.DELETED and has_ready_endpoint(obj):
                ready.add(name)
            else:
                ready.discard(name)
        return [obj for obj in live if service in _services(obj)]

    def _endpoints(self, webhooks: Object) -> Verdict:
        services = sorted(_services(webhooks))
        for service in services:
            if service not in self._ready_slices:
                self._ready_slices[service] = set()
                namespace, name = service
                self._watches.add(Scope(*_SLICE, namespace=namespace, labels=f"{_SERVICE_LABEL}={name}"))
        for namespace, name in services:
            if (namespace, name) in self._refused:
                why = self._refused[namespace, name]
                return Verdict(f"the endpoints of service {namespace}/{name} cannot be read: {why}", final=True)
            if not self._ready_slices[namespace, name]:
                known = (namespace, name) in self._listed
                word = "has no ready endpoint" if known else "is being looked at"
                return Verdict(f"service {namespace}/{name} {word}")
        return READY

    def _is_for_its_first_consumer(self, claim: Object) -> bool:
        """Whether its volume comes only with the first pod that uses it, and no such pod has come yet."""
        name = (claim.get("spec") or {}).get("storageClassName")
        if not name or _SELECTED_NODE in (claim["metadata"].get("annotations") or {}):
            return False
        if name not in self._waits_for_consumer:
            self._waits_for_consumer[name] = self._waits(name)
        return self._waits_for_consumer[name]

    def _waits(self, storage_class: str) -> bool:
        try:
            found = self._client.get(Identity.parse("storage.k8s.io/v1", "StorageClass", storage_class))
        except AmbientError:  # who may not read it waits for the volume
            return False
        return (found or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def _gateway_of(deployment: Object) -> str:
    return str((deployment["metadata"].get("labels") or {}).get(waypoints.GATEWAY_LABEL))


def _services(webhooks: Object) -> set[Service]:
    return {
        (service["namespace"], service["name"])
        for webhook in webhooks.get("webhooks") or []
        if (service := (webhook.get("clientConfig") or {}).get("service"))
    }
