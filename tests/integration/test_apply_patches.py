# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches on objects that are not ours, and what `absent` may take away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from cases import Apply, Result, Writes, config_map, live

pytestmark = pytest.mark.usefixtures("istiod")
ENROLMENT = "alauda.ambient/enrolment"
MODE = "istio.io/dataplane-mode"


def enrol(namespace: str) -> dict[str, Any]:
    """The patch that enrols a namespace."""
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {MODE: "ambient"}}}
    return {"object": obj, "patch": True, "manager": ENROLMENT}


def release(namespace: str) -> dict[str, Any]:
    """The patch that gives it back."""
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    return {"object": obj, "patch": True, "manager": ENROLMENT, "gone": [MODE]}


@pytest.fixture
def user_namespace(client: Client, namespace: str) -> str:
    """A namespace that a user made, with a label of theirs."""
    name = f"{namespace}-user"
    labels = {"team": "shop"}
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}, "user")
    return name


def labels_of(client: Client, namespace: str) -> dict[str, str]:
    """The labels of a namespace, without the one that the server sets."""
    labels = live(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})["metadata"][
        "labels"
    ]
    return {key: value for key, value in labels.items() if key != "kubernetes.io/metadata.name"}


def test_a_patch_sets_its_fields_and_absent_releases_only_them(
    apply: Apply, client: Client, user_namespace: str, writes: Writes
) -> None:
    patch = enrol(user_namespace)
    assert apply([patch], check=True)["counts"]["changed"] == 1
    assert writes() == []
    assert apply([patch])["waves"] == [50]
    assert labels_of(client, user_namespace) == {"team": "shop", MODE: "ambient"}
    writes()
    assert apply([patch])["changed"] is False
    assert writes() == []

    assert apply([patch], state="absent", check=True)["counts"]["released"] == 1
    assert apply([patch], state="absent")["counts"]["released"] == 1
    assert labels_of(client, user_namespace) == {"team": "shop"}
    assert apply([patch], state="absent")["changed"] is False


def test_a_patch_never_creates(apply: Apply, client: Client, namespace: str) -> None:
    missing = f"{namespace}-missing"
    for check in (True, False):
        result = apply([enrol(missing)], check=check)
        assert result["msg"] == (
            f"v1 Namespace {missing}: it does not exist, and a patch never creates its object. Create it first"
        )
    assert client.get("v1", "Namespace", missing) is None
    assert apply([release(missing)])["changed"] is False
    assert apply([enrol(missing)], state="absent")["changed"] is False


