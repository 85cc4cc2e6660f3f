# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether inventory and cluster agree, and whether two runs kept out of each other's way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.fields import apply_entry
from ansible_collections.alauda.ambient.plugins.module_utils.kube.inventory import INVENTORY_LABEL, Inventory
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.labels import MESH_LABEL
from kills.wire import Request

MESH = "default"
NAMESPACE = "istio-system"


def disagreements(client: Client) -> list[str]:
    """Objects with our label that no record knows, and records of what is not there or not ours, in words."""
    client.discover().refresh()
    records = Inventory(client, NAMESPACE, MESH).all()
    known = {record.identity.key for record in records.values() if not record.patch}
    labelled = {Identity.of(found).key: found for found in _labelled(client)}
    words = [f"orphan, in no inventory: {key}" for key in sorted(set(labelled) - known)]
    words += [f"recorded, but not there with our label: {key}" for key in sorted(known - set(labelled))]
    for record in records.values():
        if record.patch:
            target = client.get(record.identity)
            if target is None or apply_entry(target, record.manager) is None:
                words.append(f"recorded, but {record.manager} holds nothing: {record.identity.short}")
    return words


def _labelled(client: Client) -> Iterator[dict[str, Any]]:
    """Every object with the label of the mesh, except inventory, lock, and what controllers copy from ours.

    The lock of a run that was killed stays, expired, until the next run that has something to write.
    """
    kinds = {
        (resource.group, resource.name): resource
        for resource in client.discover().kinds().values()
        if {"list", "delete"} <= resource.verbs and resource.kind not in ("ComponentStatus", "Event", "Endpoints")
    }

    def read(resource: Any) -> list[dict[str, Any]]:
        version = f"{resource.group}/{resource.version}" if resource.group else resource.version
        found = client.list_metadata(version, resource.kind, label_selector=f"{MESH_LABEL}={MESH}")
        return [{**obj, "apiVersion": version, "kind": resource.kind} for obj in found]

    with ThreadPoolExecutor(8) as pool:
        for listed in pool.map(read, kinds.values()):
            for obj in listed:
                metadata = obj["metadata"]
                books = INVENTORY_LABEL in metadata["labels"] or metadata["name"] == f"ambient-lock-{MESH}"
                if books or metadata.get("ownerReferences"):
                    continue
                yield obj


def interleaved(first: Sequence[Request], second: Sequence[Request]) -> list[str]:
    """The writes of the first run that were not answered yet when the second run sent its first, in words."""
    if not second:
        return []
    start = second[0]
    return [
        f"{late.verb} {late.object} ended {late.ended - start.begun:.3f} s after the next run's {start.object} began"
        for late in first
        if late.ended > start.begun
    ]
