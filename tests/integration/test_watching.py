# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How objects are followed: how many requests that takes, and what a broken watch costs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.conditions import parse, wait_for
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from ansible_collections.alauda.ambient.plugins.module_utils.kube.gone import wait_gone
from ansible_collections.alauda.ambient.plugins.module_utils.kube.wait import wait_ready
from ansible_collections.alauda.ambient.plugins.module_utils.kube.watch import Watches
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity, Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from apiserver import ApiServer
from cases import config_map
from fakeapi import faults
from fakeapi.server import FakeApi
from planted import ROLLED_OUT, deployment, served_kind, status_of
from requests_seen import Requests

LATE = {"kind": "Late", "name": "x", "jsonpath": "{.status.phase}", "value": "Done"}


def items(*objects: Object) -> list[Item]:
    """The objects in one wave."""
    return [Item(obj, 0) for obj in objects]


def later(seconds: float, work: Callable[..., Any], *arguments: Any) -> threading.Timer:
    """Do something while the test waits."""
    timer = threading.Timer(seconds, work, arguments)
    timer.start()
    return timer


def ignore(_line: str) -> None:
    """No progress."""


@pytest.fixture
def namespaces(client: Client, namespace: str) -> list[str]:
    """Three namespaces."""
    names = [namespace, f"{namespace}-b", f"{namespace}-c"]
    for name in names[1:]:
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "tests")
    return names


def reads_of(seen: Requests, resource: str) -> dict[str, int]:
    """How often a resource was listed and watched."""
    reads = (read.verb for read in seen.new() if read.resource == resource)
    return dict(Counter(verb for verb in reads if verb in ("list", "watch")))


def test_many_objects_in_many_namespaces_take_one_watch(
    client: Client, namespaces: list[str], apiserver: ApiServer
) -> None:
    objects = [deployment(namespace, f"web-{number}") for namespace in namespaces for number in range(20)]
    for obj in objects:
        client.create(obj)

    def controller() -> None:
        for obj in objects:
            status_of(client, obj, **ROLLED_OUT)

    seen = Requests(apiserver)
    timer = later(0.5, controller)
    assert wait_ready(client, items(*objects), 30, ignore) == {}
    timer.join()
    reads = [read for read in seen.new() if read.resource == "deployments" and read.verb in ("list", "watch")]
    assert sorted(read.verb for read in reads) == ["list", "watch"]
    assert all(read.uri.startswith("/apis/apps/v1/deployments?") for read in reads)
    assert wait_ready(client, items(*objects), 30, ignore) == {}
    assert reads_of(seen, "deployments") == {"list": 1}


def test_objects_of_one_namespace_are_read_there(client: Client, namespace: str, apiserver: ApiServer) -> None:
    objects = [deployment(namespace, name) for name in ("a", "b")]
    for obj in objects:
        client.create(obj)
        status_of(client, obj, **ROLLED_OUT)
    seen = Requests(apiserver)
    assert wait_ready(client, items(*objects), 5, ignore) == {}
    (read,) = (read for read in seen.new() if read.resource == "deployments")
    assert read.uri.startswith(f"/apis/apps/v1/namespaces/{namespace}/deployments?")


