# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of the wire: the run converges or ends with one clear error, and the next run converges."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube import retries, transport
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from cases import Result, config_map
from fakeapi import faults
from fakeapi.server import FakeApi

Apply = Callable[..., Result]
OBJECTS = [config_map("default", f"c{number}", value="1") for number in range(8)]


def deployment() -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "default", "labels": {"ambient.alauda.io/mesh": "default"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1}}


def become_ready(fake: FakeApi) -> None:
    done = {"type": "Available", "status": "True"}
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
    fake.put("apps/v1", "Deployment", "web", "default", status={**status, "conditions": [done]})


def expect_converged(fake: FakeApi, apply: Apply, objects: list[Any]) -> None:
    """One more run without a fault leaves all in place, the run after it writes nothing."""
    fake.heal()
    again = apply(objects)
    assert not again.get("failed"), again
    with fake.counting() as requests:
        silent = apply(objects)
    assert not silent.get("failed") and not silent["changed"], silent
    assert silent["counts"]["unchanged"] == len(objects)
    assert [each for each in requests if each.writes] == []
    for obj in objects:
        resource = {"ConfigMap": "configmaps", "Deployment": "deployments", "Secret": "secrets"}[obj["kind"]]
        live = fake.store.get((resource, "default", obj["metadata"]["name"]))
        assert live.get("data") == obj.get("data")


CONCURRENT = faults.status(
    409, "Conflict", "the object has been modified; please apply your changes to the latest version"
)
SURVIVED: dict[str, tuple[faults.Fault, dict[str, Any]]] = {
    "429 on lists": (faults.busy(), {"verb": "list"}),
    "429 on applies": (faults.busy(), {"verb": "patch", "times": 3}),
    "429 on the inventory": (faults.busy(), {"verb": "create", "resource": "configmaps"}),
    "429 on discovery": (faults.busy(), {"resource": "/apis"}),
    "500 on lists": (faults.status(500, "InternalError", "etcdserver: request timed out"), {"verb": "list"}),
    "500 on applies": (
        faults.status(500, "InternalError", "etcdserver: leader changed"),
        {"verb": "patch", "times": 4},
    ),
    "503 on everything": (faults.status(503, "ServiceUnavailable", "shutting down"), {"times": 4, "skip": 2}),
    "502 without a Status": (faults.status(502, "", "bad gateway"), {"verb": "patch"}),
    "reset before": (faults.reset(), {"times": 4, "skip": 2}),
    "reset after an apply": (faults.reset(carried_out=True), {"verb": "patch", "times": 3}),
    "reset after the inventory is created": (
        faults.reset(carried_out=True),
        {"verb": "create", "resource": "configmaps"},
    ),
    "reset after the inventory is saved": (
        faults.reset(carried_out=True),
        {"verb": "update", "resource": "configmaps"},
    ),
    "reset after the lock is taken": (faults.reset(carried_out=True), {"verb": "create", "resource": "leases"}),
    "reset after the lock is released": (faults.reset(carried_out=True), {"verb": "delete", "resource": "leases"}),
    "slow": (faults.slow(1.0), {"verb": "patch", "times": 2}),
    "a truncated list": (faults.truncated(), {"verb": "list"}),
    "a truncated discovery": (faults.truncated(), {"resource": "/apis"}),
    "a truncated answer to an apply": (faults.truncated(), {"verb": "patch", "times": 2}),
    "half an object": (faults.cut_json(), {"verb": "patch", "times": 2}),
    "half a list": (faults.cut_json(), {"verb": "list"}),
    "a write beside ours": (CONCURRENT, {"verb": "patch", "times": 3}),
}


@pytest.mark.parametrize("case", SURVIVED)
def test_a_passing_fault_is_survived(case: str, fake: FakeApi, apply_fake: Apply) -> None:
    fault, where = SURVIVED[case]
    rule = fake.inject(fault, **where)
    result = apply_fake(OBJECTS)
    assert rule.met, "the fault was never met"
    assert not result.get("failed"), result["msg"]
    assert result["counts"]["created"] + result["counts"]["changed"] + result["counts"]["unchanged"] == len(OBJECTS)
    with fake.counting() as requests:
        assert not apply_fake(OBJECTS)["changed"]
    assert not [each for each in requests if each.writes]
    expect_converged(fake, apply_fake, OBJECTS)


