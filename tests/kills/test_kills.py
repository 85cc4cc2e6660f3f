# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at random moments of site.yml: the next run converges, the one after it does nothing, no orphan is left.

AMBIENT_KILLS is the number of rounds (3). Each run goes through a wire of its own, so that what the killed run's orphan
writes and what the next run writes are told apart, by the clock of one machine. Every second round kills
ansible-playbook alone: its module goes on, and must have ended its writes before the next run begins with its own.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from kills.evidence import disagreements, interleaved
from kills.play import CHECKOUT, Play, Process, wait_until_gone
from kills.rounds import NAMESPACES, QUICK, ROUNDS, Round, draw
from kills.wire import Wire, wire

DIRECTORY = Path(os.environ.get("AMBIENT_DIR") or CHECKOUT / "build/test").absolute()
COUNT = int(os.environ.get("AMBIENT_KILLS") or QUICK)
PATIENCE = 240  # seconds for one whole run
NOTHING_STAYS = {
    f"ambient_uninstall_{word}": True
    for word in ("unenrol", "remove_crds", "remove_gateway_api", "remove_namespaces", "remove_ca_secret")
}


class Cluster:
    """The cluster and what is declared for it; runs playbooks on it."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = json.loads((DIRECTORY / "environment.json").read_text())
        self.kubeconfig = DIRECTORY / "kubeconfig"
        self.client: Client = connect({"kubeconfig": str(self.kubeconfig)})
        stock_envoy = "pilot-agent-waypoint" in self.facts["binaries"]
        self._values = {"istiod": {"env": {"PILOT_ENABLE_METADATA_EXCHANGE": "false"}}} if stock_envoy else {}
        self._marks: dict[str, str] = {}

    def variables(self, round_: Round | None) -> dict[str, Any]:
        """What a round declares: the rollouts of the earlier ones stay."""
        if round_ is None:
            self._marks.clear()
            off = [{"name": name, "state": "off"} for name in NAMESPACES]
            mesh = {"name": "default", "namespaces": [{"name": "shop", "state": "l4"}, *off]}
            return {"ambient_mesh": mesh, "ambient_values": self._values}
        for chart in round_.restarted:
            self._marks[chart] = f"{round_.number}-{time.time():.0f}"
        values = {chart: dict(self._values.get(chart, {})) for chart in {*self._values, *self._marks}}
        for chart, mark in self._marks.items():
            values[chart]["podAnnotations"] = {"kills.test/round": mark}
        return {"ambient_mesh": round_.mesh(), "ambient_values": values}

    def run(self, playbook: str, variables: dict[str, Any], folder: Path) -> Play:
        """A playbook that must succeed."""
        play = Play.of(playbook, variables, folder)
        assert play.wait(PATIENCE) == 0, f"{playbook}, see {play.output}:\n{play.end()}"
        return play

    def disturb(self, round_: Round, folder: Path) -> None:
        """Give the round's run something to do, beyond the values."""
        if round_.from_nothing:
            self.run("uninstall.yml", NOTHING_STAYS, folder)
            return
        for version, kind, name, namespace in round_.deleted:
            self.client.delete(Identity.parse(version, kind, name, namespace))


@pytest.fixture(scope="module")
def folder() -> Path:
    path = CHECKOUT / "build/reports/kills"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    """The cluster, whatever state its mesh is in; with a finished one when the rounds are over."""
    found = Cluster()
    for name in NAMESPACES:
        found.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "shopkeeper")
    yield found
    found.run("site.yml", found.variables(None), folder / "after")
    for name in NAMESPACES:
        found.client.delete(Identity.parse("v1", "Namespace", name))


@pytest.mark.parametrize("round_", [draw(number) for number in range(COUNT)], ids=str)
def test_the_next_run_makes_good_what_a_kill_left(cluster: Cluster, folder: Path, round_: Round) -> None:
    for attempt in range(3):
        early = replace(round_, after_first_write=round_.after_first_write / 2**attempt)
        if meet(cluster, folder / str(round_) / str(attempt), early):
            return
    pytest.fail("the run always ends before it can be killed")


