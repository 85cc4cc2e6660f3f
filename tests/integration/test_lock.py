# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once on one mesh: one writes, the other waits or stops with a word."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube import lock as locking
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.lock import Lock
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from cases import Apply, Writes, config_map


def lease(client: Client, namespace: str) -> Object | None:
    return client.get("coordination.k8s.io/v1", "Lease", f"ambient-lock-{namespace}", namespace)


def held_by(client: Client, namespace: str, holder: str, duration: int) -> None:
    """A lock that somebody took and does not renew."""
    client.create(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": f"ambient-lock-{namespace}", "namespace": namespace},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": duration},
        }
    )


def test_a_run_that_writes_nothing_takes_no_lock(apply: Apply, namespace: str, writes: Writes) -> None:
    apply([config_map(namespace)])
    assert any("/leases" in write["path"] for write in writes())
    apply([config_map(namespace)])
    apply([config_map(namespace, key="other")], check=True)
    assert writes() == []


def test_the_lock_is_held_while_writing_and_gone_after(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = Client.apply, []

    def looking(self: Client, *arguments: Any, **options: Any) -> Object:
        seen.append(lease(client, namespace))
        return real(self, *arguments, **options)

    monkeypatch.setattr(Client, "apply", looking)
    apply([config_map(namespace)])
    assert len(seen) == 1 and seen[0] is not None and seen[0]["spec"]["leaseDurationSeconds"] == locking.DURATION
    assert lease(client, namespace) is None


def test_a_second_run_stops_with_the_name_of_the_first_and_writes_nothing(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    held_by(client, namespace, "other-host_1_abc", 60)
    writes()
    result = apply([config_map(namespace)], lock_timeout=1)
    assert result["failed"] and "another run (other-host_1_abc) writes to this mesh" in result["msg"]
    assert f"Lease {namespace}/ambient-lock-{namespace}" in result["msg"]
    assert writes() == []


def test_a_dead_runs_lock_expires(apply: Apply, client: Client, namespace: str) -> None:
    held_by(client, namespace, "a-dead-run", 2)
    start = time.monotonic()
    assert apply([config_map(namespace)], lock_timeout=30)["counts"]["created"] == 1
    assert 2 < time.monotonic() - start < 10
    assert lease(client, namespace) is None


def test_a_second_run_waits_and_decides_anew(apply: Apply, client: Client, namespace: str) -> None:
    lines: list[str] = []
    results: list[dict[str, Any]] = []
    with Lock(client, namespace, namespace, 5, lines.append):
        second = threading.Thread(target=lambda: results.append(apply([config_map(namespace)], lock_timeout=30)))
        second.start()
        time.sleep(2.5)  # it has planned to create, and waits
        assert client.get("v1", "ConfigMap", "one", namespace) is None
        client.apply(config_map(namespace), "alauda.ambient")
    second.join(30)
    assert results[0]["counts"] == {"created": 0, "changed": 0, "unchanged": 1, "failed": 0, "pending": 0}


def test_many_writers_come_one_after_the_other(client: Client, namespace: str) -> None:
    inside, worst, order = 0, 0, []

    def work(number: int) -> None:
        nonlocal inside, worst
        with Lock(client, namespace, namespace, 60, lambda line: None) as lock:
            lock.check()
            inside += 1
            worst = max(worst, inside)
            time.sleep(0.2)
            order.append(number)
            inside -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(order) == [0, 1, 2, 3] and worst == 1


def test_a_living_run_keeps_its_lock(client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "DURATION", 2)
    monkeypatch.setattr(locking, "_RENEW", 0.5)
    with Lock(client, namespace, namespace, 5, lambda line: None) as lock:
        other = Lock(client, namespace, namespace, 4, lambda line: None)
        with pytest.raises(AmbientError, match="another run"), other:
            pass
        lock.check()


def test_who_stood_still_writes_no_more_when_another_took_over(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "DURATION", 1)
    monkeypatch.setattr(locking, "_STALE", 0.5)
    monkeypatch.setattr(locking, "_RENEW", 60.0)  # no renewal: as if the process were stopped
    with Lock(client, namespace, namespace, 5, lambda line: None) as lock:
        time.sleep(0.7)
        lock.check()  # nobody has taken it: one renewal, and on
        with Lock(client, namespace, namespace, 5, lambda line: None) as other, monkeypatch.context():
            with pytest.raises(AmbientError, match="the lock was lost to"):
                lock.check()
            other.check()
    assert lease(client, namespace) is None


def test_a_run_that_lost_its_lock_writes_nothing_more(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Client.apply

    def stolen(self: Client, *arguments: Any, **options: Any) -> Object:
        found = lease(client, namespace)
        if found is not None and found["spec"]["holderIdentity"] != "thief":
            found["spec"]["holderIdentity"] = "thief"
            client.replace(found)
            monkeypatch.setattr(locking, "_STALE", -1.0)
        return real(self, *arguments, **options)

    monkeypatch.setattr(Client, "apply", stolen)
    objects = [{"object": config_map(namespace, f"w{wave}"), "wave": wave} for wave in (0, 10)]
    result = apply(objects)
    assert "the lock was lost to thief" in result["msg"] or result["counts"]["failed"]
    assert client.get("v1", "ConfigMap", "w10", namespace) is None
    found = lease(client, namespace)
    assert found is not None and found["spec"]["holderIdentity"] == "thief"
