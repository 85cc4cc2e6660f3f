# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory: per mesh and role, which objects are ours and how we left them. Kept in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.labels import MESH_LABEL
from .client import Client
from .errors import ApiError
from .record import Records, decode, encode

INVENTORY_LABEL = "ambient.alauda.io/inventory"
_MANAGER = "alauda.ambient/inventory"
_KEY = "records"
_MAX_BYTES = 900_000  # an object may have 1 MiB, and its metadata needs some


class Inventory:
    """The records of one mesh by role, read at once and written role by role.

    Two runs at once are kept apart by the resourceVersion: the second to write gets an AmbientError.
    """

    def __init__(self, client: Client, namespace: str, mesh: str) -> None:
        self._client = client
        self._mesh = mesh
        self.namespace = namespace
        self._live: dict[str, Object] = {}
        self.roles: dict[str, Records] = {}
        selector = f"{MESH_LABEL}={mesh},{INVENTORY_LABEL}"
        for found in client.list("v1", "ConfigMap", namespace, label_selector=selector):
            role = found["metadata"]["labels"][INVENTORY_LABEL]
            self._live[role] = found
            self.roles[role] = decode((found.get("data") or {}).get(_KEY) or "")

    def of(self, role: str) -> Records:
        """The records of a role, to read and to change."""
        return self.roles.setdefault(role, {})

    def all(self) -> Records:
        """The records of all roles."""
        return {key: record for records in self.roles.values() for key, record in records.items()}

    def save(self, roles: Iterable[str] | None = None) -> bool:
        """Write the roles whose records differ from the live ones; a role without records goes.

        True if something was written.
        """
        written = False
        for role in sorted(self.roles if roles is None else roles):
            written = self._save(role) or written
        return written

    def _save(self, role: str) -> bool:
        records, live = self.of(role), self._live.get(role)
        text = encode(records)
        if len(text.encode()) > _MAX_BYTES:
            raise AmbientError(
                f"{len(records)} objects are more than one inventory holds", path=f"role {role}", hint="Split the role"
            )
        if live is not None and (live.get("data") or {}).get(_KEY) == text:
            return False
        try:
            if not records:
                return self._remove(role)
            if live is None:
                self._live[role] = self._client.create(self._config_map(role, text, {}), manager=_MANAGER)
            else:
                version = {"resourceVersion": live["metadata"]["resourceVersion"]}
                self._live[role] = self._client.replace(self._config_map(role, text, version), manager=_MANAGER)
        except ApiError as error:
            if error.status == 409:
                raise AmbientError(
                    "another run has changed the inventory meanwhile",
                    path=f"ConfigMap {self.namespace}/{self._name(role)}",
                    hint="Wait for it to end, then run again",
                ) from error
            raise
        return True

    def _remove(self, role: str) -> bool:
        live = self._live.pop(role, None)
        self.roles.pop(role, None)
        if live is None:
            return False
        return self._client.delete(Identity.of(live))

    def _name(self, role: str) -> str:
        return f"ambient-inventory-{self._mesh}-{role}".replace("_", "-").lower()

    def _config_map(self, role: str, text: str, metadata: Mapping[str, Any]) -> Object:
        labels = {MESH_LABEL: self._mesh, INVENTORY_LABEL: role}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._name(role), "namespace": self.namespace, "labels": labels, **metadata},
            "data": {_KEY: text},
        }