def meet(cluster: Cluster, place: Path, round_: Round) -> bool:
    """One round; False if its run was over before the moment of the kill."""
    cluster.disturb(round_, place)
    variables = cluster.variables(round_)
    with ExitStack() as stack:
        wires = [stack.enter_context(wire(cluster.facts, cluster.kubeconfig, place / name)) for name in "123"]
        first, second, third = [{**variables, "ambient_kubeconfig": str(each.kubeconfig)} for each in wires]
        killed = Play.of("site.yml", first, place / "1")
        wait_for_moment(killed, wires[0], round_)
        if killed.wait(0) is not None:
            assert killed.wait(0) == 0, killed.end()
            return False
        moment, left = kill(killed, round_)
        following = Play.of("site.yml", second, place / "2")
        try:
            assert following.wait(PATIENCE) == 0, f"the next run, see {following.output}:\n{following.end()}"
        finally:
            orphans = wait_until_gone(left, 60)
            tell(place, round_, killed, moment, left, wires)
        assert not orphans, "the orphan does not end"
        if round_.parent_alone:
            assert interleaved(wires[0].effects(), wires[1].effects()) == []
        assert disagreements(cluster.client) == []
        again = cluster.run("site.yml", third, place / "3")
        assert again.changed == 0, again.end()
        assert wires[2].writes() == []
    return True


@pytest.mark.skipif(COUNT < ROUNDS, reason="a few rounds need not meet an orphan that writes")
def test_orphans_did_write_after_their_parent_was_gone(folder: Path) -> None:
    """Else the rounds above have proven nothing about the lock."""
    told = [json.loads(file.read_text()) for file in folder.glob("*/*/round.json")]
    assert any(each["orphan_writes"] for each in told)


def wait_for_moment(play: Play, way: Wire, round_: Round) -> None:
    """Return when the round's kill is due, or when the run has ended."""
    until = play.begun - round_.after_first_write
    if round_.after_first_write >= 0:
        while not (seen := way.effects()):
            assert play.wait(0.1) is None, f"the run has ended without a write:\n{play.end()}"
        until = seen[0].begun + round_.after_first_write
    while time.time() < until and play.wait(0.02) is None:
        pass


def kill(play: Play, round_: Round) -> tuple[float, list[Process]]:
    """Kill; when that was (seconds since the epoch), and which processes are left."""
    moment = time.time()
    if round_.parent_alone:
        return moment, play.kill_parent()
    play.kill_everything()
    return moment, []


def tell(place: Path, round_: Round, killed: Play, moment: float, left: list[Process], wires: list[Wire]) -> None:
    """One line for people, and all of it as JSON."""
    before, after = wires[0].effects(), wires[1].effects()
    late = [request for request in before if request.begun > moment]
    facts = {
        "round": asdict(round_),
        "killed_after": moment - killed.begun,
        "task": killed.task,
        "writes_before": len(before) - len(late),
        "orphans": len(left),
        "orphan_writes": [(request.verb, request.object, request.begun - moment) for request in late],
        "orphan_lock": [request.begun - moment for request in wires[0].writes() if request.is_lock],
        "next_first_write": after[0].begun - moment if after else None,
        "next_writes": len(after),
        "next_lock": [request.begun - moment for request in wires[1].writes() if request.is_lock],
    }
    (place / "round.json").write_text(json.dumps(facts, indent=1))
    orphan = f", orphan wrote {len(late)}" + (f" until +{late[-1].ended - moment:.2f} s" if late else "")
    begin = f", next run wrote {len(after)}" + (f" from +{after[0].begun - moment:.2f} s" if after else "")
    print(
        f"\n{round_}: killed at {moment - killed.begun:.1f} s in [{killed.task}] after {len(before) - len(late)} writes"
        f"{orphan if round_.parent_alone else ''}{begin}"
    )