def test_a_cut_watch_goes_on_from_where_it_was(
    client: Client, namespace: str, apiserver: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = deployment(namespace)
    client.create(obj)
    running: list[Watches] = []
    begin = Watches.__enter__

    def noted(watches: Watches) -> Watches:
        running.append(watches)
        return begin(watches)

    monkeypatch.setattr(Watches, "__enter__", noted)

    def cut() -> None:
        for response in list(running[0]._open):
            response.shutdown()
        status_of(client, obj, **ROLLED_OUT)

    seen = Requests(apiserver)
    timer = later(0.7, cut)
    start = time.monotonic()
    assert wait_ready(client, items(obj), 20, ignore) == {}
    timer.join()
    assert time.monotonic() - start < 3
    assert reads_of(seen, "deployments") == {"list": 1, "watch": 2}


def test_a_version_that_is_too_old_means_a_new_list(
    client: Client, namespace: str, apiserver: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_kind(client, "tests.example", "Late", "lates")  # its history begins long after version 1
    obj = {"apiVersion": "tests.example/v1", "kind": "Late", "metadata": {"name": "x", "namespace": namespace}}
    wanted = parse([{"api_version": obj["apiVersion"], **LATE, "namespace": namespace}])
    client.create(obj)
    read = client.list_for_watch
    versions = iter(["1"])

    def outdated(*arguments: Any, **options: Any) -> Any:
        objects, version = read(*arguments, **options)
        return objects, next(versions, version)

    monkeypatch.setattr(client, "list_for_watch", outdated)
    seen = Requests(apiserver)
    timer = later(1, lambda: status_of(client, obj, phase="Done"))
    assert wait_for(client, wanted, 20, ignore) == []
    timer.join()
    assert reads_of(seen, "lates") == {"list": 2, "watch": 2}


def test_no_watch_is_left_behind(client: Client, namespace: str) -> None:
    obj = deployment(namespace)
    client.create(obj)
    assert wait_ready(client, items(obj), 1, ignore)
    deadline = time.monotonic() + 3
    while left := [thread for thread in threading.enumerate() if thread.name.startswith("watch")]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def allowed(client: Client, apiserver: ApiServer, user: str, namespaces: list[str], verbs: list[str]) -> Client:
    """The client of a user who may do this to ConfigMaps in these namespaces, and nothing else."""
    for namespace in namespaces:
        metadata = {"name": user, "namespace": namespace}
        rbac = "rbac.authorization.k8s.io"
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]
        client.apply({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules}, "tests")
        subject = {"kind": "User", "name": user, "apiGroup": rbac}
        role = {"kind": "Role", "name": user, "apiGroup": rbac}
        binding = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": metadata}
        client.apply({**binding, "subjects": [subject], "roleRef": role}, "tests")
    return connect({"kubeconfig": apiserver.kubeconfig, "impersonate_user": user})


@pytest.mark.parametrize(
    ("verbs", "reads"),
    [
        (["get", "list", "watch"], {"list": 4, "watch": 3}),
        (["get", "list"], {"list": None, "watch": None}),
        (["get"], {"list": None}),
    ],
    ids=["all-namespaces", "watch", "list"],
)
def test_what_may_not_be_read_at_once_is_read_in_parts(
    client: Client, namespaces: list[str], apiserver: ApiServer, verbs: list[str], reads: dict[str, int | None]
) -> None:
    uids = {}
    for namespace in namespaces:
        obj = config_map(namespace, "held")
        obj["metadata"]["finalizers"] = ["tests.example/hold"]
        uids[Identity.of(obj)] = client.create(obj)["metadata"]["uid"]
        client.delete(Identity.of(obj))

    def release() -> None:
        for identity in uids:
            current = client.get(identity)
            assert current is not None
            client.replace({**current, "metadata": {**current["metadata"], "finalizers": []}})

    limited = allowed(client, apiserver, f"user-{namespaces[0]}", namespaces, verbs)
    limited.discovery.kinds()
    seen = Requests(apiserver)
    timer = later(1, release)
    assert wait_gone(limited, uids, 20, ignore) == {}
    timer.join()
    found = reads_of(seen, "configmaps")
    assert found.keys() == reads.keys()
    assert all(count in (None, found[verb]) for verb, count in reads.items())


def test_what_may_not_be_read_at_all_is_said_at_once(client: Client, namespace: str, apiserver: ApiServer) -> None:
    limited = connect({"kubeconfig": apiserver.nobody_kubeconfig})
    obj = deployment(namespace)
    uids = {Identity.of(obj): client.create(obj)["metadata"]["uid"]}
    start = time.monotonic()
    (why,) = wait_ready(limited, items(obj), 30, ignore).values()
    assert why.startswith("cannot be read: deployments.apps") and "is forbidden" in why
    assert "the reason" not in why
    (why,) = wait_gone(limited, uids, 30, ignore).values()
    assert why.startswith("it cannot be seen whether it is gone: deployments.apps")
    assert time.monotonic() - start < 5


def test_watches_that_break_at_once_are_no_busy_loop(fake: FakeApi) -> None:
    fake.put("apps/v1", "Deployment", "web", "default", spec={"replicas": 1}, status={"observedGeneration": 9})
    fake.inject(faults.watch_cut(), verb="watch", times=1000)
    client = connect({"kubeconfig": fake.kubeconfig()})
    missing = wait_ready(client, items(deployment("default")), 3, ignore)
    assert missing["Deployment default/web"].startswith("0/1 ready after 3 s")
    assert 3 <= fake.count("watch", "deployments") <= 6
    assert fake.count("list", "deployments") <= 2


def test_an_error_in_a_watch_means_a_new_list(fake: FakeApi) -> None:
    fake.put("apps/v1", "Deployment", "web", "default", spec={"replicas": 1}, status={"observedGeneration": 9})
    fake.inject(faults.watch_gone(), verb="watch", times=2)
    client = connect({"kubeconfig": fake.kubeconfig()})
    timer = later(
        1.5,
        lambda: fake.put("apps/v1", "Deployment", "web", "default", status={**ROLLED_OUT, "observedGeneration": 9}),
    )
    assert wait_ready(client, items(deployment("default")), 20, ignore) == {}
    timer.join()
    assert fake.count("list", "deployments") == 3
    assert fake.count("watch", "deployments") == 3
