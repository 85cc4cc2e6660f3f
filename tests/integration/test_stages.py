# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a change on a real API server: widen, move traffic, narrow; ConfigMaps stand in for policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube import stages
from ansible_collections.alauda.ambient.plugins.module_utils.kube.apply import Applier
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.delete import Remover
from ansible_collections.alauda.ambient.plugins.module_utils.kube.settings import Settings
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from cases import Apply, Result, Writes, config_map

ENROLMENT = "alauda.ambient/enrolment"
Entry = dict[str, Any]


def at(wave: int, namespace: str, name: str, **data: str) -> Entry:
    """An object of ours in a wave."""
    return {"object": config_map(namespace, name, **data), "wave": wave}


def label(wave: int, kind: str, name: str, namespace: str = "", **labels: str) -> Entry:
    """A patch on somebody's object."""
    metadata = {"name": name, "labels": labels} | ({"namespace": namespace} if namespace else {})
    obj = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    return {"object": obj, "wave": wave, "patch": True, "manager": ENROLMENT}


def service(client: Client, namespace: str, name: str) -> None:
    """A Service of a user."""
    metadata = {"name": name, "namespace": namespace}
    client.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}})


def recorded(client: Client, namespace: str) -> set[str]:
    """The names of the objects in the inventory."""
    kept = client.list("v1", "ConfigMap", namespace, label_selector="ambient.alauda.io/inventory")
    return {json.loads(line)["object"][3] for each in kept for line in each["data"]["records"].splitlines()}


def steps(writes: Writes) -> list[str]:
    """The writes since the last call as verb and name, without lock and inventory."""
    told = []
    for entry in writes():
        kind, _dummy, name = entry["path"].rpartition("/")
        if "leases" not in entry["path"] and not name.startswith("ambient-inventory") and kind.count("/") > 2:
            told.append(f"{'write' if entry['verb'] == 'patch' else entry['verb']} {name}")
    return [step for step in told if not step.startswith("create")]


def reported(result: Result) -> list[tuple[str, str]]:
    """Name and action of all that changes, in the order of the report."""
    report = json.loads(Path(result["report_file"]).read_text())
    entries = [(entry["object"].split()[-1].rpartition("/")[2], entry["action"]) for entry in report["objects"]]
    return [entry for entry in entries if entry[1] not in ("unchanged", "candidate")]


def one_way(namespace: str, mode: str) -> list[Entry]:
    """A namespace with a waypoint that only this may pass."""
    return [
        at(30, namespace, f"gateway-{mode}"),
        at(40, namespace, f"open-{mode}"),
        label(45, "Service", f"service-{mode}", namespace, used="yes"),
        label(50, "Namespace", namespace, mode=mode),
        at(70, namespace, f"only-{mode}"),
    ]


def expected(namespace: str, old: str, new: str) -> list[tuple[str, str]]:
    """The order of a change."""
    return [
        (f"only-{old}", "deleted"),
        (f"gateway-{new}", "created"),
        (f"open-{new}", "created"),
        (f"service-{new}", "changed"),
        (namespace, "changed"),
        (f"service-{old}", "released"),
        (f"only-{new}", "created"),
        (f"open-{old}", "deleted"),
        (f"gateway-{old}", "deleted"),
    ]


