# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `apply` against a real API server: create, again, change, check, diff, absent, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.labels import own
from cases import Apply, Writes, config_map, crd, live


def test_create_again_change_absent(apply: Apply, client: Client, namespace: str, writes: Writes) -> None:
    objects = [config_map(namespace, f"c{number}", key="1") for number in range(6)]

    foreseen = apply(objects, check=True)
    assert (foreseen["changed"], foreseen["waves"], foreseen["counts"]["created"]) == (True, [-10], 6)
    assert writes() == []

    created = apply(objects)
    assert created["changed"] and created["counts"] == {**dict.fromkeys(created["counts"], 0), "created": 6}
    assert [entry["object"] for entry in created["created"]] == [f"v1 ConfigMap {namespace}/c{n}" for n in range(6)]
    sent = [entry["verb"] for entry in writes()]
    assert sent == ["create", "create", *["patch"] * 6, "update", "delete"], "lock, inventory, objects, and back"

    again = apply(objects)
    assert (again["changed"], again["waves"], again["counts"]["unchanged"]) == (False, [], 6)
    assert apply(objects, check=True)["changed"] is False
    assert writes() == []

    objects[2]["data"] = {"other": "2"}
    changed = apply(objects)
    assert changed["counts"] == {"created": 0, "changed": 1, "unchanged": 5, "failed": 0, "pending": 0}
    assert changed["changed_objects"][0]["paths"] == ["data.key", "data.other"]
    assert live(client, objects[2])["data"] == {"other": "2"}, "what we no longer set goes away"

    foreseen = apply(objects, state="absent", check=True)
    assert foreseen["counts"]["deleted"] == 6
    live(client, objects[0])
    removed = apply(objects, state="absent")
    assert removed["counts"]["deleted"] == 6
    names = [found["metadata"]["name"] for found in client.list("v1", "ConfigMap", namespace)]
    assert names == [], "the inventory goes with the last object"
    writes()
    assert apply(objects, state="absent")["changed"] is False
    assert writes() == []


def test_every_object_is_accounted_for_in_the_report(apply: Apply, namespace: str) -> None:
    result = apply([config_map(namespace, "a"), config_map(namespace, "b")])
    report = json.loads(Path(result["report_file"]).read_text())
    assert [(entry["object"], entry["action"]) for entry in report["objects"]] == [
        (f"v1 ConfigMap {namespace}/a", "created"),
        (f"v1 ConfigMap {namespace}/b", "created"),
    ]
    assert result["summary"] == ["ConfigMap: 2 created", "2 objects: 2 created"]


def test_a_foreign_edit_of_our_field_is_seen_and_mended(apply: Apply, client: Client, namespace: str) -> None:
    obj = config_map(namespace, key="ours")
    apply([obj])
    client.apply({**obj, "data": {"key": "theirs"}}, "somebody", force=True)

    refused = apply([obj])
    assert refused["failed"]
    assert refused["failed_objects"][0]["reason"].startswith("conflict: .data.key is held by somebody.")
    assert apply([obj], check=True)["failed"], "the plan sees the conflict too"

    forced = apply([obj], force_conflicts=True)
    assert forced["changed_objects"][0]["paths"] == ["data.key"]
    assert live(client, obj)["data"] == {"key": "ours"}
    assert apply([obj])["changed"] is False


