# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was applied once and is no longer listed: shown, and on request taken away as far as it is still ours."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.discovery import Discovery
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.lock import Lock
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity, Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.labels import own
from cases import Apply, Result, Writes, config_map, crd, live

pytestmark = pytest.mark.usefixtures("istiod")
MODE = "istio.io/dataplane-mode"


def actions(result: Result) -> dict[str, str]:
    """What became of what is no longer listed, by the name of the object."""
    assert "failed" not in result or result["failed"] is False, result["msg"]
    return {entry["object"].rpartition("/")[2].split()[-1]: entry["action"] for entry in result["prune"]}


def reasons(result: Result) -> list[str]:
    """Why it is so."""
    return [entry.get("reason", "") for entry in result["prune"]]


def there(client: Client, namespace: str) -> list[str]:
    """The ConfigMaps of a namespace, without the inventory."""
    found = client.list("v1", "ConfigMap", namespace, label_selector="!ambient.alauda.io/inventory")
    return sorted(each["metadata"]["name"] for each in found)


def recorded(client: Client, namespace: str) -> list[str]:
    """The names of the objects in the inventory."""
    kept = client.list("v1", "ConfigMap", namespace, label_selector="ambient.alauda.io/inventory")
    lines = [line for found in kept for line in found["data"]["records"].splitlines()]
    return sorted(json.loads(line)["object"][3] for line in lines)


def plain_namespace(name: str, mesh: str) -> Object:
    """A Namespace of ours."""
    return own({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, mesh)


def patch_labels(name: str, manager: str, wave: int, **labels: str) -> dict[str, Any]:
    """A patch that labels a user's namespace."""
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    return {"object": obj, "patch": True, "manager": f"alauda.ambient/{manager}", "wave": wave}


def labels_of(client: Client, name: str) -> dict[str, str]:
    """The labels of a namespace, without the one that the server sets."""
    found = live(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})["metadata"]
    return {key: value for key, value in (found.get("labels") or {}).items() if not key.startswith("kubernetes.io/")}


def wait_until_served(client: Client, kind: str) -> None:
    """Until discovery tells of a new CRD."""
    for _second in range(60):
        client.discovery.refresh()
        if client.discovery.find("tests.example", "v1", kind):
            return
        time.sleep(0.5)
    pytest.fail(f"{kind} is not served")


def test_candidates_are_shown_and_stay_until_prune_is_asked_for(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    objects = [config_map(namespace, name, key="1") for name in ("a", "b", "c")]
    apply(objects)
    writes()
    for check in (True, False):
        shown = apply(objects[:1], check=check)
        assert (shown["changed"], shown["waves"]) == (False, [])
        assert actions(shown) == {"c": "candidate", "b": "candidate"}
        assert shown["counts"]["candidate"] == 2
        assert f"no longer listed: 2 ConfigMap: {namespace}/c, {namespace}/b (prune deletes it)" in shown["summary"]
        assert shown["summary"][-1].endswith("until it is asked for with prune: true")
    assert writes() == []
    assert there(client, namespace) == ["a", "b", "c"]

    foreseen = apply(objects[:1], prune=True, check=True)
    assert (foreseen["changed"], foreseen["waves"]) == (True, []), "no wave is to be written for what goes"
    assert actions(foreseen) == {"b": "deleted", "c": "deleted"}
    assert writes() == []

    pruned = apply(objects[:1], prune=True)
    assert pruned["changed"] and actions(pruned) == {"b": "deleted", "c": "deleted"}
    assert there(client, namespace) == recorded(client, namespace) == ["a"]
    writes()
    again = apply(objects[:1], prune=True)
    assert (again["changed"], again["prune"]) == (False, [])
    assert writes() == []


def test_what_is_written_and_what_goes_in_one_run(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace, "a"), config_map(namespace, "b")])
    result = apply([config_map(namespace, "a", key="2"), config_map(namespace, "d")], prune=True)
    assert actions(result) == {"b": "deleted"}
    assert (result["counts"]["created"], result["counts"]["changed"], result["counts"]["deleted"]) == (1, 1, 1)
    assert there(client, namespace) == recorded(client, namespace) == ["a", "d"]


