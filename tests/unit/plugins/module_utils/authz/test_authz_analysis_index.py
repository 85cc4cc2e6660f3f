# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The indices of the analyses say what going through the whole world says."""

from __future__ import annotations

from typing import Any

import policy_mesh as parts
from ansible_collections.alauda.ambient.plugins.module_utils.authz.analysis_index import View
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from hypothesis import given
from hypothesis import strategies as st

SPACES = st.sampled_from(["shop", "web", "istio-system"])
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"]), max_size=2)
NUMBERED = st.lists(st.tuples(SPACES, LABELS), max_size=6)


def build(workloads: Any, services: Any, policies: Any) -> World:
    objects: list[Any] = [parts.namespace(name, **parts.AMBIENT) for name in ("shop", "web", "istio-system")]
    for number, (where, labels) in enumerate(workloads):
        made = parts.deployment(f"w{number}", where)
        made["spec"]["template"]["metadata"]["labels"] = labels
        objects.append(made)
    objects += [parts.service(f"s{n}", where, {}, selector=labels) for n, (where, labels) in enumerate(services)]
    for number, (where, labels) in enumerate(policies):
        spec = {"selector": {"matchLabels": labels}} if labels or number % 2 else {}
        objects.append(parts.policy(f"p{number}", where, [], **spec))
    return World.of(objects, True)


@given(NUMBERED, NUMBERED, NUMBERED)
def test_they_find_the_same(workloads: Any, services: Any, policies: Any) -> None:
    world = build(workloads, services, policies)
    view = View(world)

    for service in world.services.values():
        assert list(view.behind[service.namespace, service.name]) == world.behind(service)
    for group in world.workloads_in.values():
        for workload in group:
            assert sorted(map(str, view.at_pods(workload))) == sorted(map(str, world.at_pods(workload)))
            led = [service for service in world.services.values() if workload in world.behind(service)]
            assert sorted(map(str, view.services_of(workload))) == sorted(map(str, led))


@given(NUMBERED, NUMBERED)
def test_a_policy_selects_the_workloads_that_have_it(workloads: Any, policies: Any) -> None:
    world = build(workloads, [], policies)
    view = View(world)

    for policy in world.policies:
        has = [each for group in world.workloads_in.values() for each in group if policy in world.at_pods(each)]
        assert sorted(map(str, view.selected(policy.namespace, policy.selector))) == sorted(map(str, has))


def test_a_port_without_a_number_is_none() -> None:
    odd = parts.service(ports=[{"name": "http"}, {"port": 80}])

    (service,) = World.of([odd], False).services.values()

    assert [port.number for port in service.ports] == [80]