def test_a_field_that_others_add_stays_and_is_no_change(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    obj = config_map(namespace, key="ours")
    apply([obj])
    client.apply({**obj, "data": {"theirs": "x"}}, "somebody")
    writes()
    assert apply([obj])["changed"] is False
    assert apply([obj], check=True)["changed"] is False
    assert writes() == []
    assert live(client, obj)["data"] == {"key": "ours", "theirs": "x"}


def test_an_object_deleted_by_somebody_comes_back(apply: Apply, client: Client, namespace: str) -> None:
    obj = config_map(namespace, key="ours")
    apply([obj])
    client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/one")
    assert apply([obj])["counts"]["created"] == 1


def test_a_lost_record_costs_a_patch_but_is_no_change(apply: Apply, client: Client, namespace: str) -> None:
    obj = config_map(namespace, key="ours")
    apply([obj])
    before = live(client, obj)["metadata"]["resourceVersion"]
    for found in client.list("v1", "ConfigMap", namespace, label_selector="ambient.alauda.io/inventory"):
        client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/{found['metadata']['name']}")
    assert apply([obj], check=True)["changed"] is False
    assert apply([obj])["changed"] is False
    assert live(client, obj)["metadata"]["resourceVersion"] == before


def test_what_the_server_rewrites_is_no_change(apply: Apply, namespace: str, writes: Writes) -> None:
    container = {
        "name": "a",
        "image": "x",
        "command": None,
        "env": [{"name": "EMPTY", "value": ""}],
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}},
    }
    pod = {"metadata": {"labels": {"app": "a"}}, "spec": {"nodeSelector": {}, "containers": [container]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": pod},
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a", "namespace": namespace},
        "stringData": {"password": "very-secret"},
    }
    apply([deployment, secret], wait=False)
    writes()
    assert apply([deployment, secret], wait=False)["changed"] is False
    assert apply([deployment, secret], wait=False, check=True)["changed"] is False
    assert writes() == []


def test_a_status_write_is_no_change(apply: Apply, client: Client, namespace: str, writes: Writes) -> None:
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}},
        },
    }
    apply([obj], wait=False)
    current = live(client, obj)
    current["status"] = {"observedGeneration": 1, "replicas": 1}
    client.request("PUT", f"/apis/apps/v1/namespaces/{namespace}/deployments/web/status", body=current)
    writes()
    assert apply([obj], wait=False)["changed"] is False
    assert writes() == []