def test_an_empty_list_lets_the_whole_inventory_go(apply: Apply, client: Client, namespace: str) -> None:
    values: dict[str, Any] = {"files": None, "inventory": "shop"}
    apply([], objects=[config_map(namespace, "a")], **values)
    apply([], objects=[config_map(namespace, "z")], files=None, inventory="other")
    assert actions(apply([], objects=[], prune=True, **values)) == {"a": "deleted"}
    assert there(client, namespace) == recorded(client, namespace) == ["z"]


def test_the_last_wave_goes_first_and_each_wave_waits(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    held = config_map(namespace, "w10")
    held["metadata"]["finalizers"] = ["tests.example/hold"]
    objects: list[Any] = [{"object": config_map(namespace, "stays"), "wave": 0}, {"object": held, "wave": 10}]
    objects += [{"object": config_map(namespace, f"w{wave}"), "wave": wave} for wave in (5, 20)]
    apply(objects)
    writes()
    hanging = apply(objects[:1], prune=True, wait_timeout=1)
    assert hanging["failed"]
    assert hanging["msg"].startswith(f"v1 ConfigMap {namespace}/w10: still there after 1 s: finalizers tests.example")
    deleted = [entry["path"].split("?")[0].rpartition("/")[2] for entry in writes() if entry["verb"] == "delete"]
    assert [name for name in deleted if name.startswith("w")] == ["w20", "w10"]
    assert [entry["action"] for entry in hanging["prune"]] == ["deleted", "failed", "pending"]
    assert there(client, namespace) == ["stays", "w10", "w5"]
    assert recorded(client, namespace) == ["stays", "w10", "w5"], "forgotten is only what is gone"
    client.apply({**held, "metadata": {**held["metadata"], "finalizers": []}}, "alauda.ambient", force=True)
    assert set(actions(apply(objects[:1], prune=True)).values()) == {"deleted"}
    assert there(client, namespace) == recorded(client, namespace) == ["stays"]


def test_waves_limit_the_run_and_nothing_is_pruned(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace, "a"), config_map(namespace, "b")])
    assert apply([config_map(namespace, "a")], prune=True, waves=[-10])["prune"] == []
    assert there(client, namespace) == ["a", "b"]


def test_a_failed_wave_prunes_nothing(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace, "a"), config_map(namespace, "b")])
    result = apply([config_map(namespace, "a"), config_map("no-such-namespace", "x")], prune=True)
    assert result["failed"] and [entry["action"] for entry in result["prune"]] == ["pending"]
    assert there(client, namespace) == ["a", "b"]


