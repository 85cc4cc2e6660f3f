# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless Services behind a waypoint for Services: callers get the pods' addresses, and pass no waypoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..manifests.items import Item
from .facts import NamespaceFacts, Service, behind, ports_of, share_pods
from .intents import Intent
from .policies import LOCK_DOWN
from .reader import Reader
from .spec import Allow, NamespaceSpec, WaypointRef


def refused_by(items: Iterable[Item], seen: NamespaceFacts) -> set[str]:
    """The names of the headless Services whose callers, their own peers among them, are refused by lock-downs."""
    specs = [item.object["spec"] for item in items if item.identity.name.startswith(LOCK_DOWN) and not item.patch]
    headless = [each for each in seen.services if each.headless and each.selector]
    return {each.name for each in headless if any(_refuses(spec, each, seen) for spec in specs)}


def _refuses(lock_down: Mapping[str, Any], service: Service, seen: NamespaceFacts) -> bool:
    selector = (lock_down.get("selector") or {}).get("matchLabels") or {}
    if selector and not share_pods(selector, service.selector, seen.workloads):
        return False
    operations = [to["operation"] for rule in lock_down.get("rules") or [] for to in rule.get("to") or []]
    direct = {int(port) for operation in operations for port in operation.get("notPorts") or []}
    known = ports_of(service, behind(service, seen.workloads)).values()
    return not known or not all(pods and pods <= direct for pods in known)


def refuse_past_the_waypoint(
    reader: Reader,
    namespace: NamespaceSpec,
    service: str,
    ref: WaypointRef,
    called: Iterable[tuple[Intent, set[int]]],
    locked: bool,
) -> None:
    """Note what no waypoint tells, and whom the lock-down refuses. `called`: entries with their ports of the pods."""
    what = f"Service {namespace.name}/{service} is headless, so its callers go past waypoint {ref}"
    direct = {port for each in namespace.exceptions if each.allow is Allow.DIRECT for port in each.ports}
    for intent, ports in called:
        for key in intent.http_keys:
            reader.error(f"{intent.path}.{key}", what, "Take it out, or have them call a Service that is not headless")
        if locked and not intent.http_keys and not (ports and ports <= direct):
            hint = f"Name its ports in an exception allow: direct, or say lock_down: false in the entry of {ref}"
            reader.error(f"{intent.path}.to", f"{what}, and the lock-down refuses them", hint)
