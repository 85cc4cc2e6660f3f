# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of files: names, waves, one manifest per object."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.tree import folder, tree_files


def item(kind: str, name: str, namespace: str = "", group: str = "v1", wave: int = 0, **rest: Any) -> Item:
    """An item about an object that holds nothing."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return Item({"apiVersion": group, "kind": kind, "metadata": metadata, **rest}, wave)


def names(*items: Item) -> list[str]:
    """The paths of the manifests."""
    return sorted(path for path in tree_files(items, "m") if path.endswith(".yaml"))


def test_folders_sort_like_the_waves() -> None:
    waves = [-30, -20, -15, -10, 0, 5, 10, 20, 25, 30, 39, 40, 45, 50, 70, 71]
    assert sorted(map(folder, waves)) == [folder(wave) for wave in waves]
    assert folder(0) == "030-istiod" and folder(71) == "101-wave"


def test_names_are_plain_where_they_can_be() -> None:
    assert names(item("Service", "istiod", "istio-system")) == ["030-istiod/service-istio-system-istiod.yaml"]


def test_no_two_objects_share_a_file_on_any_file_system() -> None:
    objects = [
        item("ClusterRole", "system:reader"),
        item("ClusterRole", "system_reader"),
        item("ClusterRole", "System:Reader"),
        item("Service", "c", "a-b"),
        item("Service", "b-c", "a"),
        item("Gateway", "x", "a", "networking.istio.io/v1"),
        item("Gateway", "x", "a", "gateway.networking.k8s.io/v1"),
        item("ConfigMap", "l" * 240, "a"),
        item("ConfigMap", "l" * 239 + "m", "a"),
    ]
    paths = names(*objects)
    assert len({path.lower() for path in paths}) == len(objects)
    assert all(len(path.rpartition("/")[2].encode()) < 200 for path in paths)
    assert names(*objects[::-1]) == paths


def test_patches_on_an_object_of_the_set_become_part_of_it() -> None:
    ours = item("Namespace", "istio-system", wave=-30)
    labels = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system", "labels": {"x": "y"}}}
    files = tree_files([ours, Item(labels, 50, True, "other")], "m")
    (path,) = (name for name in files if name.endswith(".yaml"))
    assert path == "000-namespaces/namespace-istio-system.yaml"
    assert "x: 'y'" in files[path] and "Prune=false" not in files[path]
