# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a mesh of 1,000 Services takes; processor time, for the machine may be busy."""

from __future__ import annotations

import time

from ansible_collections.alauda.ambient.plugins.module_utils.authz.answering import can
from ansible_collections.alauda.ambient.plugins.module_utils.authz.asking import Question
from ansible_collections.alauda.ambient.plugins.module_utils.authz.judging import Judge
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matrix import matrix
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from bench.policies import objects_of

MATRIX = 20.0  # seconds, the bar for 1,000 Services
SERVICES = 1000


def _world(services: int) -> World:
    return World.of(objects_of(services), True)


def test_the_matrix_of_a_thousand_services() -> None:
    start = time.process_time()
    world = _world(SERVICES)
    found = matrix(world)
    took = time.process_time() - start
    pairs = sum(len(group.accounts) for row in found.rows for group in row.groups)
    assert (len(found.rows), pairs) == (SERVICES, SERVICES * len(found.accounts))
    assert len({group.ruling.verdict for row in found.rows for group in row.groups}) > 1
    assert took <= MATRIX, f"{took:.1f} s"


def test_the_matrix_costs_no_more_a_service_in_a_large_mesh() -> None:
    """Ten times the Services, and ten times the accounts for each: a hundredfold would be a cost for each pair."""
    seconds = {}
    for services in (100, SERVICES):
        world = _world(services)
        start = time.process_time()
        matrix(world)
        seconds[services] = time.process_time() - start
    assert seconds[SERVICES] <= 30 * max(seconds[100], 0.02), seconds


def test_one_question_is_quick_in_a_large_mesh() -> None:
    world = _world(SERVICES)
    judge = Judge(world)
    start = time.process_time()
    for service in world.services:
        can(world, Question(("team-0000", "app-0"), service), judge)
    took = time.process_time() - start
    assert took <= MATRIX / 4, f"{took:.1f} s"


def test_one_namespace_may_hold_them_all() -> None:
    world = World.of(objects_of(SERVICES, SERVICES), True)
    start = time.process_time()
    assert len(matrix(world).rows) == SERVICES
    took = time.process_time() - start
    assert took <= MATRIX, f"{took:.1f} s"
