# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is no file is not passed over, and what stands twice in one is an error."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.reading import read_tree
from ansible_collections.alauda.ambient.plugins.module_utils.charts.gateway_api import crd_files, crd_objects
from ansible_collections.alauda.ambient.plugins.module_utils.charts.source import fingerprint
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.disk import foresee_tree
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.files import (
    load_json,
    read_text,
    write_if_changed,
)
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import load_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts
from ansible_collections.alauda.ambient.plugins.module_utils.oci.archive import Archive
from ansible_collections.alauda.ambient.plugins.module_utils.oci.layout import read_manifest
from ansible_collections.alauda.ambient.plugins.module_utils.oci.sources import Hashes

POLICY = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "a", "namespace": "shop"},
    "spec": {},
}
ROLE = '{"role": "tested", "items": []}'


def dangling(path: Path) -> None:
    path.symlink_to("/no/such/file")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def above(path: Path) -> None:
    path.symlink_to(path.parent)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path is short
    socket.socket(socket.AF_UNIX).bind(path.name)
    os.chdir(here)


ODD = {
    dangling: "is a link to /no/such/file, where nothing is",
    loop: "which cannot be followed",
    fifo: "is a FIFO, not a file",
    device: "is a device, not a file",
    listening: "is a socket, not a file",
}
READERS: dict[str, Callable[[Path], object]] = {
    "files": lambda folder: load_items([folder]),
    "tree": lambda folder: read_tree([str(folder)]),
    "chart": fingerprint,
    "gateway_api_crds": lambda folder: crd_files(str(folder), "", folder),
}
NAMED: dict[str, Callable[[Path], object]] = {
    "files": lambda path: load_items([path]),
    "gateway_api_crds": lambda path: crd_files(str(path), "", path),
    "facts": Facts.from_file,
    "definition": read_text,
    "source": lambda path: Hashes({}).of(path),
    "archive": Archive,
    "dest": lambda path: write_if_changed(path, "x"),
    "tree's file": lambda path: foresee_tree(path.parent, {path.name: "x"}),
    "tree's list": lambda path: foresee_tree(path.rename(path.parent / ".alauda.ambient.files").parent, {"a": "x"}),
    "layout": lambda path: read_manifest(path.rename(path.parent / "index.json").parent),
}


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", ["b.yaml", "sub/b.yaml", "b"])
def test_nothing_in_a_folder_is_passed_over(
    tmp_path: Path, read: Callable[[Path], object], make: Callable[[Path], None], name: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.yaml").write_text(json.dumps(POLICY))
    make(tmp_path / name)
    with pytest.raises(AmbientError) as found:
        read(tmp_path)
    assert str(found.value).startswith(f"{tmp_path / name}: ") and ODD[make] in str(found.value)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_link_to_a_folder_above_is_a_loop(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps(POLICY))
    above(tmp_path / "b")
    with pytest.raises(AmbientError, match=f"{tmp_path}/b: is a link to a folder that it lies in"):
        read(tmp_path)


@pytest.mark.parametrize("make", [fifo, device], ids=lambda make: make.__name__)
@pytest.mark.parametrize("read", NAMED.values(), ids=NAMED)
def test_what_is_named_and_might_never_end_is_refused(
    tmp_path: Path, read: Callable[[Path], object], make: Callable[[Path], None]
) -> None:
    make(tmp_path / "a.json")
    with pytest.raises(AmbientError, match=ODD[make]):
        read(tmp_path / "a.json")


def test_links_to_files_and_folders_are_followed_and_what_is_hidden_is_not_looked_at(tmp_path: Path) -> None:
    """So are ConfigMaps mounted into pods: a hidden folder, and links into it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.yaml").write_text(json.dumps(POLICY))
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/..data").symlink_to("../real")
    (tmp_path / "tree/a.yaml").symlink_to("..data/a.yaml")
    dangling(tmp_path / "tree/.#b.yaml")
    assert len(load_items([tmp_path / "tree"]).items) == 1
    (tmp_path / "tree/a.yaml").unlink()
    (tmp_path / "tree/sub").symlink_to("../real")
    assert len(load_items([tmp_path / "tree"]).items) == 1


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1, "a": 2}', "'a' stands twice, line 1"),
        ('{"b": [{"a": 1},\n {"a": 1,\n "a": {}}]}', "'a' stands twice, line 3"),
        ('{"a\\"": "a",\n\n"a\\"": "{"}', "'a\"' stands twice, line 3"),
    ],
)
def test_a_key_that_stands_twice_in_json(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(AmbientError, match=f"f.json: the key {key}. Keep one of them"):
        load_json(text, "f.json")
    path = tmp_path / "a.json"
    path.write_text(text)
    for read in (lambda: load_items([path]), lambda: Facts.from_file(path)):
        with pytest.raises(AmbientError, match=f"{path}: the key {key}"):
            read()


def test_the_same_key_in_two_objects_is_fine() -> None:
    assert load_json('[{"a": {"a": "a"}}, {"a": 1}]', "") == [{"a": {"a": "a"}}, {"a": 1}]


NOTHING = ["", " \n", "# a comment\n", "---\n", "---\n---\n# x\n", "null\n", "kind: List\napiVersion: v1\nitems: []\n"]


@pytest.mark.parametrize("text", NOTHING)
def test_a_file_without_an_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(AmbientError, match=f"{path}: holds no object. Put a manifest in it"):
        load_items([path])
    with pytest.raises(AmbientError, match=f"{tmp_path}.*: (holds no object|is empty)"):
        load_items([tmp_path])


@pytest.mark.parametrize("text", ["", " ", "null", '{"kind": "List", "apiVersion": "v1", "items": []}'])
def test_a_json_file_without_an_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(AmbientError, match=f"{path}: holds no object"):
        load_items([path])


@pytest.mark.parametrize("text", NOTHING)
def test_beside_others_only_a_file_with_nothing_in_it_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(f"---\n---\n{json.dumps(POLICY)}\n---\n# none\n")
    (tmp_path / "b.yaml").write_text(text)
    if text.strip():
        assert len(load_items([tmp_path]).items) == 1
    else:
        with pytest.raises(AmbientError, match=f"{tmp_path}/b.yaml: is empty. Remove it, or say in a comment"):
            load_items([tmp_path])


def test_a_file_of_the_gateway_api_without_an_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# none\n")
    with pytest.raises(AmbientError, match=r"a\.yaml: holds no object"):
        crd_objects(crd_files(str(tmp_path), "", tmp_path))


def test_a_role_may_have_nothing_and_so_may_objects(tmp_path: Path) -> None:
    path = tmp_path / "tested.json"
    path.write_text(ROLE)
    assert load_items([path]).roles == load_items([tmp_path]).roles == {"tested"}
    assert load_items([path], inventory="tested").roles == {"tested"}
    assert load_items([], objects=[]).items == []
