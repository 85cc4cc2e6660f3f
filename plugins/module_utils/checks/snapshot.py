# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as the checks see it: read only, each kind listed at most once and only when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ..errors import AmbientError

Object = Mapping[str, Any]
Raw = list[dict[str, Any]]
Objects = list[Object]
T = TypeVar("T")

_CONNECTIONS = 8
_FORBIDDEN = 403


class SkipError(Exception):
    """A check could not look; the text says why, after "skipped: "."""


class Reader(Protocol):
    """The part of kube.Client that the checks may use: nothing in it writes."""

    def version(self) -> Mapping[str, Any]: ...

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> Raw: ...

    def list_metadata(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> Raw: ...

    def get(self, what: str, kind: str = "", name: str = "", namespace: str = "") -> dict[str, Any] | None: ...

    def can_i(self, verb: str, group: str, resource: str, namespace: str | None = None) -> bool: ...


@dataclass(frozen=True)
class Resource:
    """A kind to list, whole or (where labels and annotations are enough) its metadata only."""

    api_version: str
    kind: str
    metadata_only: bool = False

    def __str__(self) -> str:
        return self.kind


CLUSTER_ROLES = Resource("rbac.authorization.k8s.io/v1", "ClusterRole", metadata_only=True)
CONFIG_MAP_METADATA = Resource("v1", "ConfigMap", metadata_only=True)
CONFIG_MAPS = Resource("v1", "ConfigMap")
CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", metadata_only=True)
DAEMONSETS = Resource("apps/v1", "DaemonSet")
DEPLOYMENTS = Resource("apps/v1", "Deployment")
ENDPOINT_SLICES = Resource("discovery.k8s.io/v1", "EndpointSlice")
FELIX = Resource("crd.projectcalico.org/v1", "FelixConfiguration")
GATEWAYS = Resource("gateway.networking.k8s.io/v1", "Gateway")
GATEWAY_CLASSES = Resource("gateway.networking.k8s.io/v1", "GatewayClass", metadata_only=True)
LIMIT_RANGES = Resource("v1", "LimitRange")
MUTATING_WEBHOOKS = Resource("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
NAMESPACES = Resource("v1", "Namespace", metadata_only=True)
NETWORK_POLICIES = Resource("networking.k8s.io/v1", "NetworkPolicy")
NODES = Resource("v1", "Node")
PODS = Resource("v1", "Pod")
POD_METADATA = Resource("v1", "Pod", metadata_only=True)
RESOURCE_QUOTAS = Resource("v1", "ResourceQuota")
SUBSCRIPTIONS = Resource("operators.coreos.com/v1alpha1", "Subscription")
VALIDATING_WEBHOOKS = Resource("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")


class Snapshot:
    """Answers from the cluster, remembered; several threads may ask."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._answers: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def prefetch(self, resources: Iterable[Resource]) -> None:
        """List several kinds side by side; errors show up where the kind is used."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for resource in set(resources):
                pool.submit(self._fetch, resource, None, None)

    def all(self, resource: Resource) -> Objects:
        """All objects of a kind; none where the cluster does not know the kind.

        Raises:
            SkipError: without the right to list it.
            AmbientError: where the API fails otherwise.
        """
        return self._fetch(resource, None, None)

    def select(self, resource: Resource, label_selector: str) -> Objects:
        """The objects of a kind with these labels in all namespaces, with the same errors as all()."""
        return self._fetch(resource, None, label_selector)

    def list_in(self, resource: Resource, namespace: str, label_selector: str | None = None) -> Objects:
        """The objects of a kind in one namespace, with the same errors as all()."""
        return self._fetch(resource, namespace, label_selector)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """One object, None where there is none, with the same errors as all()."""
        try:
            where = ("get", api_version, kind, name, namespace)
            return self._once(where, lambda: self._reader.get(api_version, kind, name, namespace))
        except AmbientError as error:
            if getattr(error, "status", None) == _FORBIDDEN:
                raise SkipError(f"no right to get {kind} {namespace}/{name}") from error
            raise

    def version(self) -> str:
        """The version of the API server, `v1.34.4` or what a distribution makes of it."""
        return self._once(("version",), lambda: str(self._reader.version().get("gitVersion", "")))

    def may(self, verb: str, group: str, resource: str, namespace: str | None = None) -> bool:
        """Whether whoever runs this has a right; `*` stands for all."""
        question = (verb, group, resource, namespace)
        return self._once(question, lambda: self._reader.can_i(verb, group, resource, namespace))

    def may_each(self, questions: Iterable[tuple[str, str, str, str | None]]) -> list[bool]:
        """The answers of may() to several questions, asked side by side."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return list(pool.map(lambda question: self.may(*question), questions))

    def _fetch(self, resource: Resource, namespace: str | None, label_selector: str | None) -> Objects:
        ask = self._reader.list_metadata if resource.metadata_only else self._reader.list
        where = (resource, namespace, label_selector)
        try:
            return self._once(
                where, lambda: Objects(ask(resource.api_version, resource.kind, namespace, label_selector))
            )
        except AmbientError as error:
            if getattr(error, "status", None) == _FORBIDDEN:
                raise SkipError(f"no right to list {resource}") from error
            raise

    def _once(self, key: Hashable, ask: Callable[[], T]) -> T:
        with self._lock:
            first = key not in self._answers
            answer: Future[T] = self._answers.setdefault(key, Future())
        if first:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)
        return answer.result()
