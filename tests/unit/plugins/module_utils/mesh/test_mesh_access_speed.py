# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""1,000 namespaces with 5 entries under access each are read and compiled in seconds, and more in proportion."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts, Port
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import policy_items_of
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from bench import plan

BAR = 5.0  # seconds of processor time
ENTRIES: list[dict[str, Any]] = [
    {
        "to": {"service": f"app-{number}"},
        "from": [{"service_account": "web"}, {"namespace": "ops"}, {"service": "team-0000/app-3"}],
        "ports": [80],
        "methods": ["GET"],
        "paths": ["/api/*"],
    }
    for number in range(5)
]


def seconds(count: int) -> float:
    value, facts = plan.declaration(count), plan.facts_of(count)
    for namespace in value["namespaces"]:
        namespace["access"] = ENTRIES
    ports = (Port(80, 8080),)
    seen = {
        name: replace(each, services=tuple(replace(service, ports=ports) for service in each.services))
        for name, each in facts.namespaces.items()
    }
    start = time.process_time()
    items = policy_items_of(parse_mesh(value), Facts(seen))
    passed = time.process_time() - start
    allows = sum(item.identity.name.startswith("ambient-allow-") for item in items)
    assert allows == 10 * count
    print(f"{count} namespaces with {len(ENTRIES)} entries: {allows} policies in {passed:.2f} s")
    return passed


def test_a_thousand_namespaces_are_compiled_in_five_seconds() -> None:
    assert seconds(1000) <= BAR


def test_time_grows_with_the_number_and_not_faster() -> None:
    small, big = seconds(150), seconds(1200)
    assert big <= 8 * small * 2, f"{small:.2f} s, then {big:.2f} s for eight times as many"