def test_a_run_that_loses_the_api_server_says_what_it_did(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [config_map(namespace, name) for name in ("a", "b", "old")]
    apply(objects)
    gone = False
    real, known = Client.apply, Client.get

    def lost(self: Client, obj: Object, manager: str, **options: Any) -> Object:
        nonlocal gone
        if obj["metadata"]["name"] == "b":
            gone = True
            raise ApiError("no answer", status=0)
        return real(self, obj, manager, **options)

    def get(self: Client, what: Any, *arguments: Any, **options: Any) -> Object | None:
        if gone and isinstance(what, Identity) and what.name == "old":
            raise ApiError("no answer", status=0)
        return known(self, what, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "apply", lost)
        patch.setattr(Client, "get", get)
        result = apply([config_map(namespace, "a", k="2"), config_map(namespace, "b", k="2")], prune=True)
    assert result["msg"].startswith(f"v1 ConfigMap {namespace}/b: no answer")
    assert there(client, namespace) == ["a", "b", "old"]


def test_never_a_namespace_or_a_crd_without_the_option(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    inner, kind = f"{namespace}-inner", f"gadgets{namespace.replace('-', '')}"
    thing = {"apiVersion": "tests.example/v1", "kind": kind.capitalize(), "metadata": {"name": "t", "namespace": inner}}
    objects = [plain_namespace(inner, namespace), own(crd(kind), namespace), own(thing, namespace)]
    assert apply([config_map(namespace, "a"), *objects], wait_timeout=30)["counts"]["created"] == 4
    result = apply([config_map(namespace, "a")], prune=True)
    assert sorted(actions(result).values()) == ["candidate", "candidate", "deleted"]
    assert "a Namespace goes only with prune_cluster_scoped, with all that is in it" in reasons(result)
    assert "a CustomResourceDefinition goes only with prune_cluster_scoped, with all that is in it" in reasons(result)
    writes()
    assert apply([config_map(namespace, "a")], prune=True)["changed"] is False
    assert writes() == []

    # No controller runs that would end a namespace: it is deleted, and that is waited for in vain.
    gone = apply([config_map(namespace, "a")], prune=True, prune_cluster_scoped=True, wait=False)
    assert sorted(actions(gone).values()) == ["deleted", "deleted"]
    assert live(client, plain_namespace(inner, namespace))["metadata"]["deletionTimestamp"]
    assert recorded(client, namespace) == ["a"]


def test_an_object_of_a_version_that_is_no_longer_served(apply: Apply, client: Client, namespace: str) -> None:
    plural = f"relics{namespace.replace('-', '')}"
    definition = crd(plural)
    old = {**definition["spec"]["versions"][0], "name": "v1beta1", "storage": False}
    definition["spec"]["versions"].append(old)
    thing = {"apiVersion": "tests.example/v1beta1", "kind": plural.capitalize()}
    relic = own({**thing, "metadata": {"name": "relic", "namespace": namespace}}, namespace)
    apply([own(definition, namespace), relic])
    definition["spec"]["versions"][1] = {**old, "served": False}
    result = apply([own(definition, namespace)], prune=True)
    assert actions(result) == {"relic": "deleted"}
    assert client.list("tests.example/v1", plural.capitalize(), namespace) == []
    assert recorded(client, namespace) == [f"{plural}.tests.example"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_discovery_does_not_tell_of_is_not_forgotten(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    plural = f"ghosts{state}{namespace.replace('-', '')}"
    ghost = {"apiVersion": "tests.example/v1", "kind": plural.capitalize()}
    ghost["metadata"] = {"name": "ghost", "namespace": namespace}  # type: ignore[assignment]
    client.apply(crd(plural), "tests")
    wait_until_served(client, plural.capitalize())
    assert apply([own(ghost, namespace)])["counts"]["created"] == 1
    real = Discovery.kinds

    def lagging(self: Discovery) -> Any:
        return {key: value for key, value in real(self).items() if key[2] != plural.capitalize()}

    with monkeypatch.context() as patch:
        patch.setattr(Discovery, "kinds", lagging)
        listed = [own(ghost, namespace)] if state == "absent" else []
        result = apply(listed, prune=True, state=state)
        told = result["failed_objects"] if state == "absent" else result["prune"]
        assert [entry["reason"] for entry in told] == [
            "the API server does not serve its kind at the moment: run again"
        ]
    assert recorded(client, namespace) == ["ghost"]
    assert apply(listed, prune=True, state=state)["counts"]["deleted"] == 1
    client.delete(Identity.of(crd(plural)))


def test_objects_of_a_crd_that_is_gone_are_gone(apply: Apply, client: Client, namespace: str) -> None:
    plural = f"dodos{namespace.replace('-', '')}"
    dodo = {"apiVersion": "tests.example/v1", "kind": plural.capitalize()}
    dodo["metadata"] = {"name": "dodo", "namespace": namespace}  # type: ignore[assignment]
    client.apply(crd(plural), "tests")
    wait_until_served(client, plural.capitalize())
    apply([config_map(namespace, "a"), own(dodo, namespace)])
    client.delete(Identity.of(crd(plural)))
    for _second in range(30):
        if not client.list(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            field_selector=f"metadata.name={plural}.tests.example",
        ):
            break
        time.sleep(0.5)
    assert apply([config_map(namespace, "a", key="1")])["prune"] == []
    assert recorded(client, namespace) == ["a"]


def test_never_the_namespace_that_holds_the_inventory(apply: Apply, client: Client, namespace: str) -> None:
    home = f"{namespace}-home"
    objects = [plain_namespace(home, namespace), config_map(namespace, "a")]
    apply(objects, inventory_namespace=home)
    result = apply(objects[1:], inventory_namespace=home, prune=True, prune_cluster_scoped=True)
    assert (actions(result), reasons(result)) == (
        {home: "candidate"},
        ["it holds the inventory: only state absent removes it"],
    )
    assert "deletionTimestamp" not in live(client, plain_namespace(home, namespace))["metadata"]


@pytest.mark.parametrize("prune", [False, True])
def test_what_another_manager_applies_too_is_kept(
    apply: Apply, client: Client, namespace: str, writes: Writes, prune: bool
) -> None:
    objects = [config_map(namespace, name, key="1") for name in ("stays", "same", "forced", "client-side", "partly")]
    apply(objects)
    unlabelled = {**objects[1], "metadata": {"name": "same", "namespace": namespace}}
    client.apply(unlabelled, "argocd-controller")
    client.apply({**objects[2], "data": {"key": "2"}}, "kubectl", force=True)
    relabelled = {**objects[2], "metadata": {**objects[2]["metadata"], "labels": {"ambient.alauda.io/mesh": "other"}}}
    client.apply({**relabelled, "data": {"key": "2"}}, "kubectl", force=True)
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    edited = live(client, objects[3])
    edited["metadata"]["annotations"] = last
    client.replace(edited, manager="kubectl-client-side-apply")
    client.apply({**objects[4], "data": {"more": "x"}}, "somebody")
    status = live(client, objects[4])
    assert len(status["metadata"]["managedFields"]) == 2

    writes()
    result = apply(objects[:1], prune=prune)
    told = {
        entry["object"].rpartition("/")[2]: (entry["action"], entry["reason"])
        for entry in result["prune"]
        if entry["action"] == "kept"
    }
    assert told == {
        "same": ("kept", "argocd-controller has taken it over: it applies this object too"),
        "forced": ("kept", "kubectl has taken it over: we own no field of it any more"),
        "client-side": ("kept", "kubectl-client-side-apply has taken it over: it applies this object too"),
    }
    assert actions(result)["partly"] == "candidate"
    assert "somebody applies a part of it: it goes when that is given up, or by hand" in reasons(result)
    assert there(client, namespace) == ["client-side", "forced", "partly", "same", "stays"]
    if not prune:
        assert writes() == []
        return
    assert recorded(client, namespace) == ["partly", "stays"], "what is another's is said once, then forgotten"
    writes()
    assert actions(apply(objects[:1], prune=True)) == {"partly": "candidate"}
    assert writes() == []


def test_absent_keeps_what_another_has_made_its_own(apply: Apply, client: Client, namespace: str) -> None:
    plain = {**config_map(namespace, "plain", key="1"), "metadata": {"name": "plain", "namespace": namespace}}
    forced = {**plain, "metadata": {"name": "forced", "namespace": namespace}}
    ours = config_map(namespace, "ours", key="1")
    announced = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": namespace}}
    broken = {"object": config_map("no-such-namespace", "lost"), "wave": -20}
    listed = [plain, forced, ours]
    apply([*listed])
    apply([*listed, broken, {"object": announced, "wave": -5}])
    client.apply({**forced, "data": {"key": "2"}}, "argocd", force=True)
    client.apply(ours, "argocd")
    client.delete(Identity.of(plain))
    client.create(plain, manager="kubectl-create")
    client.create({**announced, "data": {"users": "1"}}, manager="kubectl-create")
    result = apply([*listed, announced], state="absent")
    report = json.loads(Path(result["report_file"]).read_text())
    told = {entry["object"].rpartition("/")[2]: entry["action"] for entry in report["objects"]}
    assert told == {"plain": "kept", "forced": "kept", "late": "kept", "ours": "deleted"}
    assert there(client, namespace) == ["forced", "late", "plain"]


def test_a_status_written_by_a_controller_is_no_take_over(apply: Apply, client: Client, namespace: str) -> None:
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    deployment = own(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"selector": {"matchLabels": {"app": "w"}}, "template": template},
        },
        namespace,
    )
    apply([config_map(namespace, "a"), deployment], wait=False)
    current = live(client, deployment)
    current["status"] = {"observedGeneration": 1, "replicas": 1}
    client.request("PUT", f"/apis/apps/v1/namespaces/{namespace}/deployments/web/status", body=current)
    assert actions(apply([config_map(namespace, "a")], prune=True, check=True)) == {"web": "deleted"}


def test_an_object_whose_label_is_gone_is_kept(apply: Apply, client: Client, namespace: str) -> None:
    ours = config_map(namespace, "one", key="1")
    apply([config_map(namespace, "a"), ours])
    current = live(client, ours)
    del current["metadata"]["labels"]
    client.replace(current, manager="edit")
    result = apply([config_map(namespace, "a")], prune=True)
    assert (actions(result), reasons(result)) == (
        {"one": "kept"},
        ["it has been taken over: its label ambient.alauda.io/mesh is gone"],
    )


def test_plain_manifests_need_no_label_to_be_ours(apply: Apply, client: Client, namespace: str) -> None:
    bare = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bare", "namespace": namespace}}
    plain = {**config_map(namespace, "plain", key="1"), "metadata": {"name": "plain", "namespace": namespace}}
    labelled = {**plain, "metadata": {"name": "theirs", "namespace": namespace}}
    values: dict[str, Any] = {"files": None, "inventory": "shop"}
    apply([], objects=[bare, plain, labelled], **values)
    current = live(client, labelled)
    current["metadata"]["labels"] = {"ambient.alauda.io/mesh": "other"}
    client.replace(current, manager="edit")
    result = apply([], objects=[], prune=True, **values)
    assert actions(result) == {"bare": "deleted", "plain": "deleted", "theirs": "kept"}
    assert "it has been taken over: its label ambient.alauda.io/mesh is other and held by edit" in reasons(result)


def test_what_cannot_be_reached_is_asked_once(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [config_map(namespace, f"c{number:03}") for number in range(200)]
    apply([config_map(namespace, "stays"), *objects], wait_timeout=30)
    asked: list[str] = []

    def refused(self: Client, identity: Identity, **options: Any) -> bool:
        asked.append(identity.name)
        time.sleep(0.01)
        raise ApiError("no answer", status=0)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "delete", refused)
        result = apply([config_map(namespace, "stays")], prune=True)
    assert result["failed"] and len(asked) < 50
    assert result["counts"]["failed"] + result["counts"]["pending"] == 200
    assert len(recorded(client, namespace)) == 201
    assert apply([config_map(namespace, "stays")], prune=True, wait_timeout=30)["counts"]["deleted"] == 200


def test_an_inventory_that_cannot_be_saved_hides_nothing(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply([config_map(namespace, "a"), config_map(namespace, "b")])

    def refused(self: Client, obj: Object, **options: Any) -> Object:
        if obj["kind"] == "ConfigMap":
            raise ApiError("no answer", status=0)
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": "1"}}

    with monkeypatch.context() as patch:
        patch.setattr(Client, "replace", refused)
        result = apply([config_map(namespace, "a")], prune=True)
    assert result["failed"] and "the inventory could not be saved: no answer" in result["msg"]
    assert [entry["action"] for entry in result["prune"]] == ["deleted"]
    assert apply([config_map(namespace, "a")], prune=True)["prune"] == []


def test_what_was_there_before_only_loses_our_fields(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    client.apply({**config_map(namespace, theirs="1"), "metadata": {"name": "one", "namespace": namespace}}, "user")
    apply([config_map(namespace, "a"), config_map(namespace, "one", ours="1")])
    assert actions(apply([config_map(namespace, "a")])) == {"one": "candidate"}
    assert actions(apply([config_map(namespace, "a")], prune=True)) == {"one": "released"}
    left = live(client, config_map(namespace, "one"))
    assert left["data"] == {"theirs": "1"} and "labels" not in left["metadata"]
    writes()
    assert apply([config_map(namespace, "a")], prune=True)["prune"] == []
    assert writes() == []


def test_a_namespace_that_is_no_longer_declared_is_left_alone_until_pruned(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{namespace}-{word}" for word in ("shop", "past")]
    for name in names:
        client.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"t": "1"}}}, "user"
        )
    patches = [
        each
        for name in names
        for each in (
            patch_labels(name, "discovery", -30, mesh="on"),
            patch_labels(name, "enrolment", 50, **{MODE: "ambient"}),
        )
    ]
    apply(patches, role="namespaces")
    enrolled = {"t": "1", "mesh": "on", MODE: "ambient"}
    shown = apply(patches[:2], role="namespaces")
    assert (shown["changed"], reasons(shown)) == (False, ["only our fields are released"] * 2)
    assert labels_of(client, names[1]) == enrolled
    foreseen = apply(patches[:2], role="namespaces", prune=True, check=True)
    assert [entry["wave"] for entry in foreseen["prune"]] == [50, -30]

    sent: list[str] = []
    real = Client.apply

    def noted(self: Client, obj: Object, manager: str, **options: Any) -> Object:
        if not options.get("dry_run"):
            sent.append(manager)
        return real(self, obj, manager, **options)

    monkeypatch.setattr(Client, "apply", noted)
    pruned = apply(patches[:2], role="namespaces", prune=True)
    assert [(entry["wave"], entry["action"]) for entry in pruned["prune"]] == [(50, "released"), (-30, "released")]
    assert sent == ["alauda.ambient/enrolment", "alauda.ambient/discovery"], "out of the mesh before out of its sight"
    assert labels_of(client, names[1]) == {"t": "1"}
    assert labels_of(client, names[0]) == enrolled
    assert apply(patches[:2], role="namespaces", prune=True)["changed"] is False
    assert len(sent) == 2


def test_a_label_that_somebody_else_holds_too_is_named_again_and_again(
    apply: Apply, client: Client, namespace: str
) -> None:
    user = f"{namespace}-user"
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": user}}, "user")
    patch = patch_labels(user, "enrolment", 50, **{MODE: "ambient"})
    apply([patch])
    client.apply(patch["object"], "gitops-tool")
    for check in (True, False, True, False):
        result = apply([], prune=True, check=check)
        assert result["msg"] == (
            f"v1 Namespace {user}: the label {MODE} stays, because it is also held by gitops-tool; "
            f"take it away with: kubectl label namespace {user} {MODE}-"
        )
    assert actions(apply([])) == {user: "candidate"}
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": user}}, "gitops-tool")
    assert actions(apply([], prune=True)) == {user: "released"}
    assert MODE not in labels_of(client, user)
    assert recorded(client, namespace) == []


def test_one_patch_of_two_managers_may_go(apply: Apply, client: Client, namespace: str) -> None:
    user = f"{namespace}-user"
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": user}}, "user")
    both = [patch_labels(user, "discovery", -30, mesh="on"), patch_labels(user, "enrolment", 50, **{MODE: "ambient"})]
    apply(both)
    result = apply(both[1:], prune=True)
    assert [(entry["wave"], entry["action"]) for entry in result["prune"]] == [(-30, "released")]
    assert labels_of(client, user) == {MODE: "ambient"}


def test_an_object_that_another_manager_of_ours_applies_now_is_not_deleted(
    apply: Apply, client: Client, namespace: str
) -> None:
    obj = config_map(namespace, "one", key="1")
    apply([obj])
    result = apply([{"object": obj, "manager": "alauda.ambient/other"}], prune=True)
    assert actions(result) == {"one": "released"}
    assert live(client, obj)["data"] == {"key": "1"}
    assert recorded(client, namespace) == ["one"]


def test_an_object_that_another_role_lists_now_is_no_candidate(
    apply: Apply, client: Client, namespace: str, writes: Writes, tmp_path: Path
) -> None:
    users = {**config_map(namespace, "old", theirs="1"), "metadata": {"name": "old", "namespace": namespace}}
    client.apply(users, "user")
    moving, staying = config_map(namespace, "moving"), config_map(namespace, "staying")
    apply([moving, staying, config_map(namespace, "old", key="1")], role="first")
    (tmp_path / "first.json").write_text(json.dumps({"role": "first", "items": [{"object": staying}]}))
    files = [str(tmp_path / "first.json"), str(tmp_path / "second.json")]
    moved = [moving, config_map(namespace, "old", key="2")]
    result = apply(moved, role="second", files=files, prune=True)
    assert (result.get("msg"), result["prune"]) == (None, [])
    assert there(client, namespace) == ["moving", "old", "staying"]
    assert recorded(client, namespace) == ["moving", "old", "staying"], "one record each"
    writes()
    assert apply(moved, role="second", files=files, prune=True)["changed"] is False
    assert writes() == []
    assert actions(apply([], role="second", prune=True)) == {"moving": "deleted", "old": "released"}


def test_a_record_whose_object_is_gone_is_dropped(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace, "a"), config_map(namespace, "b"), config_map(namespace, "c")])
    client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/b")
    assert actions(apply([config_map(namespace, "a")])) == {"c": "candidate"}
    apply([config_map(namespace, "a", key="2")])
    assert recorded(client, namespace) == ["a", "c"]


