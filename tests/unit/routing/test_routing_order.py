# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The orders are told apart from events alone, whatever the order in which the watches brought them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from routing import Event, order
from routing.events import replay

SHOP, NAMED = "shop", {"istio.io/use-waypoint": "waypoint"}
LABELLED = {"istio.io/dataplane-mode": "ambient", **NAMED}
PROGRAMMED = {"conditions": [{"type": "Programmed", "status": "True"}]}


def event(revision: int, kind: str, name: str, what: str = "ADDED", **content: Any) -> Event:
    """One event; `labels` go to the metadata, everything else to the object."""
    metadata: dict[str, Any] = {"name": name, "labels": content.pop("labels", {})}
    if "deletionTimestamp" in content:
        metadata["deletionTimestamp"] = content.pop("deletionTimestamp")
    if kind != "Namespace":
        metadata["namespace"] = content.pop("namespace", SHOP)
    return Event(revision, kind, what, {"metadata": metadata, **content})


def endpoints(revision: int, *ready: bool, what: str = "ADDED") -> Event:
    return event(
        revision,
        "EndpointSlice",
        "waypoint-abc",
        what,
        labels={"kubernetes.io/service-name": "waypoint"},
        endpoints=[{"conditions": {"ready": one}} for one in ready],
    )


def gateway(revision: int, what: str = "MODIFIED", status: Mapping[str, Any] | None = None, **content: Any) -> Event:
    status = PROGRAMMED if status is None else status
    return event(revision, "Gateway", "waypoint", what, status=status, **content)


def shuffled(events: list[Event]) -> list[Event]:
    return random.Random(1).sample(events, len(events))


def way_in() -> list[Event]:
    return [
        event(1, "Namespace", SHOP, "LISTED"),
        gateway(2, "ADDED", status={}),
        gateway(3),
        endpoints(4, False),
        endpoints(5, True, what="MODIFIED"),
        event(6, "Namespace", SHOP, "MODIFIED", labels=LABELLED),
        event(7, "AuthorizationPolicy", "ambient-only-waypoint-1a2b"),
        event(8, "PeerAuthentication", "ambient-strict"),
    ]


def way_out(start: int = 11) -> list[Event]:
    return [
        event(start, "PeerAuthentication", "ambient-strict", "DELETED"),
        event(start + 1, "AuthorizationPolicy", "ambient-only-waypoint-1a2b", "DELETED"),
        event(start + 2, "Namespace", SHOP, "MODIFIED"),
        gateway(start + 3, deletionTimestamp="now"),
        gateway(start + 4, "DELETED", deletionTimestamp="now"),
    ]


def broken(events: list[Event]) -> list[str]:
    checks = (order.named_before_ready, order.deleted_while_named, order.locked_without_traffic)
    return [words for check in checks for words in check(shuffled(events))]


def test_the_right_order_is_kept() -> None:
    assert broken(way_in() + way_out()) == []


def without(events: list[Event], revision: int) -> list[Event]:
    return [e for e in events if e.revision != revision]


def moved(events: list[Event], revision: int, to: int) -> list[Event]:
    (found,) = [e for e in events if e.revision == revision]
    moved_event = Event(to, found.kind, found.type, found.object)
    return [*without(events, revision), moved_event]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (without(way_in(), 3), "shop/waypoint, which is not programmed"),
        (without(way_in(), 5), "shop/waypoint, which has no ready endpoint"),
        (without(way_in() + way_out(), 13), "still named by Namespace/shop/shop"),
        (without(way_in(), 6), "shop/ambient-only-waypoint-1a2b without a label that names waypoint"),
        (without(way_in(), 6), "shop/ambient-strict outside the mesh"),
        (moved(way_in() + way_out(), 12, 20), "shop/ambient-only-waypoint-1a2b without a label"),
        (moved(way_in() + way_out(), 11, 20), "shop/ambient-strict outside the mesh"),
    ],
)
def test_a_broken_order_is_told(events: list[Event], words: str) -> None:
    assert any(words in said for said in broken(events)), broken(events)


def test_a_service_that_names_a_waypoint_counts() -> None:
    early = event(1, "Service", "cart", labels=NAMED)
    assert order.named_before_ready([early])
    assert not order.named_before_ready([Event(1, "Service", "LISTED", early.object)]), "it was there before the watch"


def test_a_pod_template_counts_by_its_own_labels() -> None:
    template = {"template": {"metadata": {"labels": NAMED}}}
    assert order.named_before_ready([event(1, "Deployment", "cart", spec=template)])
    assert not order.named_before_ready([event(1, "Deployment", "cart", labels=NAMED)])


def test_a_waypoint_of_another_namespace() -> None:
    labels = {**NAMED, "istio.io/use-waypoint-namespace": "infra"}
    (said,) = order.named_before_ready([*way_in()[:5], event(6, "Namespace", SHOP, "MODIFIED", labels=labels)])
    assert "infra/waypoint" in said


def test_none_names_no_waypoint() -> None:
    assert not order.named_before_ready([event(1, "Service", "cart", labels={"istio.io/use-waypoint": "none"})])


def test_a_label_is_told_once() -> None:
    again = event(2, "Service", "cart", "MODIFIED", labels=NAMED)
    assert len(order.named_before_ready([event(1, "Service", "cart", labels=NAMED), again])) == 1


def test_when_and_changes() -> None:
    events = shuffled(way_in() + way_out())
    ready = order.when(events, lambda state: state.programmed("shop/waypoint"))
    assert ready and ready.revision == 3
    assert order.when(events, lambda state: state.ready_endpoints("shop/waypoint") > 1) is None
    assert [e.revision for e in order.changes(events, "Namespace")] == [6, 13]
    assert [e.revision for e in order.changes(events, "AuthorizationPolicy", "ambient-only-", "DELETED")] == [12]


def test_out_of_order() -> None:
    first, then = way_in()[:3], way_in()[3:]
    assert order.out_of_order(first, then) == []
    assert len(order.out_of_order(then, first)) == 3
    assert order.out_of_order([], first) == []


def test_replay_forgets_what_is_deleted() -> None:
    for _event, state in replay(way_in() + way_out()):
        last = sorted(kind for kind, _namespace, _name in state.objects)
    assert last == ["EndpointSlice", "Namespace"]