FATAL: dict[str, tuple[faults.Fault, dict[str, Any], str]] = {
    "429": (
        faults.status(429, "TooManyRequests", "too many requests"),
        {"verb": "patch"},
        "too many requests. The API server is overloaded: run again later",
    ),
    "500": (
        faults.status(500, "InternalError", "etcdserver: no leader"),
        {"verb": "patch"},
        "etcdserver: no leader. The API server or its etcd is in trouble: run again when it is well",
    ),
    "503": (
        faults.status(503, "ServiceUnavailable", "shutting down"),
        {"verb": "list"},
        "shutting down. The API server or its etcd is in trouble: run again when it is well",
    ),
    "reset": (
        faults.reset(),
        {"verb": "patch"},
        "the API server cannot be reached: the connection was reset. It has answered before: run again when it is back",
    ),
    "truncated": (
        faults.truncated(),
        {"verb": "patch"},
        "the API server cannot be reached: the answer was cut off. It has answered before: run again when it is back",
    ),
    "half an object": (
        faults.cut_json(),
        {"verb": "list"},
        "the answer is cut off. Look for a proxy that limits the size or the time of answers",
    ),
    "concurrent writes": (
        CONCURRENT,
        {"verb": "patch"},
        "the object has been modified; please apply your changes to the latest version. "
        "Another client has changed it meanwhile: run again",
    ),
    "a webhook that times out": (
        faults.webhook_silent(),
        {"verb": "patch"},
        "context deadline exceeded. Look at the webhook's service and its pods, then run again",
    ),
    "a namespace that is terminating": (
        faults.terminating("default"),
        {"verb": "patch"},
        "because it is being terminated. Run again when the namespace is gone; its status says what holds it",
    ),
    "the inventory cannot be announced": (
        faults.status(500, "InternalError", "etcdserver: no leader"),
        {"verb": "create", "resource": "configmaps"},
        "etcdserver: no leader. The API server or its etcd is in trouble: run again when it is well",
    ),
    "the inventory cannot be settled": (
        faults.status(500, "InternalError", "etcdserver: no leader"),
        {"verb": "update", "resource": "configmaps"},
        "the inventory could not be saved: etcdserver: no leader",
    ),
}


