# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries under `access` about headless Services: callers get the pods' addresses, and no waypoint for Services."""

from __future__ import annotations

from collections.abc import Iterable

from .intents import Intent
from .reader import Reader
from .spec import Allow, NamespaceSpec, WaypointRef


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
