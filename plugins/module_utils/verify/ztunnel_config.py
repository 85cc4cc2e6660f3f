# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ztunnel's configuration dump says about waypoints and policies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from .pods import Object

# istiod makes these of PeerAuthentication: for STRICT as such, and for STRICT with other ports beside it.
_STATIC_STRICT = "istio_converted_static_strict"
_CONVERTED = "converted_peer_authentication_"


class ZtunnelConfig:
    """A configuration dump. Services, pods and policies go by namespace/name."""

    def __init__(self, dump: Object) -> None:
        self._dump = dump

    def lacks(self, *sections: str) -> str:
        """Why the dump says nothing about something; '' if it has all of its sections."""
        missing = [name for name in sections if not isinstance(self._dump.get(name), list)]
        return f"its configuration dump has no section {' and no '.join(missing)}" if missing else ""

    @cached_property
    def policies(self) -> frozenset[str]:
        """The policies that it knows."""
        return frozenset(map(_key, self._dump.get("policies") or []))

    def is_strict(self, pod: str) -> bool:
        """Whether it refuses plain text to a pod."""
        found = self._pods.get(pod, {}).get("authorizationPolicies") or []
        names = [str(name).rpartition("/")[2] for name in found]
        return any(name == _STATIC_STRICT or name.startswith(_CONVERTED) for name in names)

    def service_waypoint(self, service: str) -> set[str]:
        """By which names the waypoint of a Service goes; empty if it has none."""
        return self._names(self._services.get(service, {}))

    def pod_waypoint(self, pod: str) -> set[str]:
        """By which names the waypoint of a pod goes; empty if it has none."""
        return self._names(self._pods.get(pod, {}))

    @cached_property
    def _services(self) -> dict[str, Mapping[str, Any]]:
        return {_key(item): item for item in self._dump.get("services") or []}

    @cached_property
    def _pods(self) -> dict[str, Mapping[str, Any]]:
        items = [item for item in self._dump.get("workloads") or [] if "//Pod/" in str(item.get("uid", ""))]
        return {str(item["uid"]).split("//Pod/", 1)[1]: item for item in items}

    @cached_property
    def _by_address(self) -> dict[str, str]:
        found = {}
        for name, item in self._services.items():
            found[f"{item.get('namespace', '')}/{item.get('hostname', '')}"] = name
            found.update({str(address): name for address in item.get("vips") or []})
        return found

    def _names(self, item: Mapping[str, Any]) -> set[str]:
        """The address that traffic is sent to, and the Service that has it.

        The dump has network/ip with a network that may be empty, or namespace/hostname.
        """
        destination = str((item.get("waypoint") or {}).get("destination") or "")
        if not destination:
            return set()
        service = self._by_address.get(destination)
        return {destination.rpartition("/")[2], *([service] if service else [])}


def _key(item: Mapping[str, Any]) -> str:
    return f"{item.get('namespace', '')}/{item.get('name', '')}"
