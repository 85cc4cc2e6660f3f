# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on the API, and the state of the objects after each event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LISTED = "LISTED"  # was there when the watch began
DELETED = "DELETED"
USE, USE_NAMESPACE = "istio.io/use-waypoint", "istio.io/use-waypoint-namespace"
SERVICE_OF_SLICE = "kubernetes.io/service-name"
Key = tuple[str, str, str]  # kind, namespace, name


@dataclass(frozen=True, order=True)
class Event:
    """One change of one object. Its revision is that of the API server's store, which counts all kinds together."""

    revision: int
    kind: str = field(compare=False)
    type: str = field(compare=False)  # LISTED, ADDED, MODIFIED, DELETED
    object: Mapping[str, Any] = field(compare=False)
    at: float = field(compare=False, default=0.0)  # when it was seen

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The object's namespace; a Namespace's own name."""
        return self.name if self.kind == "Namespace" else str(self.object["metadata"]["namespace"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.object["metadata"].get("labels") or {}

    @property
    def key(self) -> Key:
        return self.kind, self.namespace, self.name

    def __str__(self) -> str:
        return f"{self.revision} {self.type} {self.kind} {self.namespace}/{self.name}"


class State:
    """The objects as they were after an event."""

    def __init__(self) -> None:
        self.objects: dict[Key, Mapping[str, Any]] = {}

    def take(self, event: Event) -> None:
        """Go on by one event."""
        if event.type == DELETED:
            self.objects.pop(event.key, None)
        else:
            self.objects[event.key] = event.object

    def of_kind(self, kind: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Namespace, name and object of each of a kind."""
        for (its_kind, namespace, name), found in self.objects.items():
            if its_kind == kind:
                yield namespace, name, found

    def bindings(self) -> set[tuple[Key, str]]:
        """Who names which waypoint (NAMESPACE/NAME) in a label of its own or of its pods."""
        named = ((key, waypoint_named_by(key, found)) for key, found in self.objects.items())
        return {(key, waypoint) for key, waypoint in named if waypoint}

    def programmed(self, waypoint: str) -> bool:
        """Whether the waypoint's Gateway says so, for what it is now."""
        gateway = self.objects.get(("Gateway", *_split(waypoint)), {})
        conditions = (gateway.get("status") or {}).get("conditions") or []
        return any(c["type"] == "Programmed" and c["status"] == "True" for c in conditions)

    def ready_endpoints(self, waypoint: str) -> int:
        """How many endpoints of the waypoint's Service are ready."""
        namespace, name = _split(waypoint)
        slices = [
            found
            for its_namespace, _name, found in self.of_kind("EndpointSlice")
            if its_namespace == namespace and (found["metadata"].get("labels") or {}).get(SERVICE_OF_SLICE) == name
        ]
        endpoints = [endpoint for found in slices for endpoint in found.get("endpoints") or []]
        return sum(bool((endpoint.get("conditions") or {}).get("ready")) for endpoint in endpoints)


def _split(waypoint: str) -> tuple[str, str]:
    namespace, _slash, name = waypoint.partition("/")
    return namespace, name


def waypoint_named_by(key: Key, found: Mapping[str, Any]) -> str:
    """The waypoint that an object's label, or the label of its pod template, names; "" for none."""
    template = (found.get("spec") or {}).get("template") or {}
    owner = template if key[0] in ("Deployment", "StatefulSet", "DaemonSet") else found
    labels = (owner.get("metadata") or {}).get("labels") or {}
    name = labels.get(USE, "")
    return f"{labels.get(USE_NAMESPACE, key[1])}/{name}" if name not in ("", "none") else ""


def replay(events: Iterable[Event]) -> Iterator[tuple[Event, State]]:
    """Each event in its order, with the state after it. The state is the same object all the time."""
    state = State()
    for event in sorted(events):
        state.take(event)
        yield event, state
