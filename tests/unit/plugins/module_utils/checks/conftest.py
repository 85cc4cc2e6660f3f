# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster made of a list of objects, which counts what it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.engine import Report, Selection, run_checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh


class World:
    """A Reader without a cluster. `denied` kinds answer 403; `rights` is None for an administrator."""

    def __init__(self, *objects: dict[str, Any], version: str = "v1.34.4", denied: tuple[str, ...] = ()) -> None:
        self.objects = list(objects)
        self.git_version = version
        self.denied = denied
        self.rights: set[tuple[str, str, str, str | None]] | None = None
        self.failure: Exception | None = None
        self.lists: Counter[tuple[str, str | None]] = Counter()

    def version(self) -> Mapping[str, Any]:
        if self.failure is not None:
            raise self.failure
        return {"gitVersion": self.git_version}

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> list[dict[str, Any]]:
        self.lists[kind, namespace] += 1
        if kind in self.denied:
            raise ApiError(f"may not list {kind}", status=403)
        found = []
        for obj in self.objects:
            metadata = obj["metadata"]
            if obj["kind"] != kind or obj["apiVersion"] != api_version:
                continue
            if namespace is not None and metadata.get("namespace") != namespace:
                continue
            if label_selector:
                key, _equals, value = label_selector.partition("=")
                if metadata.get("labels", {}).get(key) != value:
                    continue
            found.append(obj)
        return found

    def list_metadata(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> list[dict[str, Any]]:
        return [{"metadata": obj["metadata"]} for obj in self.list(api_version, kind, namespace, label_selector)]

    def get(self, what: str, kind: str = "", name: str = "", namespace: str = "") -> dict[str, Any] | None:
        if kind in self.denied:
            raise ApiError(f"may not get {kind}", status=403)
        for obj in self.objects:
            metadata = obj["metadata"]
            if (obj["kind"], metadata["name"], metadata.get("namespace", "")) == (kind, name, namespace):
                return obj
        return None

    def can_i(self, verb: str, group: str, resource: str, namespace: str | None = None) -> bool:
        return self.rights is None or (verb, group, resource, namespace) in self.rights


Examine = Callable[..., Report]


@pytest.fixture
def examine() -> Examine:
    """`examine(world, "AMB0203", version="1.31.0")`: the report of the named checks on a world."""

    def run(world: World, *only: str, mesh: Any = None, skip: tuple[str, ...] = (), **wishes: Any) -> Report:
        wanted = Wishes(mesh=parse_mesh(mesh or {}), **{"version": "1.31.0", **wishes})
        selection = Selection(phases=tuple(Phase), only=only, skip=skip)
        return run_checks(CHECKS, selection, Context(Snapshot(world), wanted))

    return run


def make(kind: str, name: str, namespace: str = "", **parts: Any) -> dict[str, Any]:
    """An object; `labels`, `annotations` and `managers` (label key → managers) go into its metadata."""
    versions = {
        "CustomResourceDefinition": "apiextensions.k8s.io/v1",
        "DaemonSet": "apps/v1",
        "Deployment": "apps/v1",
        "NetworkPolicy": "networking.k8s.io/v1",
        "EndpointSlice": "discovery.k8s.io/v1",
        "Gateway": "gateway.networking.k8s.io/v1",
        "MutatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
    }
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    for key in ("labels", "annotations", "generation"):
        if key in parts:
            metadata[key] = parts.pop(key)
    managers: dict[str, list[str]] = parts.pop("managers", {})
    metadata["managedFields"] = [
        {"manager": manager, "fieldsV1": {"f:metadata": {"f:labels": {f"f:{key}": {}}}}}
        for key, holders in managers.items()
        for manager in holders
    ]
    return {
        "apiVersion": parts.pop("api_version", versions.get(kind, "v1")),
        "kind": kind,
        "metadata": metadata,
        **parts,
    }


@pytest.fixture(name="make")
def make_fixture() -> Callable[..., dict[str, Any]]:
    """The function make()."""
    return make


@pytest.fixture(name="world")
def world_fixture() -> type[World]:
    """The class World."""
    return World


@pytest.fixture
def installation() -> Callable[..., list[dict[str, Any]]]:
    """`installation(version="1.31.0", mesh="default")`: the workloads of an installation of ours."""

    def build(version: str = "1.31.0", mesh: str = "default") -> list[dict[str, Any]]:
        labels = {"ambient.alauda.io/mesh": mesh, "app.kubernetes.io/version": version}
        daemons = {"numberReady": 2, "desiredNumberScheduled": 2, "observedGeneration": 1}
        istiod = {"app": "istiod", **labels}
        service = {"service": {"namespace": "istio-system", "name": "istiod"}}
        hooks = [{"name": "rev.namespace.sidecar-injector.istio.io", "clientConfig": service}]
        return [
            make(
                "Deployment",
                "istiod",
                "istio-system",
                labels=istiod,
                spec={"replicas": 1},
                status={"readyReplicas": 1},
                generation=1,
            )
            | {"status": {"readyReplicas": 1, "observedGeneration": 1}},
            make("DaemonSet", "istio-cni-node", "istio-cni", labels=labels, status=dict(daemons), generation=1),
            make("DaemonSet", "ztunnel", "ztunnel", labels=labels, status=dict(daemons), generation=1),
            make("MutatingWebhookConfiguration", "istio-sidecar-injector", labels=labels, webhooks=hooks),
            make("CustomResourceDefinition", "gateways.networking.istio.io", labels=labels),
        ]

    return build
