# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of ours, and what of istiod's own making, is in the cluster. Reads only."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from ..kube.errors import ApiError
from ..manifests.identity import Object
from ..manifests.labels import MESH_LABEL
from ..mesh.patches import DISCOVERY_MANAGER, ENROLMENT_MANAGER
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL

# Kubernetes copies the labels of a Service to these.
_DERIVED = ("Endpoints", "EndpointSlice")
_ISTIO_NAMESPACE = "istio-system"
_ROOT_CERTIFICATES = ("istio-ca-root-cert", "istio-ca-crl")
CA_SECRET = "istio-ca-secret"
_ELECTION = "control-plane.alpha.kubernetes.io/leader"
_THREADS = 8
PATCHED_KINDS = (("v1", "Service"), ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"))


class Reader(t.Protocol):
    """What is needed of a kube client."""

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Object]:
        """All objects of a kind."""

    def discover(self) -> t.Any:
        """The kinds that the API server serves."""


def our_objects(client: Reader, mesh: str) -> list[Object]:
    """Return every object that carries the label of this mesh, whoever applied it."""
    selector = f"{MESH_LABEL}={mesh}"

    def read(kind: tuple[str, str]) -> list[Object]:
        try:
            return client.list(*kind, label_selector=selector)
        except ApiError as error:
            # Kinds of an aggregated API whose server is down, and kinds without a list of all.
            if error.status in (404, 405, 503):
                return []
            raise

    kinds = list(_deletable_kinds(client))
    with ThreadPoolExecutor(_THREADS) as pool:
        found = [obj for objects in pool.map(read, kinds) for obj in objects]
    return [obj for obj in found if not obj["metadata"].get("ownerReferences")]


def patched_namespaces(client: Reader) -> list[tuple[Object, str]]:
    """Return (namespace, field manager) for every namespace on which we hold fields as a patch."""
    return [
        (namespace, manager)
        for namespace in client.list("v1", "Namespace")
        for manager in (DISCOVERY_MANAGER, ENROLMENT_MANAGER)
        if _applied_by(namespace, manager)
    ]


def patched_objects(client: Reader) -> list[Object]:
    """Return the Services and workloads on which we hold a label that leads to a waypoint."""
    found = []
    for api_version, kind in PATCHED_KINDS:
        for obj in client.list(api_version, kind):
            if _applied_by(obj, ENROLMENT_MANAGER):
                found.append({**obj, "apiVersion": api_version, "kind": kind})
    return found


def _applied_by(obj: Object, manager: str) -> bool:
    return any(entry.get("manager") == manager for entry in obj["metadata"].get("managedFields") or [])


def enrolled_by_others(client: Reader) -> list[str]:
    """Return the names of namespaces that are enrolled without us."""
    selector = f"{MODE_LABEL}={MODE_AMBIENT}"
    patched = patched_namespaces(client)
    ours = {namespace["metadata"]["name"] for namespace, manager in patched if manager == ENROLMENT_MANAGER}
    names = [obj["metadata"]["name"] for obj in client.list("v1", "Namespace", label_selector=selector)]
    return sorted({*names} - ours)


def made_by_istiod(client: Reader) -> list[Object]:
    """Return what istiod creates at run time and nobody removes: root certificates, election locks, GatewayClasses."""
    certificates = [obj for name in _ROOT_CERTIFICATES for obj in _named(client, "ConfigMap", name)]
    leases = client.list("coordination.k8s.io/v1", "Lease", namespace=_ISTIO_NAMESPACE)
    configmaps = client.list("v1", "ConfigMap", namespace=_ISTIO_NAMESPACE)
    elections = [obj for obj in configmaps if _ELECTION in (obj["metadata"].get("annotations") or {})]
    locks = [obj for obj in (*leases, *elections) if obj["metadata"]["name"].startswith("istio-")]
    classes = [
        obj
        for obj in client.list("gateway.networking.k8s.io/v1", "GatewayClass")
        if str((obj.get("spec") or {}).get("controllerName")).startswith("istio.io/")
    ]
    return [*certificates, *locks, *classes]


def ca_secret(client: Reader) -> list[Object]:
    """Return the Secret with the root key that istiod made for itself, if there is one."""
    return client.list("v1", "Secret", namespace=_ISTIO_NAMESPACE, field_selector=f"metadata.name={CA_SECRET}")


def istiod_is_there(client: Reader) -> bool:
    """Whether an istiod runs, or is about to end, that would make again what is removed."""
    return bool(client.list("apps/v1", "Deployment", namespace=_ISTIO_NAMESPACE, label_selector="app=istiod"))


def _named(client: Reader, kind: str, name: str) -> list[Object]:
    return client.list("v1", kind, field_selector=f"metadata.name={name}")


def _deletable_kinds(client: Reader) -> Iterable[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    for resource in client.discover().kinds().values():
        # Discovery names the preferred version of a group first.
        if (resource.group, resource.kind) in seen or resource.kind in _DERIVED:
            continue
        if {"list", "delete"} <= resource.verbs:
            seen.add((resource.group, resource.kind))
            yield (f"{resource.group}/{resource.version}" if resource.group else resource.version), resource.kind
