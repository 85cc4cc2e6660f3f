# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real etcd that stands still, and a real API server that dies, in the middle of a run."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import apiserver as bare
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from cases import Apply, Result, Writes, config_map, crd

OWN_APISERVER = True  # it is paused and killed here
COUNT = 600
PAUSE = 20.0 if os.environ.get("AMBIENT_LONG") else 8.0  # seconds
NAMED = re.compile(r"etcd|the API server cannot be reached|timed out|Timeout|shutting down|the lock was lost")


class Meanwhile:
    """Does something in a thread as soon as a run has written `begun` of the objects; waits for it at the end."""

    def __init__(
        self, client: Client, namespace: str, begun: int, action: Callable[[], Any], kind: str = "ConfigMap"
    ) -> None:
        self.seen = 0
        self._kind = ("v1" if kind == "ConfigMap" else "tests.example/v1", kind)
        self._client, self._namespace, self._begun, self._action = client, namespace, begun, action
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Meanwhile:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            found = len(self._client.list_metadata(*self._kind, self._namespace))
            if found >= self._begun:
                self.seen = found
                self._action()
                return
            time.sleep(0.01)


def expect_converged_after(result: Result, apply: Apply, objects: list[Any], writes: Writes) -> None:
    """All done, or one clear error that names what happened; the next run converges, the one after writes nothing."""
    print(f"the run itself: {result.get('msg') or 'converged'}, {result.get('counts')}")
    if result.get("failed"):
        assert NAMED.search(result["msg"]), result["msg"]
        assert "\n" not in result["msg"] and "Traceback" not in result["msg"]
    again = apply(objects)
    assert not again.get("failed"), again["msg"]
    counts = again["counts"]
    assert counts["created"] + counts["changed"] + counts["unchanged"] == COUNT
    writes()
    silent = apply(objects)
    assert not silent["changed"] and silent["counts"]["unchanged"] == COUNT
    assert writes() == []


@pytest.fixture
def objects(namespace: str) -> list[Any]:
    return [config_map(namespace, f"c{number:03}", value=str(number)) for number in range(COUNT)]


def test_etcd_stands_still(
    apiserver: Any, client: Client, namespace: str, apply: Apply, writes: Writes, objects: list[Any]
) -> None:
    etcd = apiserver.pids[1]

    def stand_still() -> None:
        os.kill(etcd, signal.SIGSTOP)
        try:
            time.sleep(PAUSE)
        finally:
            os.kill(etcd, signal.SIGCONT)

    start = time.monotonic()
    with Meanwhile(client, namespace, 50, stand_still) as meanwhile:
        result = apply(objects)
    assert 50 <= meanwhile.seen < COUNT, "it did not stand still in the middle of the run"
    assert time.monotonic() - start >= PAUSE
    expect_converged_after(result, apply, objects, writes)


def test_the_api_server_dies_and_comes_back(
    apiserver: Any, client: Client, namespace: str, apply: Apply, writes: Writes, objects: list[Any]
) -> None:
    """Objects of CRDs: the API server serves their kinds a little later than its own."""
    client.apply(crd("things"), "tests")
    while not client.exists_kind("tests.example/v1", "Things"):
        client.discovery.refresh()
    for obj in objects:
        obj |= {"apiVersion": "tests.example/v1", "kind": "Things"}
    with Meanwhile(client, namespace, 50, lambda: bare.restart(apiserver, pause=2), "Things") as meanwhile:
        result = apply(objects)
    assert 50 <= meanwhile.seen < COUNT, "it did not die in the middle of the run"
    expect_converged_after(result, apply, objects, writes)