def test_the_diff_shows_what_was_deleted(apply: Apply, namespace: str) -> None:
    secret = own({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}}, namespace)
    apply([config_map(namespace, "a"), config_map(namespace, "b", key="value"), {**secret, "data": {"k": "aGlkZGVu"}}])
    for check in (True, False):
        result = apply([config_map(namespace, "a")], prune=True, check=check, diff=True)
        text = json.dumps(result["diff"])
        assert sum("deleted: v1" in json.dumps(entry) for entry in result["diff"]) == 2
        assert "aGlkZGVu" not in text
        assert any(f"ConfigMap {namespace}/b (14 lines)" in json.dumps(entry) for entry in result["diff"]), text


def test_the_diff_shows_what_a_release_takes_and_nothing_else(apply: Apply, client: Client, namespace: str) -> None:
    user = f"{namespace}-user"
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": user, "labels": {"t": "1"}}}, "user")
    apply([patch_labels(user, "enrolment", 50, **{MODE: "ambient"})])
    for check in (True, False):
        (entry,) = apply([], prune=True, check=check, diff=True)["diff"]
        gone = set(entry["before"].splitlines()) - set(entry["after"].splitlines())
        assert gone == {f'      "{MODE}": "ambient",'}


def test_absent_shows_what_is_not_listed_and_takes_it_with_prune(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    objects = [config_map(namespace, "a"), config_map(namespace, "b")]
    apply(objects)
    result = apply(objects[:1], state="absent")
    assert (actions(result), result["counts"]["deleted"]) == ({"b": "candidate"}, 1)
    assert there(client, namespace) == recorded(client, namespace) == ["b"]
    writes()
    assert apply(objects[:1], state="absent")["changed"] is False
    assert writes() == []
    assert actions(apply(objects[:1], state="absent", prune=True)) == {"b": "deleted"}
    assert client.list("v1", "ConfigMap", namespace) == []


def test_absent_takes_the_namespace_that_was_made_for_the_inventory(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    home = f"{namespace}-home"
    objects = [config_map(namespace, "a"), own(config_map(home, "inside"), namespace)]
    apply([objects[0]], inventory_namespace=home)
    apply(objects, inventory_namespace=home)
    users = {**config_map(home, "users"), "metadata": {"name": "users", "namespace": home}}
    client.apply(users, "user")
    by_istiod = {**users, "metadata": {"name": "istio-ca-root-cert", "namespace": home}}
    client.apply(by_istiod, "pilot-discovery")
    for check in (True, False, False):
        kept = apply(objects, inventory_namespace=home, state="absent", check=check)
        line = f"kept: Namespace {home}: it was created for the inventory, and holds more by now: ConfigMap users"
        assert kept["summary"][-1] == line
    assert client.list("v1", "ConfigMap", home, label_selector="ambient.alauda.io/inventory") == []
    client.delete(Identity.of(users))
    assert apply(objects, inventory_namespace=home, state="absent", check=True)["counts"]["deleted"] == 1
    apply(objects, inventory_namespace=home)
    assert apply(objects, inventory_namespace=home, state="absent", check=True)["counts"]["deleted"] == 3
    removed = apply(objects, inventory_namespace=home, state="absent", wait=False)
    assert removed["counts"]["deleted"] == 3
    assert live(client, plain_namespace(home, namespace))["metadata"]["deletionTimestamp"]


def test_absent_keeps_a_namespace_that_it_cannot_look_into(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = f"{namespace}-home"
    apply([config_map(namespace, "a")], inventory_namespace=home)
    real = Client.list_metadata

    def unreadable(self: Client, api_version: str, kind: str, *arguments: Any, **options: Any) -> list[Object]:
        if kind == "PodTemplate":
            raise ApiError("forbidden", status=403)
        return real(self, api_version, kind, *arguments, **options)

    monkeypatch.setattr(Client, "list_metadata", unreadable)
    result = apply([config_map(namespace, "a")], inventory_namespace=home, state="absent")
    assert (result["counts"]["deleted"], result["counts"]["kept"]) == (1, 1)
    assert result["summary"][-1].endswith("holds more by now: perhaps a PodTemplate (reading these: forbidden)")


def test_absent_says_what_it_did_where_the_inventory_cannot_be_saved(
    apply: Apply, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects: list[Any] = [{"object": config_map(namespace, name), "wave": wave} for name, wave in (("a", 0), ("b", 9))]
    apply(objects)
    real = Client.replace

    def refused(self: Client, obj: Object, **options: Any) -> Object:
        if obj["kind"] == "ConfigMap":
            raise ApiError("no answer", status=0)
        return real(self, obj, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "replace", refused)
        result = apply(objects, state="absent")
    assert result["failed"] and "the inventory could not be saved: no answer" in result["msg"]
    assert (result["counts"]["deleted"], result["counts"]["pending"]) == (1, 1)
    assert apply(objects, state="absent")["counts"]["deleted"] == 1


def test_absent_leaves_the_namespace_of_the_inventory_that_was_there_before(
    apply: Apply, client: Client, namespace: str
) -> None:
    apply([config_map(namespace, "a")])
    assert apply([config_map(namespace, "a")], state="absent")["counts"]["deleted"] == 1
    found = client.get("v1", "Namespace", namespace)
    assert found is not None and "deletionTimestamp" not in found["metadata"]


def test_absent_waits_for_the_lock_of_another_run(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace, "a")])
    with Lock(client, namespace, namespace, 5, lambda line: None):
        refused = apply([config_map(namespace, "a")], state="absent", lock_timeout=1)
        assert refused["failed"] and "another run" in refused["msg"]
        assert apply([], state="absent", lock_timeout=1)["changed"] is False, "nothing to write, no lock"
        pruned = apply([], prune=True, lock_timeout=1)
        assert pruned["failed"] and "another run" in pruned["msg"]
        assert actions(apply([], lock_timeout=1)) == {"a": "candidate"}
    assert apply([config_map(namespace, "a")], state="absent")["counts"]["deleted"] == 1
    assert client.get("coordination.k8s.io/v1", "Lease", f"ambient-lock-{namespace}", namespace) is None


def test_twelve_hundred_objects(apply: Apply, client: Client, namespace: str, writes: Writes) -> None:
    objects = [config_map(namespace, f"c{number:04}", key="1") for number in range(1200)]
    apply([config_map(namespace, "stays"), *objects], wait_timeout=60)
    start = time.monotonic()
    shown = apply([config_map(namespace, "stays")])
    assert shown["counts"]["candidate"] == 1200
    assert len(shown["summary"]) < 10
    looked = time.monotonic()
    result = apply([config_map(namespace, "stays")], prune=True, wait_timeout=60)
    assert result["counts"]["deleted"] == 1200
    print(f"1,200 candidates: shown in {looked - start:.1f} s, pruned in {time.monotonic() - looked:.1f} s")
    assert there(client, namespace) == recorded(client, namespace) == ["stays"]
    writes()
    assert apply([config_map(namespace, "stays")], prune=True)["prune"] == []
    assert writes() == []


def test_what_another_inventory_lists_too_is_only_forgotten(apply: Apply, client: Client, namespace: str) -> None:
    shared, other = config_map(namespace, "shared"), config_map(namespace, "other")
    apply([shared], role="first")
    apply([shared, other], role="second")
    assert apply([shared], role="first")["counts"]["unchanged"] == 1
    apply([other], role="second", prune=True)
    assert there(client, namespace) == ["other", "shared"]
    apply([other], role="first", prune=True)
    assert there(client, namespace) == ["other"]
