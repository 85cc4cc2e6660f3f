# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as verification uses it, on the kube Client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..kube.client import Client
from ..kube.errors import ApiError
from ..kube.portforward import http_get
from ..manifests.identity import Identity


class LiveCluster:
    """Implements `Cluster`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def version(self) -> str:
        """The API server's version."""
        return str(self._client.version().get("gitVersion", ""))

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """An object, or None."""
        return self._client.get(api_version, kind, name, namespace)

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> list[dict[str, Any]]:
        """All objects of a kind."""
        return self._client.list(api_version, kind, namespace, label_selector)

    def logs(self, namespace: str, pod: str, container: str, since: int) -> str:
        """A container's log of the last `since` seconds."""
        return self._client.logs(namespace, pod, container, since=since)

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in a container."""
        return self._client.exec(namespace, pod, container, list(command), timeout=15)

    def http_get(self, namespace: str, pod: str, port: int, path: str) -> tuple[int, str]:
        """GET from a port on a pod's loopback."""
        return http_get(self._client, namespace, pod, port, path)

    def apply(self, obj: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Server-side apply; what this manager no longer names goes away."""
        return self._client.apply(dict(obj), manager, force=True)

    def restart(self, namespace: str, pod: str) -> None:
        """Delete a pod in its own time, for its owner to make another."""
        self._client.delete(Identity.parse("v1", "Pod", pod, namespace))

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        """Delete an object at once; False where there is none."""
        identity = Identity.parse(api_version, kind, name, namespace)
        if kind != "Pod":
            return self._client.delete(identity)
        path = self._client.resource(identity).path(namespace, name)
        try:
            self._client.request("DELETE", path, query={"gracePeriodSeconds": 0})
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True
