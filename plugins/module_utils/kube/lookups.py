# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness that lies in other objects too: endpoints behind webhooks, the storage class of a claim."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from .client import Client
from .ready import READY, Verdict, judge
from .watch import News, Scope, Watches, What, place

_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")
_SERVICE_LABEL = "kubernetes.io/service-name"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"

Service = tuple[str, str]


class Lookups:
    """Judges objects of any kind; follows through `watches` what else they depend on."""

    def __init__(self, client: Client, watches: Watches) -> None:
        self._client = client
        self._watches = watches
        self._ready_slices: dict[Service, set[str]] = {}
        self._listed: set[Service] = set()
        self._refused: dict[Service, str] = {}
        self._waits_for_consumer: dict[str, bool] = {}

    def judge(self, obj: Object) -> Verdict:
        """As ready.judge, with what lies elsewhere."""
        verdict = judge(obj)
        if not verdict.missing and str(obj.get("kind")).endswith("WebhookConfiguration"):
            return self._endpoints(obj)
        if verdict.missing and not verdict.final and obj.get("kind") == "PersistentVolumeClaim":
            return READY if self._is_for_its_first_consumer(obj) else verdict
        return verdict

    def hear(self, news: News, live: Iterable[Object]) -> list[Object]:
        """Take in news of endpoints; those of the `live` objects that may be ready now."""
        service = (news.scope.namespace, news.scope.labels.partition("=")[2])
        ready = self._ready_slices[service]
        if news.refused:
            self._refused[service] = getattr(news.error, "message", "")
        if news.what is What.LISTED:
            ready.clear()
            self._listed.add(service)
        for obj in news.objects:
            name = place(obj)[1]
            if news.what is not What.DELETED and _has_ready_endpoint(obj):
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


def _services(webhooks: Object) -> set[Service]:
    return {
        (service["namespace"], service["name"])
        for webhook in webhooks.get("webhooks") or []
        if (service := (webhook.get("clientConfig") or {}).get("service"))
    }


def _has_ready_endpoint(endpoint_slice: Object) -> bool:
    endpoints: list[dict[str, Any]] = endpoint_slice.get("endpoints") or []
    return any((endpoint.get("conditions") or {}).get("ready") for endpoint in endpoints)
