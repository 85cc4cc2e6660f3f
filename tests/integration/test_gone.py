# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until deleted objects are gone, on a real API server."""

from __future__ import annotations

import threading
import time
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.gone import wait_gone
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity, Object
from apiserver import ApiServer
from cases import config_map
from requests_seen import Requests

FINALIZER = "tests.example/hold"


def held(namespace: str, name: str = "held") -> Object:
    """A ConfigMap that its finalizer keeps."""
    obj: Object = config_map(namespace, name)
    obj["metadata"]["finalizers"] = [FINALIZER]
    return obj


def let_go(client: Client, identity: Identity) -> None:
    """Take the finalizers away."""
    current = client.get(identity)
    assert current is not None
    current["metadata"]["finalizers"] = []
    client.replace(current)


def created(client: Client, *objects: Object) -> dict[Identity, str]:
    """Create them; the UID of each."""
    return {Identity.of(obj): client.create(obj)["metadata"]["uid"] for obj in objects}


def ignore(_line: str) -> None:
    """No progress."""


def test_what_is_gone_is_not_waited_for(client: Client, namespace: str) -> None:
    uids = created(client, config_map(namespace, "a"), config_map(namespace, "b"))
    for identity in uids:
        client.delete(identity)
    uids[Identity.parse("none.example/v1", "Nothing", "x", namespace)] = "of a kind that is not served any more"
    start = time.monotonic()
    assert wait_gone(client, uids, 10, ignore) == {}
    assert time.monotonic() - start < 2


def test_it_ends_when_the_last_finalizer_goes(client: Client, namespace: str) -> None:
    uids = created(client, held(namespace))
    (identity,) = uids
    client.delete(identity)
    thread = threading.Timer(1, let_go, (client, identity))
    thread.start()
    start = time.monotonic()
    assert wait_gone(client, uids, 20, ignore) == {}
    assert time.monotonic() - start < 3
    thread.join()


def test_what_hangs_is_told_with_its_reason(client: Client, namespace: str) -> None:
    uids = created(client, held(namespace), config_map(namespace, "free"))
    lines: list[str] = []
    for identity in uids:
        client.delete(identity)
    hanging = next(identity for identity in uids if identity.name == "held")
    assert wait_gone(client, uids, 1.5, lines.append) == {hanging: f"still there after 2 s: finalizers {FINALIZER}"}
    assert [line.rpartition(" (")[0] for line in lines] == [f"wait until gone: {hanging.short}"]
    let_go(client, hanging)


def test_a_new_object_of_the_same_name_is_another_one(client: Client, namespace: str) -> None:
    uids = created(client, config_map(namespace, "again"))
    (identity,) = uids
    client.delete(identity)
    client.create(config_map(namespace, "again"))
    assert wait_gone(client, uids, 5, ignore) == {}


def test_many_objects_cost_no_request_each(client: Client, namespace: str, apiserver: ApiServer) -> None:
    objects: list[Any] = [held(namespace, f"many-{number}") for number in range(60)]
    uids = created(client, *objects)
    for identity in uids:
        client.delete(identity)

    def release() -> None:
        for identity in uids:
            let_go(client, identity)

    seen = Requests(apiserver)
    thread = threading.Timer(0.5, release)
    thread.start()
    assert wait_gone(client, uids, 30, ignore) == {}
    thread.join()
    reads = [read for read in seen.new() if read.verb in ("list", "watch") and read.resource == "configmaps"]
    assert sorted(read.verb for read in reads) == ["list", "watch"]


def test_secrets_are_read_one_by_one(client: Client, namespace: str, apiserver: ApiServer) -> None:
    secrets = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}} for name in "ab"
    ]
    uids = created(client, *secrets)
    for identity in uids:
        client.delete(identity)
    seen = Requests(apiserver)
    assert wait_gone(client, uids, 5, ignore) == {}
    assert {read.verb for read in seen.new() if read.resource == "secrets"} == {"get"}
