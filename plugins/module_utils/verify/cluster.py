# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few calls that verification makes on a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ..errors import AmbientError
from .verdict import Seen

T = TypeVar("T")

ISTIOD_NAMESPACE = "istio-system"
CNI = ("istio-cni", "istio-cni-node")
ZTUNNEL = ("ztunnel", "ztunnel")


class Cluster(Protocol):
    """Reads, and for the probe writes. Every method raises AmbientError for what it cannot do."""

    def version(self) -> str:
        """The API server's version."""

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """An object, or None."""

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> list[dict[str, Any]]:
        """All objects of a kind."""

    def logs(self, namespace: str, pod: str, container: str, since: int) -> str:
        """A container's log of the last `since` seconds."""

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in a container: exit status, output, error output."""

    def http_get(self, namespace: str, pod: str, port: int, path: str) -> tuple[int, str]:
        """GET from a port on a pod's loopback: HTTP status and body."""

    def apply(self, obj: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Server-side apply; what this manager no longer names goes away."""

    def restart(self, namespace: str, pod: str) -> None:
        """Delete a pod in its own time, for its owner to make another."""

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        """Delete an object at once; False where there is none."""


def look(read: Callable[[], T], what: str) -> Seen[T]:
    """Read something; an error becomes the reason why it was not seen."""
    try:
        return Seen(read())
    except AmbientError as e:
        where = f" ({e.path})" if e.path else ""
        return Seen(why=f"{what}: {e.message}{where}")


def get_json(cluster: Cluster, namespace: str, pod: str, port: int, path: str) -> dict[str, Any]:
    """A JSON object from a port on a pod's loopback."""
    status, body = cluster.http_get(namespace, pod, port, path)
    if status != 200:
        raise AmbientError(f"HTTP {status}", path=f"{namespace}/{pod} port {port}{path}")
    try:
        data = json.loads(body)
    except ValueError as e:
        raise AmbientError(f"no JSON: {e}", path=f"{namespace}/{pod} port {port}{path}") from e
    if not isinstance(data, dict):
        raise AmbientError("no JSON object", path=f"{namespace}/{pod} port {port}{path}")
    return data
