# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owned fields, digests and differences."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.fields import (
    apply_entry,
    changed_paths,
    digest,
    holders,
    owned_digest,
    same_ownership,
)

OWNED: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:finalizers": {'v:"kept"': {}},
        "f:containers": {'k:{"name":"main"}': {".": {}, "f:name": {}, "f:image": {}}},
    },
}


def deployment() -> dict[str, Any]:
    """A live object, part of it ours."""
    return {
        "metadata": {
            "name": "a",
            "resourceVersion": "1",
            "labels": {"app": "a", "theirs": "x"},
            "managedFields": [
                {"manager": "ours", "operation": "Update", "fieldsV1": {"f:status": {}}},
                {"manager": "ours", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:status": {}}},
                {"manager": "ours", "operation": "Apply", "apiVersion": "v1", "fieldsV1": OWNED},
                {"manager": "theirs", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:app": {}}}}},
            ],
        },
        "spec": {
            "replicas": 1,
            "selector": {"a": "b"},
            "finalizers": ["kept", "other"],
            "containers": [{"name": "side", "image": "s"}, {"name": "main", "image": "m", "port": 1}],
        },
        "status": {"ready": 1},
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """The live object with one value changed."""
    obj = deployment()
    node: Any = obj
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in steps:
        node = node[step]
    node[last] = value
    return obj


def test_the_entry_is_the_applied_one_of_the_object_itself() -> None:
    entry = apply_entry(deployment(), "ours")
    assert entry is not None and entry["fieldsV1"] is OWNED
    assert apply_entry(deployment(), "theirs") is None
    assert owned_digest(deployment(), "theirs") == ""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels.app", "b"),
        ("spec.replicas", 2),
        ("spec.selector", {"a": "b", "c": "d"}),
        ("spec.finalizers", ["other"]),
        ("spec.containers.1.image", "n"),
        ("spec.containers", []),
        ("metadata.labels", {}),
    ],
)
def test_a_foreign_edit_of_our_field_shows(path: str, value: Any) -> None:
    assert owned_digest(changed(path, value), "ours") != owned_digest(deployment(), "ours")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels.theirs", "y"),
        ("metadata.resourceVersion", "2"),
        ("status.ready", 2),
        ("spec.finalizers", ["kept"]),
        ("spec.containers.0.image", "n"),
        ("spec.containers.1.port", 2),
        ("spec.containers", [{"name": "main", "image": "m"}]),
    ],
)
def test_what_is_not_ours_does_not_show(path: str, value: Any) -> None:
    assert owned_digest(changed(path, value), "ours") == owned_digest(deployment(), "ours")


def test_a_lost_ownership_shows() -> None:
    obj = deployment()
    obj["metadata"]["managedFields"][2] = {
        **obj["metadata"]["managedFields"][2],
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }
    assert owned_digest(obj, "ours") != owned_digest(deployment(), "ours")


def test_holders_of_a_field() -> None:
    assert holders(deployment(), ("metadata", "labels", "app")) == ["ours", "theirs"]
    assert holders(deployment(), ("metadata", "labels", "theirs")) == []


def test_differences_are_paths_that_a_person_knows() -> None:
    after = changed("spec.containers.1.image", "n")
    after["metadata"]["labels"]["app.example/x"] = "1"
    after["metadata"]["resourceVersion"] = "9"
    after["status"] = {}
    assert changed_paths(deployment(), after) == ["metadata.labels[app.example/x]", "spec.containers[main].image"]
    assert changed_paths(deployment(), changed("spec.finalizers", [])) == ["spec.finalizers"]
    assert changed_paths(None, after) == []


def test_many_differences_are_cut() -> None:
    before = {"metadata": {}, "data": {str(number): 1 for number in range(30)}}
    paths = changed_paths(before, {"metadata": {}, "data": {}})
    assert len(paths) == 21 and paths[-1] == "…"


def test_ownership_is_compared_without_times() -> None:
    later = deployment()
    later["metadata"]["managedFields"][2] = {**later["metadata"]["managedFields"][2], "time": "2026-01-01T00:00:00Z"}
    assert same_ownership(deployment(), later)
    later["metadata"]["managedFields"].pop()
    assert not same_ownership(deployment(), later)


def test_a_digest_knows_types() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len({digest(value) for value in (1, "1", None, "", True, [], {})}) == 7


def emptied(values: Any, annotations: Any) -> dict[str, Any]:
    """A live object of which we sent an empty list and an empty map."""
    owned = {"f:metadata": {"f:annotations": {}}, "f:spec": {"f:list": {'k:{"a":1,"b":2}': {".": {}, "f:values": {}}}}}
    entry = {"manager": "ours", "operation": "Apply", "apiVersion": "v1", "fieldsV1": owned}
    metadata = {"name": "a", "managedFields": [entry], **({} if annotations is None else {"annotations": annotations})}
    return {"metadata": metadata, "spec": {"list": [{"a": 1, "b": 2, "values": values}]}}


def test_what_others_put_where_we_sent_nothing_is_theirs() -> None:
    # The key `b` is one that the API server has filled in.
    sent = {"metadata": {"annotations": {}}, "spec": {"list": [{"a": 1, "values": []}]}}
    ours = owned_digest(emptied([], None), "ours", sent)
    assert owned_digest(emptied([1], {"theirs": "x"}), "ours", sent) == ours
    assert owned_digest(emptied([1], None), "ours") != owned_digest(emptied([], None), "ours")
    filled = {"metadata": {"annotations": {}}, "spec": {"list": [{"a": 1, "values": [0]}]}}
    assert owned_digest(emptied([1], None), "ours", filled) != owned_digest(emptied([0], None), "ours", filled)


def test_doubles_in_a_list_are_all_ours_to_see() -> None:
    once = deployment()
    twice = deployment()
    twice["spec"]["containers"].append({"name": "main", "image": "other"})
    assert owned_digest(once, "ours") != owned_digest(twice, "ours")


def test_true_is_not_one() -> None:
    one: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"x": 1, "y": [1]}}
    assert changed_paths(one, {**one, "spec": {"x": True, "y": [True]}}) == ["spec.x", "spec.y"]
    assert changed_paths(one, one) == []
