# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory: per mesh and role, which objects are ours and how we left them. Kept in the cluster."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from ..manifests.labels import MESH_LABEL
from .client import Client
from .errors import ApiError
from .fields import apply_entry
from .naming import object_name
from .record import Record, Records, decode, encode

INVENTORY_LABEL = "ambient.alauda.io/inventory"
INVENTORY_MANAGER = "alauda.ambient/inventory"
SHARD_LABEL = "ambient.alauda.io/inventory-shard"
_KEY = "records"
_PER_SHARD = 1000  # records of the longest names are 900 bytes each, and an object may have 1 MiB
_APPLYSET_ID = "applyset.kubernetes.io/id"
_APPLYSET_TOOLING = "applyset.kubernetes.io/tooling"
_APPLYSET_KINDS = "applyset.kubernetes.io/contains-group-kinds"
_TOOLING = "alauda.ambient/v1"

_Shard = tuple[str, int]  # role, number


class Inventory:
    """The records of one mesh by role, read at once and written role by role.

    A role of many objects is spread over several ConfigMaps. A record stays where it was first written, so that
    no moment between two writes lacks one. Two runs at once are kept apart by the lock, and if all else fails by
    the resourceVersion: the second to write gets an AmbientError.
    """

    def __init__(self, client: Client, namespace: str, mesh: str) -> None:
        self._client = client
        self._mesh = mesh
        self.namespace = namespace
        self._live: dict[_Shard, Object] = {}
        self._places: dict[str, dict[str, int]] = {}
        self.roles: dict[str, Records] = {}
        selector = f"{MESH_LABEL}={mesh},{INVENTORY_LABEL}"
        for found in client.list("v1", "ConfigMap", namespace, label_selector=selector):
            labels = found["metadata"]["labels"]
            role, number = labels[INVENTORY_LABEL], self._number(found)
            self._live[role, number] = found
            records = decode((found.get("data") or {}).get(_KEY) or "")
            self.roles.setdefault(role, {}).update(records)
            self._places.setdefault(role, {}).update(dict.fromkeys(records, number))

    def _number(self, found: Object) -> int:
        text = str(found["metadata"]["labels"].get(SHARD_LABEL) or 0)
        if text.isdigit():
            return int(text)
        raise AmbientError(
            f"the label {SHARD_LABEL} must be a number, it is {text!r}",
            path=f"ConfigMap {self.namespace}/{found['metadata']['name']}",
            hint="Somebody has changed it: restore the number at the end of the name, 0 where there is none",
        )

    def of(self, role: str) -> Records:
        """The records of a role, to read and to change."""
        return self.roles.setdefault(role, {})

    def find(self, item: Item) -> Record | None:
        """The record of an item; where its role has none, that of the role which the item has left."""
        found = self.of(item.role).get(item.key)
        if found is not None:
            return found
        return next((records[item.key] for records in self.roles.values() if item.key in records), None)

    def note(self, item: Item, record: Record) -> None:
        """Keep this record of an item in place of what its role has."""
        self.of(item.role)[item.key] = record

    def all(self) -> Records:
        """The records of all roles."""
        return {key: record for records in self.roles.values() for key, record in records.items()}

    def versions(self) -> dict[str, str]:
        """The resourceVersion of each ConfigMap: another run has written if they differ from those before."""
        return {found["metadata"]["name"]: found["metadata"]["resourceVersion"] for found in self._live.values()}

    def namespace_is_ours(self) -> bool:
        """Whether the namespace was created only to hold the inventory."""
        found = self._client.get("v1", "Namespace", self.namespace, metadata_only=True)
        return found is not None and apply_entry(found, INVENTORY_MANAGER) is not None

    def save(self, roles: Iterable[str] | None = None) -> bool:
        """Write the roles whose records differ from the live ones; a role without records goes.

        True if something was written.
        """
        written = False
        for role in sorted(self.roles if roles is None else roles):
            for number, records in sorted(self._spread(role).items()):
                written = self._save(role, number, records) or written
        return written

    def _spread(self, role: str) -> dict[int, Records]:
        """The records of each shard of a role; empty for a shard that is no longer needed."""
        shards: dict[int, Records] = {number: {} for owner, number in self._live if owner == role}
        places = self._places.setdefault(role, {})
        new = []
        for key, record in self.of(role).items():
            if key in places:
                shards.setdefault(places[key], {})[key] = record
            else:
                new.append((key, record))
        last = max(shards, default=0)
        for key, record in new:
            if len(shards.setdefault(last, {})) >= _PER_SHARD:
                last += 1
            shards.setdefault(last, {})[key] = record
            places[key] = last
        for gone in set(places) - set(self.of(role)):
            del places[gone]
        return shards

    def _save(self, role: str, number: int, records: Records) -> bool:
        text, live = encode(records), self._live.get((role, number))
        if live is not None and (live.get("data") or {}).get(_KEY) == text:
            return False
        try:
            if not records:
                return self._remove(role, number)
            wanted = self._config_map(role, number, text, records.values())
            if live is None:
                self._live[role, number] = self._client.create(wanted, manager=INVENTORY_MANAGER)
            else:
                wanted["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
                self._live[role, number] = self._client.replace(wanted, manager=INVENTORY_MANAGER)
        except ApiError as error:
            if error.status == 409:
                self._refuse_without_labels(role, number)
                raise AmbientError(
                    "another run has changed the inventory meanwhile",
                    path=f"ConfigMap {self.namespace}/{self.name(role, number)}",
                    hint="Wait for it to end, then run again",
                ) from error
            raise
        return True

    def _refuse_without_labels(self, role: str, number: int) -> None:
        """A ConfigMap of ours that we did not find by its labels, but that is there."""
        found = self._client.get("v1", "ConfigMap", self.name(role, number), self.namespace, metadata_only=True)
        labels = ((found or {}).get("metadata") or {}).get("labels") or {}
        if found is None or (labels.get(MESH_LABEL), labels.get(INVENTORY_LABEL)) == (self._mesh, role):
            return
        wanted = f"{MESH_LABEL}={self._mesh} {INVENTORY_LABEL}={role} {SHARD_LABEL}={number}"
        raise AmbientError(
            "the inventory has lost its labels",
            path=f"ConfigMap {self.namespace}/{self.name(role, number)}",
            hint=f"Restore them: kubectl label configmap -n {self.namespace} {self.name(role, number)} {wanted}",
        )

    def _remove(self, role: str, number: int) -> bool:
        live = self._live.pop((role, number), None)
        return live is not None and self._client.delete(Identity.of(live))

    def name(self, role: str, number: int = 0) -> str:
        """The name of the ConfigMap that holds a shard of a role."""
        return object_name("ambient-inventory", self._mesh, role, number)

    def _config_map(self, role: str, number: int, text: str, records: Iterable[Record]) -> Object:
        name = self.name(role, number)
        kinds = Counter(_group_kind(record.identity) for record in records)
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {
                    MESH_LABEL: self._mesh,
                    INVENTORY_LABEL: role,
                    SHARD_LABEL: str(number),
                    _APPLYSET_ID: _applyset_id(name, self.namespace),
                },
                "annotations": {_APPLYSET_TOOLING: _TOOLING, _APPLYSET_KINDS: ",".join(sorted(kinds))},
            },
            "data": {_KEY: text},
        }


def _group_kind(identity: Identity) -> str:
    return f"{identity.kind}.{identity.group}" if identity.group else identity.kind


def _applyset_id(name: str, namespace: str) -> str:
    """As kubectl names an ApplySet by its parent, so that its --prune refuses what another tool keeps."""
    digest = hashlib.sha256(f"{name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"
