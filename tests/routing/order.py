# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The orders that keep traffic whole and closed, each as a question to the events: which of them broke it?

All functions are pure; an empty list means that the order was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .events import DELETED, LISTED, Event, State, replay

ONLY = "ambient-only-"
STRICT = "ambient-strict"


def named_before_ready(events: Sequence[Event]) -> list[str]:
    """Labels that named a waypoint before its Gateway was programmed and one of its endpoints was ready."""
    broken: list[str] = []
    before: set[tuple[tuple[str, str, str], str]] = set()
    for event, state in replay(events):
        now = state.bindings()
        for _key, waypoint in now - before if event.type != LISTED else ():
            if not state.programmed(waypoint):
                broken.append(f"{event} names {waypoint}, which is not programmed")
            elif not state.ready_endpoints(waypoint):
                broken.append(f"{event} names {waypoint}, which has no ready endpoint")
        before = now
    return broken


def deleted_while_named(events: Sequence[Event]) -> list[str]:
    """Gateways that were deleted, or began to be, while a label still named them."""
    broken, going = [], set()
    for event, state in replay(events):
        goes = event.type == DELETED or "deletionTimestamp" in event.object["metadata"]
        if event.kind != "Gateway" or not goes or event.key in going:
            continue
        going.add(event.key)
        waypoint = f"{event.namespace}/{event.name}"
        by = sorted("/".join(key) for key, named in state.bindings() if named == waypoint)
        if by:
            broken.append(f"{event}, still named by {', '.join(by)}")
    return broken


def locked_without_traffic(events: Sequence[Event]) -> list[str]:
    """Lock-downs that came before the traffic they are for, or stayed longer: last in, first out.

    `ambient-only-WAYPOINT-…` needs a label in its namespace that names the waypoint; `ambient-strict` needs the
    namespace in the mesh.
    """
    broken: list[str] = []
    known: set[str] = set()
    for event, state in replay(events):
        if event.type == LISTED:
            continue
        now = set(_locked_without_traffic(state))
        broken += [f"{event}: {words}" for words in sorted(now - known)]
        known = now
    return broken


def _locked_without_traffic(state: State) -> list[str]:
    out = []
    bindings = state.bindings()
    for namespace, name, _found in state.of_kind("AuthorizationPolicy"):
        if not name.startswith(ONLY):
            continue
        waypoint = name.removeprefix(ONLY).rpartition("-")[0]
        if not any(key[1] == namespace and named.endswith(f"/{waypoint}") for key, named in bindings):
            out.append(f"{namespace}/{name} without a label that names {waypoint}")
    for namespace, name, _found in state.of_kind("PeerAuthentication"):
        labels = state.objects.get(("Namespace", namespace, namespace), {}).get("metadata", {}).get("labels") or {}
        if name == STRICT and labels.get("istio.io/dataplane-mode") != "ambient":
            out.append(f"{namespace}/{name} outside the mesh")
    return out


def when(events: Sequence[Event], becomes: Callable[[State], bool]) -> Event | None:
    """The first event after which the state is so; None for never. For a lambda on State."""
    return next((event for event, state in replay(events) if becomes(state)), None)


def out_of_order(first: Sequence[Event], then: Sequence[Event]) -> list[str]:
    """Events of `then` that came before the last one of `first`."""
    last = max(first, default=None)
    return [f"{event} came before {last}" for event in sorted(then) if last is not None and event < last]


def changes(events: Sequence[Event], kind: str, name: str = "", *types: str) -> list[Event]:
    """The events of a kind in their order, of names that begin so, of these types (all but LISTED without)."""
    wanted = types or ("ADDED", "MODIFIED", DELETED)
    return sorted(e for e in events if e.kind == kind and e.name.startswith(name) and e.type in wanted)
