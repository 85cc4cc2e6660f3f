# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of objects on disk: what is read, what is refused and how."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import (
    Item,
    ItemSet,
    dump_role,
    item_from,
    load_items,
)

CONFIG: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}


def error(*paths: Path) -> str:
    """The message of the error that loading gives."""
    with pytest.raises(AmbientError) as caught:
        load_items(paths)
    return str(caught.value)


def test_a_role_file_round_trips_in_the_order_of_waves(tmp_path: Path) -> None:
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"}}
    patch = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    items = [
        item_from({"object": CONFIG}, "cni"),
        item_from({"object": patch, "patch": True, "manager": "other", "gone": ["l"]}, "cni"),
        item_from({"object": crd}, "cni"),
    ]
    path = tmp_path / "cni.json"
    assert dump_role(path, "cni", items) is True
    first = path.read_bytes()
    assert dump_role(path, "cni", items[::-1]) is False
    assert path.read_bytes() == first
    loaded = load_items([path]).items
    assert [(item.wave, item.identity.kind, item.role) for item in loaded] == [
        (-20, "CustomResourceDefinition", "cni"),
        (-10, "ConfigMap", "cni"),
        (50, "Namespace", "cni"),
    ]
    assert loaded[2] == items[1] and loaded[2].gone == ("l",)


def test_manifests_lists_and_directories_are_read(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    many = {"apiVersion": "v1", "kind": "List", "items": [CONFIG, {**CONFIG, "kind": "Secret"}]}
    (tmp_path / "deep" / "My list_1.yml").write_text(json.dumps(many))
    (tmp_path / "other.yaml").write_text("---\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n")
    (tmp_path / "notes.txt").write_text("no manifest")
    (tmp_path / ".list.json").write_text('{"files": []}')
    (tmp_path / "deep" / ".hidden").mkdir()
    (tmp_path / "deep" / ".hidden" / "a.yaml").write_text("no: manifest")
    assert [(item.identity.short, item.role) for item in load_items([tmp_path]).items] == [
        ("Namespace b", "manifests"),
        ("ConfigMap b/a", "manifests"),
        ("Secret b/a", "manifests"),
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"object": CONFIG, "wvae": 1}, "unknown key 'wvae'. Known are gone, manager, object, patch, wave"),
        ({"object": []}, "'object' must be a manifest"),
        ({"object": CONFIG, "wave": 1.5}, "'wave' must be a whole number from -30 to 969, it is 1.5"),
        ({"object": CONFIG, "wave": True}, "'wave' must be a whole number from -30 to 969, it is True"),
        ({"object": CONFIG, "wave": -31}, "'wave' must be a whole number from -30 to 969, it is -31"),
        ({"object": CONFIG, "patch": "yes"}, "'patch' must be true or false, it is 'yes'"),
        ({"object": CONFIG, "manager": 1}, "'manager' must be a text, it is 1"),
        ({"object": CONFIG, "gone": "x"}, "'gone' must be a list of label keys"),
        ({"object": {**CONFIG, "kind": ""}}, "kind must be a text that is not empty, it is ''"),
        ({"object": {**CONFIG, "apiVersion": 1}}, "apiVersion must be a text that is not empty, it is 1"),
        ({"object": {**CONFIG, "metadata": []}}, "metadata.name must be a text that is not empty, it is None"),
        (
            {"object": {**CONFIG, "metadata": {"name": "a", "labels": {"v": 1}}}},
            "metadata.labels[v] must be a text, it is 1. Put it in quotes",
        ),
        (
            {"object": {**CONFIG, "metadata": {"name": "a", "uid": "x"}}},
            "metadata.uid is set by the API server. Remove it: a manifest is no copy of a live object",
        ),
        ({"object": {**CONFIG, "x": float("inf")}}, "holds a number that is not finite"),
    ],
)
def test_what_is_no_item_is_refused(entry: dict[str, Any], expected: str) -> None:
    with pytest.raises(AmbientError) as caught:
        item_from(entry)
    assert str(caught.value) == expected


