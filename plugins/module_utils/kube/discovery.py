# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds the API server serves, and under which paths."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .errors import ApiError
from .transport import JSON, Transport

_AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    f"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,{JSON}"
)


@dataclass(frozen=True)
class Resource:
    """One served kind: `name` is the plural in the path."""

    group: str
    version: str
    kind: str
    name: str
    namespaced: bool
    verbs: frozenset[str]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """`/apis/apps/v1/namespaces/x/deployments/y`; without a name the path of the list."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.name)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


Kinds = dict[tuple[str, str, str], Resource]


class Discovery:
    """The served kinds, read when first asked for. Safe to use from several threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._kinds: Kinds | None = None

    def kinds(self) -> Kinds:
        """Every kind by group, version and kind."""
        with self._lock:
            if self._kinds is None:
                self._kinds = self._read()
            return self._kinds

    def refresh(self) -> None:
        """Forget what was read: a CRD has come or gone."""
        with self._lock:
            self._kinds = None

    def find(self, group: str, version: str, kind: str) -> Resource | None:
        """The resource of a kind, None where the API server does not serve it."""
        return self.kinds().get((group, version, kind))

    def _read(self) -> Kinds:
        kinds: Kinds = {}
        for root in ("/api", "/apis"):
            answer = self._transport.json("GET", root, accept=_AGGREGATED)
            if answer.get("kind") == "APIGroupDiscoveryList":
                kinds.update(_from_aggregated(answer))
            else:
                kinds.update(self._from_legacy(root, answer))
        return kinds

    def _from_legacy(self, root: str, answer: Mapping[str, Any]) -> Kinds:
        versions = list(answer.get("versions") or []) if root == "/api" else []
        for group in answer.get("groups") or []:
            versions += [entry["groupVersion"] for entry in group["versions"]]
        kinds: Kinds = {}
        for group_version in versions:
            try:
                listing = self._transport.json("GET", f"{root}/{group_version}")
            except ApiError as error:
                # An aggregated API whose server is down must not hide the others.
                if error.status in (403, 404, 503):
                    continue
                raise
            kinds.update(_from_listing(group_version, listing))
        return kinds


def _from_aggregated(answer: Mapping[str, Any]) -> Kinds:
    kinds: Kinds = {}
    for entry in answer.get("items") or []:
        group = (entry.get("metadata") or {}).get("name") or ""
        for version in entry.get("versions") or []:
            for found in version.get("resources") or []:
                kind = (found.get("responseKind") or {}).get("kind") or ""
                resource = Resource(
                    group,
                    version["version"],
                    kind,
                    found["resource"],
                    found.get("scope") == "Namespaced",
                    frozenset(found.get("verbs") or []),
                )
                kinds.setdefault((group, version["version"], kind), resource)
    return kinds


def _from_listing(group_version: str, listing: Mapping[str, Any]) -> Kinds:
    group, _dummy, version = group_version.rpartition("/")
    resources: Iterable[Mapping[str, Any]] = listing.get("resources") or []
    kinds: Kinds = {}
    for found in resources:
        if "/" in found["name"]:
            continue
        resource = Resource(
            group, version, found["kind"], found["name"], bool(found["namespaced"]), frozenset(found.get("verbs") or [])
        )
        kinds.setdefault((group, version, found["kind"]), resource)
    return kinds
