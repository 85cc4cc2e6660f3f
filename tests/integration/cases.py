# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that several tests apply, and how they look at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.labels import own

Result = dict[str, Any]
Apply = Callable[..., Result]
Writes = Callable[[], list[dict[str, str]]]


def config_map(namespace: str, name: str = "one", **data: str) -> Object:
    """A ConfigMap of ours."""
    return own(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data},
        namespace,
    )


def crd(plural: str) -> Object:
    """A CRD whose objects may hold anything."""
    kind = plural.capitalize()
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.tests.example"},
        "spec": {
            "group": "tests.example",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def live(client: Client, obj: Object) -> Object:
    """The live object; it must exist."""
    metadata = obj["metadata"]
    found = client.get(obj["apiVersion"], obj["kind"], metadata["name"], metadata.get("namespace", ""))
    assert found is not None
    return found
