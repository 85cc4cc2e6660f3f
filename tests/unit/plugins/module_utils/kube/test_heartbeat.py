# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines about a wait: changes soon, the rest now and then."""

from __future__ import annotations

from ansible_collections.alauda.ambient.plugins.module_utils.kube.heartbeat import Heartbeat, what_is_left
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity


def identity(name: str, kind: str = "Deployment") -> Identity:
    """An identity."""
    return Identity.parse("apps/v1", kind, name, "ns")


def test_changes_are_told_soon_and_the_rest_every_ten_seconds() -> None:
    told: dict[float, str] = {}
    now = 0.0
    heartbeat = Heartbeat(lambda line: told.update({now: line}), "wait for", clock=lambda: now)
    while now < 40:
        heartbeat.beat({identity("a"): "0/1 ready" if now < 15 else "1/2 ready"} if now < 37 else {})
        now += 0.5
    assert told == {
        1.0: "wait for Deployment ns/a: 0/1 ready (1 s)",
        11.0: "wait for Deployment ns/a: 0/1 ready (11 s)",
        15.0: "wait for Deployment ns/a: 1/2 ready (15 s)",
        25.0: "wait for Deployment ns/a: 1/2 ready (25 s)",
        35.0: "wait for Deployment ns/a: 1/2 ready (35 s)",
    }


def test_many_are_counted() -> None:
    left = {identity(f"w-{number}"): "0/1 ready" for number in range(9)} | {identity("z", "Job"): "not yet Complete"}
    text = what_is_left(left)
    assert text.startswith("9 Deployment, 1 Job; first Deployment ns/w-0: 0/1 ready, Deployment ns/w-1:")
    assert "w-3" not in text