def test_a_change_widens_first_and_narrows_last_in_both_directions(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    for name in ("service-a", "service-b"):
        service(client, namespace, name)
    apply(one_way(namespace, "a"))
    writes()
    for old, new in (("a", "b"), ("b", "a")):
        order = expected(namespace, old, new)
        foreseen = apply(one_way(namespace, new), prune=True, check=True)
        assert (reported(foreseen), steps(writes)) == (order, [])
        done = apply(one_way(namespace, new), prune=True)
        assert reported(done) == order
        assert steps(writes) == [f"{'delete' if word == 'deleted' else 'write'} {name}" for name, word in order]
        assert recorded(client, namespace) == {name for name, word in order if word in ("created", "changed")}
        again = apply(one_way(namespace, new), prune=True)
        assert (again["changed"], again["prune"], writes()) == (False, [], [])


def test_without_prune_the_writes_keep_their_order(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    for name in ("service-a", "service-b"):
        service(client, namespace, name)
    apply(one_way(namespace, "a"))
    writes()
    result = apply(one_way(namespace, "b"))
    names = ["gateway-b", "open-b", "service-b", namespace, "only-b"]
    assert steps(writes) == [f"write {name}" for name in names]
    assert [entry["action"] for entry in result["prune"]] == ["candidate"] * 4
    assert result["waves"] == [30, 40, 45, 50, 70]


def test_what_cannot_go_first_holds_everything_back(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    held = at(70, namespace, "only-a")
    held["object"]["metadata"]["finalizers"] = ["tests.example/hold"]
    apply([at(40, namespace, "open-a"), held])
    writes()
    wanted = [at(40, namespace, "open-b"), at(70, namespace, "only-b")]
    result = apply(wanted, prune=True, wait_timeout=1)
    assert "only-a: still there after 1 s: finalizers tests.example/hold" in result["msg"]
    actions = [("only-a", "failed"), ("open-b", "pending"), ("only-b", "pending"), ("open-a", "pending")]
    assert reported(result) == actions
    report = json.loads(Path(result["report_file"]).read_text())["objects"]
    assert {entry["reason"] for entry in report[1:]} == {"an earlier step failed"}
    assert steps(writes) == ["delete only-a"]
    client.apply({**held["object"], "metadata": {**held["object"]["metadata"], "finalizers": []}}, "alauda.ambient")
    order = [("open-b", "created"), ("only-b", "created"), ("open-a", "deleted")]
    assert reported(apply(wanted, prune=True)) == order


def test_after_a_failed_write_nothing_narrows_and_nothing_more_goes(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    service(client, namespace, "service-a")
    apply(one_way(namespace, "a"))
    writes()
    broken = at(40, "no-such-namespace", "open-b")
    result = apply([broken, label(50, "Namespace", namespace, mode="b"), at(70, namespace, "only-b")], prune=True)
    assert reported(result) == [
        ("only-a", "deleted"),
        ("open-b", "failed"),
        (namespace, "pending"),
        ("service-a", "pending"),
        ("only-b", "pending"),
        ("open-a", "pending"),
        ("gateway-a", "pending"),
    ]
    assert steps(writes) == ["delete only-a", "write open-b"]
    mended = [label(50, "Namespace", namespace, mode="b"), at(70, namespace, "only-b")]
    assert reported(apply(mended, prune=True)) == [
        (namespace, "changed"),
        ("service-a", "released"),
        ("only-b", "created"),
        ("open-a", "deleted"),
        ("gateway-a", "deleted"),
    ]


class Killed(BaseException):
    """As if the process ended here."""


@pytest.mark.parametrize("at_write", ["gateway-b", "service-a", "only-b"])
def test_a_kill_in_between_leaves_no_orphan(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch, at_write: str
) -> None:
    for name in ("service-a", "service-b"):
        service(client, namespace, name)
    apply(one_way(namespace, "a"))
    real = Client.apply

    def killed(self: Client, obj: Object, manager: str, **options: Any) -> Object:
        if obj["metadata"]["name"] == at_write and not options.get("dry_run"):
            raise Killed
        return real(self, obj, manager, **options)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Client, "apply", killed)
        apply(one_way(namespace, "b"), prune=True)
    old_and_new = {"gateway-b", "only-b", "service-b", "open-a", "gateway-a"}
    assert old_and_new <= recorded(client, namespace)
    apply(one_way(namespace, "b"), prune=True)
    left = client.list("v1", "ConfigMap", namespace, label_selector="!ambient.alauda.io/inventory")
    assert sorted(each["metadata"]["name"] for each in left) == ["gateway-b", "only-b", "open-b"]
    assert recorded(client, namespace) == {"gateway-b", "only-b", "open-b", "service-b", namespace}
    assert apply(one_way(namespace, "b"), prune=True)["changed"] is False


class Clock:
    """Notes what is there at each pause."""

    def __init__(self, client: Client, namespace: str, seconds: float = 7) -> None:
        self.client = client
        self.namespace = namespace
        self.pauses: list[str] = []
        self.lines: list[str] = []
        self.settings = {"settle": seconds, "sleep": self.sleep, "progress": self.lines.append}

    def sleep(self, seconds: float) -> None:
        """Instead of waiting."""
        assert 0 < seconds <= 7
        found = self.client.list("v1", "ConfigMap", self.namespace, label_selector="!ambient.alauda.io/inventory")
        self.pauses.append(" ".join(sorted(each["metadata"]["name"] for each in found)))

    def run(self, entries: list[Entry], **options: Any) -> list[str]:
        """Apply; the names at each pause."""
        self.pauses, self.lines[:] = [], []
        self._run(Applier, entries, **options)
        return self.pauses

    def remove(self, entries: list[Entry]) -> list[str]:
        """Take away; the names at each pause."""
        self.pauses, self.lines[:] = [], []
        self._run(Remover, entries)
        return self.pauses

    def _run(self, how: Any, entries: list[Entry], **options: Any) -> None:
        items = sorted((Item(**entry, role="tested") for entry in entries), key=Item.order)
        settings = Settings(self.namespace, self.namespace, **{**self.settings, **options})  # type: ignore[arg-type]
        outcomes = how(self.client, settings, items, frozenset({"tested"})).run()
        assert not [each for each in outcomes if each.action == "failed"]


def test_a_stage_that_moves_traffic_is_given_time(client: Client, namespace: str) -> None:
    for name in ("service-a", "service-b"):
        service(client, namespace, name)
    clock = Clock(client, namespace)
    first = clock.run(one_way(namespace, "a"), prune=True)
    assert first == ["gateway-a open-a"], "between the labels and what narrows, not at the end"
    assert clock.lines == ["pause for 7 s: the ztunnels learn of it"]
    assert clock.run(one_way(namespace, "a"), prune=True) == []
    assert clock.run(one_way(namespace, "b"), prune=True, check=True) == []
    assert clock.run(one_way(namespace, "b"), prune=True) == [
        "gateway-a open-a",  # what narrowed has gone
        "gateway-a gateway-b open-a open-b",  # labels are set
        "gateway-a gateway-b open-a open-b",  # labels are released
        "gateway-a gateway-b only-b open-a open-b",  # what narrows is there; next the old goes
    ]
    assert clock.run([at(40, namespace, "open-c"), *one_way(namespace, "b")], prune=True) == [], "no traffic is moved"
    assert clock.run(one_way(namespace, "b"), prune=True) == []
    assert clock.run(one_way(namespace, "b")[:4], prune=True) == [], "nothing comes after it"
    (pause,) = clock.run(one_way(namespace, "b"), prune=True)
    assert "only-b" not in pause, "what opens came in a run before this one, just now"
    assert "of what opens" in clock.lines[0]
    settled = Clock(client, namespace, 0)
    assert settled.run(one_way(namespace, "a"), prune=True) == []
    assert clock.remove(one_way(namespace, "a")) == ["gateway-a open-a", "gateway-a open-a"]
    assert clock.remove(one_way(namespace, "a")) == []


def test_the_option_pauses_and_says_why(apply: Apply, namespace: str, tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    moved = [label(50, "Namespace", namespace, mode="a"), at(70, namespace, "only-a")]
    apply(moved, settle=1, progress_file=str(progress))
    assert "pause for 1 s: the ztunnels learn of it" in progress.read_text().splitlines()
    assert apply(moved, settle=-1)["msg"] == "settle: must not be negative, it is -1. Give seconds"


def test_the_stages_cover_each_wave_once() -> None:
    for prune in (True, False):
        for wave in range(-30, 970):
            for removes in (True, False):
                covering = [each for each in stages.stages(prune) if each.removes is removes and each.covers(wave)]
                assert len(covering) == 1