def test_the_place_of_an_error_is_named(tmp_path: Path) -> None:
    path = tmp_path / "role.json"
    path.write_text(json.dumps({"role": "cni", "items": [{"object": CONFIG}, {"object": {}}]}))
    assert error(path).startswith(f"{path}, items 2: apiVersion must be a text")
    path.write_text("{")
    assert error(path).startswith(f"{path}: not valid JSON: ")
    path.write_text('{"role": "a/b", "items": []}')
    assert error(path).startswith(f"{path}: 'role' must be the name of a role, it is 'a/b'")
    path.write_text('{"role": "a", "items": {}}')
    assert error(path).startswith(f"{path}: 'items' must be a list")
    path.write_bytes(b"\xff\xfe")
    assert error(path) == f"{path}: is not UTF-8 text. Save it as UTF-8"
    assert error(tmp_path / "none.yaml") == f"{tmp_path}/none.yaml: no such file. Give a file that exists"
    (tmp_path / "empty").mkdir()
    assert error(tmp_path / "empty").startswith(f"{tmp_path}/empty: holds no .json, .yaml, .yml file")


def test_one_manager_has_one_say_about_an_object(tmp_path: Path) -> None:
    for name, entry in {"a": {"object": CONFIG}, "b": {"object": CONFIG, "wave": 5}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"role": name, "items": [entry]}))
    assert error(tmp_path / "a.json", tmp_path / "b.json") == (
        "v1 ConfigMap b/a: stands twice under the manager alauda.ambient (roles a, wave -10, and b, wave 5). "
        "Keep one of them"
    )
    entry = {"object": CONFIG, "manager": "other"}
    (tmp_path / "b.json").write_text(json.dumps({"role": "b", "items": [entry]}))
    assert len(load_items([tmp_path]).items) == 2


def test_a_release_is_a_patch_that_sets_nothing() -> None:
    assert Item(CONFIG, 0, patch=True).releases
    assert not Item(CONFIG, 0).releases
    assert not Item({**CONFIG, "data": {}}, 0, patch=True).releases
    labelled = {**CONFIG, "metadata": {"name": "a", "labels": {"x": "y"}}}
    assert not Item(labelled, 0, patch=True).releases


def test_a_directory_that_may_not_be_read_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is unreadable, so the system's answer is played."""
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.yaml").write_text(json.dumps(CONFIG))
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert error(tmp_path) == f"{tmp_path}/shut: cannot be read: Permission denied. Give the right to it"


def test_hidden_files_of_a_directory_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(CONFIG))
    (tmp_path / ".alauda.ambient.json").write_text('{"files": []}')
    assert [item.object for item in load_items([tmp_path]).items] == [CONFIG]


def test_objects_given_as_values_are_read_like_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps(CONFIG))
    secret = {**CONFIG, "kind": "Secret"}
    loaded = load_items([tmp_path], [{"apiVersion": "v1", "kind": "List", "items": [secret]}], "shop")
    assert [(item.identity.short, item.role) for item in loaded.items] == [
        ("ConfigMap b/a", "shop"),
        ("Secret b/a", "shop"),
    ]
    with pytest.raises(AmbientError, match=r"^objects, object 2: 'object' must be a manifest"):
        load_items([], [CONFIG, 1])
    with pytest.raises(AmbientError, match=r"^objects, object 1: metadata.uid is set by the API server"):
        load_items([], [{**CONFIG, "metadata": {"name": "a", "uid": "x"}}])
    with pytest.raises(AmbientError, match=r"stands twice under the manager alauda.ambient \(roles manifests"):
        load_items([tmp_path], [CONFIG])


def test_roles_count_also_without_items(tmp_path: Path) -> None:
    (tmp_path / "cni.json").write_text('{"role": "cni", "items": []}')
    assert load_items([tmp_path]) == ItemSet([], frozenset({"cni"}))
    assert load_items([tmp_path], []).roles == {"cni", "manifests"}
    (tmp_path / "empty.yaml").write_text("---\n")
    assert load_items([tmp_path], inventory="shop").roles == {"cni", "shop"}
    (tmp_path / "both.yaml").write_text(json.dumps(CONFIG) + '\n---\n{"role": "ztunnel", "items": []}\n')
    (tmp_path / "empty.yaml").unlink()
    assert load_items([tmp_path]).roles == {"cni", "ztunnel", "manifests"}


def test_an_inventory_has_a_name_like_a_role() -> None:
    with pytest.raises(AmbientError, match=r"^inventory: must be the name of an inventory, it is 'a/b'"):
        load_items([], [], "a/b")
