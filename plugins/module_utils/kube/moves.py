# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which labels move traffic, and what must be ready before they do: pure functions of items and live objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from ..manifests.waves import WAYPOINTS

MODE_LABEL = "istio.io/dataplane-mode"
USE_WAYPOINT = "istio.io/use-waypoint"
_USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
_INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint"
_NO_WAYPOINT = "none"
_WITH_TEMPLATE = ("Deployment", "DaemonSet", "StatefulSet")
_LABELLED = {
    *(("", kind) for kind in ("Namespace", "Service", "Pod")),
    *(("networking.istio.io", kind) for kind in ("ServiceEntry", "WorkloadEntry")),
    *(("apps", kind) for kind in _WITH_TEMPLATE),
}

ISTIOD_LABEL, CNI_LABEL, ZTUNNEL_LABEL = ("app", "istiod"), ("k8s-app", "istio-cni-node"), ("app", "ztunnel")


class What(Enum):
    """The kinds of things that labels lead to."""

    ISTIOD = "istiod"
    WAYPOINT = "waypoint"
    NODES = "nodes"  # istio-cni and ztunnel on the nodes that run pods of a namespace


@dataclass(frozen=True)
class Need:
    """What must be ready. `name`: of a waypoint `namespace/name`, of nodes the namespace, of istiod empty."""

    what: What
    name: str = ""


def leads_traffic(item: Item) -> bool:
    """Whether the item has labels that lead traffic into the mesh or to a waypoint."""
    return (item.identity.group, item.identity.kind) in _LABELLED and bool(
        _mode(_labels(item.object)) or waypoint_of(_labels(item.object), scope_of(item))
    )


def move_needs(item: Item, live: Object | None, beside: Iterable[Need] = ()) -> frozenset[Need]:
    """What an item newly leads traffic to. Nothing where it changes no label, leads away, or nothing is there yet.

    Args:
        beside: what the labels in a Namespace lead to, which count once it joins the mesh.
    """
    if live is None or not leads_traffic(item):
        return frozenset()
    wanted, there = _labels(item.object), _labels(live)
    if _mode(wanted) and not _mode(there):
        named = {**there, **wanted}  # a waypoint that others have named counts from now on
        return frozenset([*_needs(scope_of(item), waypoint_of(named, scope_of(item))), *beside])
    through = waypoint_of(wanted, scope_of(item))
    from_ingress = _INGRESS_USE_WAYPOINT, "true"
    turns = through != waypoint_of(there, scope_of(item)) or (
        has(wanted, from_ingress) and not has(there, from_ingress)
    )
    return all_needs(item) if turns and through else frozenset()


def all_needs(item: Item) -> frozenset[Need]:
    """All that an item leads traffic to, whether it does so already or not."""
    if not leads_traffic(item):
        return frozenset()
    return frozenset(_needs(scope_of(item), waypoint_of(_labels(item.object), scope_of(item))))


def needs_by_namespace(listed: Iterable[Item]) -> dict[str, frozenset[Need]]:
    """By namespace all that the listed labels in it, and on it, lead to: what narrows there relies on that."""
    found: dict[str, frozenset[Need]] = {}
    for item in listed:
        if needs := all_needs(item):
            found[scope_of(item)] = found.get(scope_of(item), frozenset()) | needs
    return found


def release_needs(identity: Identity, live: Object | None, namespace: Item | None) -> frozenset[Need]:
    """What an object leads to once its own label is released: to what its namespace's label does.

    Args:
        namespace: the item with the labels of its namespace, None if the run has none.
    """
    own = _labels(live or {})
    if USE_WAYPOINT not in own or namespace is None:
        return frozenset()
    followed = waypoint_of(_labels(namespace.object), identity.namespace)
    return all_needs(namespace) if followed and followed != waypoint_of(own, identity.namespace) else frozenset()


def without_brought(needs: Collection[Need], pending: Iterable[Item]) -> frozenset[Need]:
    """The needs that a run does not bring about itself: those cannot be asked for before it writes.

    A mesh that the run mends brings its waypoints along, and whatever it writes beside a waypoint may mend that one.
    """
    written = [item for item in pending if not item.patch]
    if any(is_istiod(item.object) or is_node_agent(item.object) for item in written):
        return frozenset()
    beside = {item.identity.namespace for item in written if item.wave <= WAYPOINTS}
    return frozenset(
        need for need in needs if need.what is not What.WAYPOINT or need.name.partition("/")[0] not in beside
    )


def is_istiod(obj: Mapping[str, Any]) -> bool:
    """Whether it is a Deployment of istiod."""
    return obj.get("kind") == "Deployment" and has(_labels(obj), ISTIOD_LABEL)


def is_node_agent(obj: Mapping[str, Any]) -> bool:
    """Whether it is the DaemonSet of istio-cni or of ztunnel."""
    labels = _labels(obj)
    return obj.get("kind") == "DaemonSet" and (has(labels, CNI_LABEL) or has(labels, ZTUNNEL_LABEL))


def has(labels: Mapping[str, str], label: tuple[str, str]) -> bool:
    """Whether a label has this value."""
    return labels.get(label[0]) == label[1]


def _needs(namespace: str, waypoint: str) -> Iterator[Need]:
    yield Need(What.ISTIOD)
    if waypoint:
        yield Need(What.WAYPOINT, waypoint)
    yield Need(What.NODES, namespace)


def scope_of(item: Item) -> str:
    """The namespace that an item stands in, or is."""
    return item.identity.name if item.identity.kind == "Namespace" else item.identity.namespace


def _labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels that count: of a workload those of its pods."""
    part: Any = obj
    if obj.get("kind") in _WITH_TEMPLATE:
        part = _mapping(_mapping(obj.get("spec")).get("template"))
    return _mapping(_mapping(part.get("metadata")).get("labels"))


def _mapping(value: Any) -> Mapping[str, Any]:
    """Nothing where a manifest has another shape: the API server says so."""
    return value if isinstance(value, Mapping) else {}


def _mode(labels: Mapping[str, str]) -> bool:
    return labels.get(MODE_LABEL) == "ambient"


def waypoint_of(labels: Mapping[str, str], namespace: str) -> str:
    """The waypoint (`namespace/name`) that labels in a namespace name, "" for none."""
    name = labels.get(USE_WAYPOINT) or _NO_WAYPOINT
    return "" if name == _NO_WAYPOINT else f"{labels.get(_USE_WAYPOINT_NAMESPACE) or namespace}/{name}"
