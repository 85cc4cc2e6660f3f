# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a waypoint works, and when Services are bound to it: pure functions of live objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..manifests.items import Item
from .moves import USE_WAYPOINT, waypoint_of
from .ready import READY, Live, Verdict, condition, judge

GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
_MANAGED_LABEL = "gateway.istio.io/managed"
_BOUND = "istio.io/WaypointBound"
_BOUND_TO = re.compile(r"attached to waypoint ([^\s,;]+)")
_CLASS = "istio-waypoint"
_LABELLED = ("Namespace", "Service")
_NAMED = 3  # Services in a text


def waypoint_wanted(item: Item) -> str:
    """The waypoint (`namespace/name`) to which a patch on a Namespace or Service binds, "" for none."""
    identity = item.identity
    if not item.patch or identity.group or identity.kind not in _LABELLED:
        return ""
    return waypoint_of(item.object["metadata"].get("labels") or {}, identity.namespace or identity.name)


def is_deployed_waypoint(gateway: Live) -> bool:
    """Whether istiod makes the proxies of this Gateway, and they are a waypoint's."""
    spec = gateway.get("spec") or {}
    by_hand = any(address.get("type") == "Hostname" for address in spec.get("addresses") or [])
    return str(spec.get("gatewayClassName") or "").startswith(_CLASS) and not by_hand


def is_waypoint_item(item: Item) -> bool:
    """Whether an item is a Gateway of which istiod makes a waypoint's proxies."""
    return item.identity.kind == "Gateway" and is_deployed_waypoint(item.object)


def with_proxies(gateway: Verdict, deployments: Iterable[Live] | None) -> Verdict:
    """What a waypoint lacks, from what its Gateway lacks and its Deployments (None: not yet known)."""
    proxies = _proxies(deployments)
    missing = ", and ".join(text for text in (gateway.missing, proxies.missing) if text)
    return Verdict(missing, final=proxies.final, may_recover=proxies.may_recover)


def _proxies(deployments: Iterable[Live] | None) -> Verdict:
    if deployments is None:
        return Verdict("its Deployment is being looked at")
    verdict = Verdict("has no Deployment yet")
    for deployment in deployments:
        rolled_out = judge(deployment)
        if not rolled_out.missing or serves(deployment):
            return READY
        name = deployment["metadata"]["name"]
        text = f"no pod of its Deployment {name} is available ({rolled_out.missing})"
        verdict = Verdict(text, rolled_out.final, rolled_out.may_recover)
    return verdict


def serves(deployment: Live) -> bool:
    """Whether a pod of the newest generation is available: more are than could be old ones."""
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return False
    old = status.get("replicas", 0) - status.get("updatedReplicas", 0)
    return bool(status.get("availableReplicas", 0) > old)


def service_unbound(service: Live, waypoint: str) -> str:
    """What keeps a Service from its waypoint, "" if nothing does."""
    found = condition(service, _BOUND)
    if found is None:
        return "istiod has not reported on it"
    if found.get("status") != "True":
        return ": ".join(str(found[key]) for key in ("reason", "message") if found.get(key)) or "istiod refuses it"
    named = _BOUND_TO.search(str(found.get("message") or ""))
    if named and named[1].rstrip(".") != waypoint:
        return f"still bound to {named[1].rstrip('.')}"
    return ""


def service(live: Live, waypoint: str) -> Verdict:
    """Whether a Service that has the label itself is bound."""
    why = "" if _never_bound(live) else service_unbound(live, waypoint)
    return Verdict(f"not bound to waypoint {waypoint}: {why}") if why else READY


def namespace(services: Mapping[str, Live] | None, waypoint: str) -> Verdict:
    """Whether the Services (by name; None: not yet known) that follow their Namespace's label are bound."""
    if services is None:
        return Verdict("its Services are being looked at")
    following = {name: each for name, each in services.items() if _follows_its_namespace(each)}
    unbound = {name: why for name, each in sorted(following.items()) if (why := service_unbound(each, waypoint))}
    if not unbound:
        return READY
    named = ", ".join(f"{name} ({why})" for name, why in list(unbound.items())[:_NAMED])
    more = f" and {len(unbound) - _NAMED} more" if len(unbound) > _NAMED else ""
    return Verdict(f"{len(unbound)} of {len(following)} Services not bound to waypoint {waypoint}: {named}{more}")


def _never_bound(live: Live) -> bool:
    labels = live["metadata"].get("labels") or {}
    external = (live.get("spec") or {}).get("type") == "ExternalName"
    return external or GATEWAY_LABEL in labels or _MANAGED_LABEL in labels


def _follows_its_namespace(live: Live) -> bool:
    if _never_bound(live) or USE_WAYPOINT in (live["metadata"].get("labels") or {}):
        return False
    found: Mapping[str, Any] = condition(live, _BOUND) or {}
    return found.get("reason") != "UnsupportedTrafficType"  # a waypoint for workloads alone
