# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of meshes, rendered as their users do, and put into a real API server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import toolchain
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity

Object = dict[str, Any]
NAMESPACE = "other-mesh"
KINDS = (
    "CustomResourceDefinition",
    "Deployment",
    "DaemonSet",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ClusterRole",
)


def rendered(directory: Path, *options: str) -> Iterator[Object]:
    """What the chart brings of the kinds that the checks look at; webhooks that concern nothing here."""
    helm = toolchain.binaries("helm")["helm"]
    command = [
        helm,
        "template",
        "other",
        directory,
        "--include-crds",
        "--namespace",
        NAMESPACE,
        "--kube-version",
        "1.34",
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for obj in yaml.safe_load_all(done.stdout):
        if obj and obj["kind"] in KINDS:
            metadata = obj["metadata"]
            metadata.pop("namespace", None)
            if obj["kind"] in ("Deployment", "DaemonSet"):
                metadata["namespace"] = NAMESPACE
            for hook in obj.get("webhooks") or []:
                hook["failurePolicy"] = "Ignore"
                hook["namespaceSelector"] = {"matchLabels": {"none.invalid/no-such-namespace": "true"}}
                hook["clientConfig"].pop("caBundle", None)
            yield obj


@contextmanager
def there(client: Client, objects: list[Object]) -> Iterator[None]:
    """Plant objects, and see that they are gone afterwards."""
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, "tests")
    try:
        for obj in objects:
            client.apply(obj, "helm")
        yield
    finally:
        for obj in reversed(objects):
            client.delete(Identity.of(obj))
        deadline = time.monotonic() + 60
        while left := [obj for obj in objects if client.get(Identity.of(obj))]:
            assert time.monotonic() < deadline, [f"{obj['kind']} {obj['metadata']['name']}" for obj in left]
            for obj in left:
                _let_go(client, obj)
            time.sleep(0.2)


def _let_go(client: Client, obj: Object) -> None:
    """Of the many CRDs that go together the API server keeps one for minutes, though nothing of its kind is there."""
    found = client.get(Identity.of(obj)) or {"metadata": {}}
    if found["metadata"].pop("finalizers", None):
        try:
            client.replace(found)
        except ApiError as error:
            if error.status not in (404, 409):  # it has gone by itself, or is about to
                raise