@pytest.mark.parametrize("case", FATAL)
def test_a_lasting_fault_ends_with_one_clear_error(
    case: str, fake: FakeApi, apply_fake: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_LONGEST", 0.02)
    fault, where, text = FATAL[case]
    rule = fake.inject(fault, times=100_000, **where)
    result = apply_fake(OBJECTS)
    assert rule.met
    assert result["failed"] and text in result["msg"], result["msg"]
    assert "\n" not in result["msg"] and "Traceback" not in result["msg"]
    expect_converged(fake, apply_fake, OBJECTS)


def test_one_failure_hides_no_other_outcome(fake: FakeApi, apply_fake: Apply) -> None:
    fake.inject(faults.webhook_silent(), verb="patch", name="c3", times=9)
    result = apply_fake(OBJECTS)
    assert [each["object"] for each in result["failed_objects"]] == ["v1 ConfigMap default/c3"]
    assert len(result["created"]) == 7
    assert fake.count("patch") == 8, "a webhook that does not answer is not asked again"
    expect_converged(fake, apply_fake, OBJECTS)


def test_an_answer_that_does_not_come(fake: FakeApi, apply_fake: Apply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", 0.5)
    once = fake.inject(faults.slow(1.2), verb="patch", name="c1")
    assert not apply_fake(OBJECTS).get("failed") and once.met
    changed = [config_map("default", f"c{number}", value="2") for number in range(8)]
    always = fake.inject(faults.slow(1.2), verb="patch", name="c1", times=100)
    result = apply_fake(changed)
    assert "the API server cannot be reached: no answer in time. It has answered before" in result["msg"]
    assert always.met == 2, "each silence costs a time-out"
    time.sleep(1.2)  # what was sent is carried out all the same
    expect_converged(fake, apply_fake, changed)


def test_an_api_server_that_never_comes_back(fake: FakeApi, apply_fake: Apply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_LONGEST", 0.02)
    many = [config_map("default", f"c{number:03}", value="1") for number in range(300)]
    fake.inject(faults.reset(), times=100_000, skip=100)
    result = apply_fake(many)
    assert result["failed"]
    assert "the API server cannot be reached: the connection was reset" in result["msg"]
    assert sum(result["counts"].values()) >= len(many), "every object is accounted for"
    assert fake.store.all("leases", ""), "it could not be released"
    fake.store.delete(("leases", "default", "ambient-lock-default"), {})  # instead of waiting until it expires
    expect_converged(fake, apply_fake, many)


@pytest.mark.parametrize(
    "fault", [faults.reset(), faults.busy(), faults.cut_json(), faults.status(500, "InternalError", "etcdserver: gone")]
)
def test_a_write_is_not_repeated_without_the_lock(fault: faults.Fault, fake: FakeApi) -> None:
    client = connect({"kubeconfig": fake.kubeconfig()})

    def check() -> None:
        raise AmbientError("the lock was lost")

    fake.inject(fault, verb="patch")
    with pytest.raises(AmbientError, match="the lock was lost"):
        client.apply(OBJECTS[0], "tests", check=check)
    assert fake.count("patch") == 1
    client.apply(OBJECTS[0], "tests", check=check)


def test_retry_after_is_honoured(fake: FakeApi, apply_fake: Apply) -> None:
    start = time.monotonic()
    fake.inject(faults.busy(2), verb="list", resource="configmaps")
    apply_fake(OBJECTS[:1])
    assert 2.0 <= time.monotonic() - start < 5.0


def test_half_a_list_then_410(fake: FakeApi, apply_fake: Apply) -> None:
    many = [config_map("default", f"many-{number:04}") for number in range(1100)]
    assert len(apply_fake(many)["created"]) == 1100
    once = fake.inject(faults.page_expired(), **{"continue": "*"})
    result = apply_fake(many)
    assert once.met and not result.get("failed") and not result["changed"]
    fake.inject(faults.page_expired(), times=2, **{"continue": "*"})
    result = apply_fake(many)
    assert result["failed"] and "too old to display a consistent list" in result["msg"]
    expect_converged(fake, apply_fake, many)


@pytest.mark.parametrize("fault", [faults.watch_cut(), faults.watch_gone()], ids=["cut", "410"])
def test_a_watch_that_ends_early(fault: faults.Fault, fake: FakeApi, apply_fake: Apply) -> None:
    rule = fake.inject(fault, verb="watch", times=2)
    timer = threading.Timer(1.5, become_ready, [fake])
    timer.start()
    result = apply_fake([deployment()], wait_timeout=20)
    timer.join()
    assert rule.met == 2
    assert not result.get("failed"), result["msg"]
    expect_converged(fake, apply_fake, [deployment()])


def test_a_token_that_expires_in_mid_run(fake: FakeApi, apply_fake: Apply, tmp_path: Any) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    fake.tokens = {"old"}
    kubeconfig = fake.kubeconfig(tokenFile=str(token))
    rule = fake.inject(faults.slow(0.3), verb="patch", times=4)

    def expire() -> None:
        while not rule.met:
            pass
        token.write_text("new")
        fake.tokens = {"new"}

    thread = threading.Thread(target=expire)
    thread.start()
    result = apply_fake(OBJECTS, kubeconfig=kubeconfig)
    thread.join()
    assert not result.get("failed"), result["msg"]
    expect_converged(fake, lambda objects: apply_fake(objects, kubeconfig=kubeconfig), OBJECTS)


def test_a_token_that_nobody_renews(fake: FakeApi, apply_fake: Apply) -> None:
    fake.tokens = {"any"}
    rule = fake.inject(faults.status(401, "Unauthorized", "Unauthorized"), verb="patch", times=100)
    result = apply_fake(OBJECTS)
    assert result["failed"] and "the API server refuses the credentials (401 Unauthorized)" in result["msg"]
    assert result["msg"].count("get new credentials") == 1
    assert rule.met <= 2 * len(OBJECTS)
    expect_converged(fake, apply_fake, OBJECTS)


def test_three_thousand_unchanged_objects(fake: FakeApi, apply_fake: Apply) -> None:
    """No write, a few LISTs, no request per object; and Secrets are never listed."""
    secrets = [
        {**config_map("default", f"s{number}"), "kind": "Secret", "data": {"value": "c2VjcmV0"}} for number in range(6)
    ]
    objects = [config_map("default", f"many-{number:04}", value=str(number)) for number in range(2994)] + secrets
    first = apply_fake(objects)
    assert first["counts"]["created"] == 3000, first.get("msg")
    with fake.counting() as requests:
        second = apply_fake(objects)
    assert not second["changed"] and second["counts"]["unchanged"] == 3000
    assert not [each for each in requests if each.writes]
    lists = [each for each in requests if each.verb == "list" and each.resource == "configmaps"]
    assert len(lists) <= 4, "3 pages of objects, and the inventory"
    assert len(requests) <= len(lists) + len(secrets) + 4, "discovery, and one read per Secret"
    assert fake.count("list", "secrets") == 0
    assert fake.count("watch", "secrets") == 0