def test_a_target_that_goes_before_the_write_is_not_created(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = config_map(namespace, "target", theirs="1")
    client.apply(target, "user")
    patch = {"object": {**target, "data": {"ours": "1"}}, "patch": True, "manager": ENROLMENT}
    real = Client.apply

    def after_its_deletion(self: Client, *arguments: Any, **options: Any) -> Object:
        client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/target")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Client, "apply", after_its_deletion)
    assert apply([patch])["failed"]
    assert client.get("v1", "ConfigMap", "target", namespace) is None


def test_un_enrolling_ends_with_the_label_gone(
    apply: Apply, client: Client, user_namespace: str, writes: Writes
) -> None:
    apply([enrol(user_namespace)])
    assert apply([release(user_namespace)], check=True)["counts"]["changed"] == 1
    assert apply([release(user_namespace)])["counts"]["changed"] == 1
    assert labels_of(client, user_namespace) == {"team": "shop"}
    writes()
    assert apply([release(user_namespace)])["changed"] is False
    assert writes() == []


def test_un_enrolling_names_who_else_holds_the_label(apply: Apply, client: Client, user_namespace: str) -> None:
    apply([enrol(user_namespace)])
    client.apply(enrol(user_namespace)["object"], "gitops-tool")
    for check in (True, False, True, False):  # before and after our own release
        result = apply([release(user_namespace)], check=check)
        assert result["msg"] == (
            f"v1 Namespace {user_namespace}: the label {MODE} stays, because it is also held by gitops-tool; "
            f"take it away with: kubectl label namespace {user_namespace} {MODE}-"
        )


def test_two_managers_keep_their_own_labels(apply: Apply, client: Client, user_namespace: str) -> None:
    discovery = {
        "object": {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": user_namespace, "labels": {"istio-discovery": "enabled"}},
        },
        "patch": True,
        "manager": "alauda.ambient/discovery",
        "wave": -30,
    }
    both = [discovery, enrol(user_namespace)]
    assert apply(both)["waves"] == [-30, 50]
    assert labels_of(client, user_namespace) == {"team": "shop", "istio-discovery": "enabled", MODE: "ambient"}
    assert apply(both)["changed"] is False
    apply([discovery], state="absent")
    assert labels_of(client, user_namespace) == {"team": "shop", MODE: "ambient"}


def test_an_object_that_was_there_before_is_never_deleted(apply: Apply, client: Client, namespace: str) -> None:
    client.apply({**config_map(namespace, theirs="1"), "metadata": {"name": "one", "namespace": namespace}}, "user")
    ours = config_map(namespace, ours="1")
    assert apply([ours])["counts"]["changed"] == 1
    result: Result = apply([ours], state="absent")
    assert result["counts"]["released"] == 1
    left = live(client, ours)
    assert left["data"] == {"theirs": "1"} and "labels" not in left["metadata"]


def test_what_we_had_to_make_anew_is_ours(apply: Apply, client: Client, namespace: str) -> None:
    ours = config_map(namespace)
    client.apply({**ours, "metadata": {"name": "one", "namespace": namespace}}, "user")
    apply([ours])
    client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/one")
    assert apply([ours])["counts"]["created"] == 1
    assert apply([ours], state="absent")["counts"]["deleted"] == 1


def test_records_of_what_is_gone_keep_no_inventory(apply: Apply, client: Client, namespace: str) -> None:
    broken = config_map("no-such-namespace", "lost")
    assert apply([config_map(namespace), broken])["failed"]
    apply([config_map(namespace)], state="absent")
    assert client.list("v1", "ConfigMap", namespace) == []


def test_absent_leaves_what_is_not_ours(apply: Apply, client: Client, namespace: str) -> None:
    theirs = config_map(namespace, theirs="1")
    del theirs["metadata"]["labels"]
    client.apply(theirs, "user")
    result = apply([theirs], state="absent")
    assert (result["changed"], result["counts"]["kept"]) == (False, 1)
    assert result["summary"][-1].startswith(f"kept: ConfigMap {namespace}/one: it is not ours")
    live(client, theirs)


def test_absent_knows_ours_by_the_label_without_an_inventory(apply: Apply, client: Client, namespace: str) -> None:
    ours = config_map(namespace)
    client.apply(ours, "argocd")
    assert apply([ours], state="absent")["counts"]["deleted"] == 1
    assert client.get("v1", "ConfigMap", "one", namespace) is None


def test_absent_says_what_holds_an_object(apply: Apply, client: Client, namespace: str) -> None:
    held = config_map(namespace, "held")
    held["metadata"]["finalizers"] = ["tests.example/hold"]
    later = config_map(namespace, "before")
    objects: list[Any] = [{"object": held, "wave": 10}, {"object": later, "wave": 0}]
    apply(objects)
    result = apply(objects, state="absent", wait_timeout=1)
    assert result["msg"] == f"v1 ConfigMap {namespace}/held: still there after 1 s: finalizers tests.example/hold"
    assert result["counts"]["pending"] == 1
    assert live(client, later)
    again = apply(objects)
    assert again["failed"] and "it is being deleted" in again["msg"]
    patch = [{"op": "remove", "path": "/metadata/finalizers"}]
    client.transport.json(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/configmaps/held",
        body=patch,
        content_type="application/json-patch+json",
    )
    assert apply(objects, state="absent")["counts"]["deleted"] == 1


def test_only_the_object_that_was_read_is_deleted(
    apply: Apply, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = config_map(namespace)
    apply([ours])
    real: Callable[..., bool] = Client.delete

    def after_its_replacement(self: Client, *arguments: Any, **options: Any) -> bool:
        client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/one")
        client.apply(config_map(namespace, new="1"), "user")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Client, "delete", after_its_replacement)
    assert apply([ours], state="absent")["failed"]
    assert live(client, ours)["data"] == {"new": "1"}