def test_a_namespace_and_what_is_in_it_in_one_set(apply: Apply, client: Client, namespace: str) -> None:
    inner = f"{namespace}-inner"
    objects = [
        config_map(inner, "inside"),
        own({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": inner}}, namespace),
    ]
    foreseen = apply(objects, check=True)
    assert (foreseen["waves"], foreseen["counts"]["created"]) == ([-30, -10], 2)
    assert client.get("v1", "Namespace", inner) is None
    assert apply(objects)["counts"]["created"] == 2


def test_a_crd_and_its_objects_in_one_set(apply: Apply, client: Client, namespace: str) -> None:
    thing = own(
        {"apiVersion": "tests.example/v1", "kind": "Things", "metadata": {"name": "t", "namespace": namespace}, "x": 1},
        namespace,
    )
    objects = [thing, own(crd("things"), namespace)]
    foreseen = apply(objects, check=True)
    assert (foreseen["waves"], foreseen["counts"]["created"]) == ([-20, 40], 2)
    assert apply(objects)["counts"]["created"] == 2
    assert apply(objects)["changed"] is False
    removed = apply(objects, state="absent")
    assert [entry["object"].split()[1] for entry in removed["changed_objects"]] == [
        "Things",
        "CustomResourceDefinition",
    ]


def test_the_inventory_namespace_is_made_where_it_is_missing(apply: Apply, client: Client, namespace: str) -> None:
    home = f"{namespace}-home"
    assert apply([config_map(namespace)], inventory_namespace=home, check=True)["changed"]
    assert client.get("v1", "Namespace", home) is None
    apply([config_map(namespace)], inventory_namespace=home)
    kept = client.list("v1", "ConfigMap", home, label_selector=f"ambient.alauda.io/mesh={namespace}")
    assert [found["metadata"]["labels"]["ambient.alauda.io/inventory"] for found in kept] == ["tested"]


def test_only_the_named_waves_are_written(apply: Apply, client: Client, namespace: str) -> None:
    objects = [{"object": config_map(namespace, f"w{wave}"), "wave": wave} for wave in (0, 10, 20)]
    assert apply(objects, waves=[10])["waves"] == [10]
    assert apply(objects, check=True)["waves"] == [0, 20]
    assert apply(objects)["counts"]["unchanged"] == 1


def test_one_failure_hides_no_other_and_stops_the_later_waves(apply: Apply, namespace: str) -> None:
    bad = config_map(namespace, "bad")
    bad["dtaa"] = {}
    objects: list[Any] = [
        {"object": bad, "wave": 0},
        {"object": config_map("no-such-namespace", "lost"), "wave": 0},
        {"object": config_map(namespace, "good"), "wave": 0},
        {"object": config_map(namespace, "later"), "wave": 10},
    ]
    result = apply(objects)
    assert result["counts"] == {"created": 1, "changed": 0, "unchanged": 0, "failed": 2, "pending": 1}
    reasons = {entry["object"]: entry["reason"] for entry in result["failed_objects"]}
    assert ".dtaa: field not declared in schema" in reasons[f"v1 ConfigMap {namespace}/bad"]
    assert 'namespaces "no-such-namespace" not found' in reasons["v1 ConfigMap no-such-namespace/lost"]
    assert "(and 1 more, see" in result["msg"]

    foreseen = apply(objects, check=True)
    assert foreseen["counts"]["failed"] == 2


def test_what_is_known_to_fail_is_refused_before_the_first_write(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    unknown = {"apiVersion": "x.example/v1", "kind": "Nothing", "metadata": {"name": "a", "namespace": namespace}}
    home = f"{namespace}-home"
    result = apply([config_map(namespace), unknown], inventory_namespace=home)
    assert result["counts"] == {"created": 0, "changed": 0, "unchanged": 0, "failed": 1, "pending": 1}
    assert result["msg"].startswith(f"x.example/v1 Nothing {namespace}/a: the API server does not serve this kind.")
    assert writes() == []
    assert client.get("v1", "Namespace", home) is None


def test_a_diff_of_new_objects_is_a_line_each(apply: Apply, namespace: str) -> None:
    (entry,) = apply([config_map(namespace, key="1")], check=True, diff=True)["diff"]
    assert entry["prepared"].startswith(f"created: v1 ConfigMap {namespace}/one (")


def test_a_diff_shows_our_change_and_nothing_of_the_server(apply: Apply, namespace: str) -> None:
    obj = config_map(namespace, key="old")
    apply([obj])
    obj["data"] = {"key": "new"}
    for check in (True, False):
        (entry,) = apply([obj], check=check, diff=True)["diff"]
        assert '"key": "old"' in entry["before"] and '"key": "new"' in entry["after"]
        assert "managedFields" not in entry["after"] and "resourceVersion" not in entry["after"]


def test_a_diff_of_a_secret_shows_no_value(apply: Apply, namespace: str) -> None:
    secret = own({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}}, namespace)
    apply([{**secret, "stringData": {"password": "first-secret"}}])
    result = apply([{**secret, "stringData": {"password": "other-secret"}}], diff=True)
    text = json.dumps({key: value for key, value in result.items() if key != "invocation"})
    assert "(another secret value)" in result["diff"][0]["after"]
    for value in ("first-secret", "other-secret", "Zmlyc3Qtc2VjcmV0", "b3RoZXItc2VjcmV0"):
        assert value not in text


def test_two_runs_at_once_do_not_overwrite_each_others_record(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply([config_map(namespace, "a")])
    real = Client.apply

    def and_meanwhile(self: Client, *arguments: Any, **options: Any) -> Object:
        (record,) = client.list("v1", "ConfigMap", namespace, label_selector="ambient.alauda.io/inventory")
        record["metadata"]["annotations"] = {"other-run": "x"}
        client.replace(record)
        return real(self, *arguments, **options)

    monkeypatch.setattr(Client, "apply", and_meanwhile)
    result = apply([config_map(namespace, "a"), config_map(namespace, "b")])
    assert result["failed"] and "another run has changed the inventory meanwhile" in result["msg"]
    monkeypatch.undo()
    assert apply([config_map(namespace, "a"), config_map(namespace, "b")])["counts"]["failed"] == 0


def test_an_edit_between_our_write_and_the_end_is_not_taken_for_ours(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.alauda.ambient.plugins.module_utils.kube import readiness as engine

    obj = config_map(namespace, key="ours")

    def foreign_edit(*_: Any) -> dict[str, str]:
        client.apply({**obj, "data": {"key": "theirs"}}, "somebody", force=True)
        return {}

    monkeypatch.setattr(engine, "wait_ready", foreign_edit)
    apply([obj])
    monkeypatch.undo()
    assert ".data.key is held by somebody" in apply([obj])["msg"]
