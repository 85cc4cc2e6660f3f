# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespace that we created for inventory and lock alone: whether it may go, or what somebody has put into it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..manifests.identity import Identity, Object
from ..manifests.labels import mesh_of
from .client import Client
from .discovery import Resource
from .errors import ApiError
from .inventory import INVENTORY_LABEL, INVENTORY_MANAGER
from .state import WORKERS

# What Kubernetes, OpenShift and istiod put into every namespace, and what goes by itself.
_DEFAULTS = (
    "ConfigMap/kube-root-ca.crt",
    "ConfigMap/openshift-service-ca.crt",
    "ConfigMap/istio-ca-root-cert",
    "ConfigMap/istio-ca-crl",
    "ServiceAccount/default",
    "ServiceAccount/builder",
    "ServiceAccount/deployer",
)
_PASSING = ("Event", "Endpoints", "EndpointSlice", "PodMetrics")
_TOKENS = "kubernetes.io/service-account.name"
_MAX_NAMES = 5


def only_for_inventory(namespace: Mapping[str, Any]) -> bool:
    """Whether nobody has applied the namespace but us, for inventory and lock. A role of ours counts as somebody."""
    entries = namespace["metadata"].get("managedFields") or []
    return {entry.get("manager") for entry in entries if entry.get("operation") == "Apply"} == {INVENTORY_MANAGER}


def contents(client: Client, namespace: str, mesh: str, besides: Collection[str] = ()) -> str:
    """What the namespace holds beyond the defaults and our own book-keeping, in a line; "" for nothing.

    `besides`: what is about to go, by Identity.key. Only metadata is read.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        groups = list(pool.map(lambda resource: _of_kind(client, resource, namespace), _listable(client)))
    unread = sorted(group for group in groups if isinstance(group, str))
    names = sorted(
        identity.short.replace(f"{namespace}/", "")
        for group in groups
        if not isinstance(group, str)
        for identity, obj in group
        if identity.key not in besides and not _counts_for_nothing(identity, obj, mesh)
    )
    told = names or unread
    more = f" and {len(told) - _MAX_NAMES} more" if len(told) > _MAX_NAMES else ""
    return ", ".join(told[:_MAX_NAMES]) + more


def _listable(client: Client) -> list[Resource]:
    """One resource per namespaced kind that can be listed."""
    kinds: dict[tuple[str, str], Resource] = {}
    for resource in client.discovery.kinds().values():
        if resource.namespaced and "list" in resource.verbs and resource.kind not in _PASSING:
            kinds.setdefault((resource.group, resource.kind), resource)
    return list(kinds.values())


def _of_kind(client: Client, resource: Resource, namespace: str) -> list[tuple[Identity, Object]] | str:
    """The objects of a kind in the namespace, or the word for those that cannot be read: they may be there."""
    api_version = f"{resource.group}/{resource.version}" if resource.group else resource.version
    try:
        found = client.list_metadata(api_version, resource.kind, namespace)
    except ApiError as error:
        return f"perhaps a {resource.kind} (reading these: {error.message})"
    return [
        (Identity(resource.group, resource.version, resource.kind, namespace, obj["metadata"]["name"]), obj)
        for obj in found
    ]


def _counts_for_nothing(identity: Identity, obj: Object, mesh: str) -> bool:
    metadata = obj["metadata"]
    if f"{identity.kind}/{identity.name}" in _DEFAULTS or _TOKENS in (metadata.get("annotations") or {}):
        return True
    if mesh_of(obj) != mesh:
        return False
    return INVENTORY_LABEL in (metadata.get("labels") or {}) or identity.kind == "Lease"
