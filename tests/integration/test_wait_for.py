# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option wait_for of the module apply, on a real API server."""

from __future__ import annotations

import threading
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from cases import Apply, config_map


def path(namespace: str, name: str, value: str) -> dict[str, Any]:
    """Wait for a value in a ConfigMap."""
    named = {"api_version": "v1", "kind": "ConfigMap", "namespace": namespace, "name": name}
    return {**named, "jsonpath": "{.data.done}", "value": value}


def test_a_value_that_comes_ends_the_wait(apply: Apply, client: Client, namespace: str) -> None:
    other = config_map(namespace, "other")
    client.create({**other, "data": {"done": "no"}})

    def controller() -> None:
        client.apply({**other, "data": {"done": "yes"}}, "tests", force=True)

    thread = threading.Timer(1, controller)
    thread.start()
    result = apply([config_map(namespace)], wait_for=[path(namespace, "other", "yes")], wait_timeout=20)
    thread.join()
    assert "msg" not in result and result["counts"]["created"] == 1 and result["counts"]["failed"] == 0


def test_a_time_out_names_the_entry_and_what_was_seen(apply: Apply, namespace: str) -> None:
    wanted = [path(namespace, "config", "x"), path(namespace, "absent", "yes")]
    wanted[0]["name"] = config_map(namespace)["metadata"]["name"]
    result = apply([config_map(namespace)], wait_for=wanted, wait_timeout=1, wait=False)
    reasons = [entry["reason"] for entry in result["failed_objects"]]
    assert reasons == [
        "wait_for[1]: it does not exist after 1 s",
        "wait_for[0]: nothing at {.data.done} after 1 s",
    ]
    assert result["counts"]["created"] == 1


def test_nothing_is_waited_for_in_check_mode(apply: Apply, namespace: str) -> None:
    result = apply([config_map(namespace)], wait_for=[path(namespace, "absent", "x")], check=True)
    assert "msg" not in result


def test_a_kind_without_namespace_is_told_apart(apply: Apply, namespace: str) -> None:
    wanted = {"api_version": "v1", "kind": "Namespace", "name": namespace, "jsonpath": "{.status.phase}"}
    assert "msg" not in apply([config_map(namespace)], wait_for=[wanted])
    result = apply([config_map(namespace)], wait_for=[{**wanted, "namespace": "x"}])
    assert result["msg"] == "wait_for[0].namespace: Namespace has no namespace. Leave it out"


def test_a_path_that_is_none_is_refused_before_the_first_write(apply: Apply, client: Client, namespace: str) -> None:
    result = apply([config_map(namespace)], wait_for=[{**path(namespace, "x", "y"), "jsonpath": "{.a["}])
    assert result["msg"].startswith("wait_for[0].jsonpath: no JSON path")
    assert client.get("v1", "ConfigMap", config_map(namespace)["metadata"]["name"], namespace) is None
