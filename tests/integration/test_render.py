# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `render`: deterministic, unchanged files untouched, foreign files safe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests import yaml
from cases import Result, config_map, crd
from in_process import run_in_process

Render = Callable[..., Result]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """`render(items, **options)` into tmp_path/tree."""

    def run(items: list[Any], check: bool = False, diff: bool = False, **options: Any) -> Result:
        entries = [entry if "object" in entry else {"object": entry} for entry in items]
        file = tmp_path / "role.json"
        file.write_text(json.dumps({"role": "role", "items": entries}))
        return run_in_process("render", {"files": [str(file)], "dest": str(tmp_path / "tree"), **options}, check, diff)

    return run


def tree(path: Path) -> dict[str, tuple[str, int]]:
    """Text and time of every file."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    return {str(file.relative_to(path)): (file.read_text(), file.stat().st_mtime_ns) for file in files}


def patch(namespace: str) -> dict[str, Any]:
    """A patch that enrols a namespace."""
    labels = {"istio.io/dataplane-mode": "ambient"}
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    return {"object": obj, "patch": True, "manager": "alauda.ambient/enrolment"}


def test_create_again_change_check_diff_remove(render: Render, tmp_path: Path) -> None:
    objects = [config_map("a", "one", key="1"), crd("things"), patch("shop")]
    root = tmp_path / "tree"

    foreseen = render(objects, check=True)
    assert foreseen["changed"] and not root.exists()

    created = render(objects)
    assert (
        created["written"]
        == foreseen["written"]
        == [
            "010-crds/customresourcedefinition-things.tests.example.yaml",
            "020-configuration/configmap-a-one.yaml",
            "080-enrolment/namespace-shop.yaml",
            "README.md",
        ]
    )
    before = tree(root)
    again = render(objects)
    assert (again["changed"], again["written"], again["removed"], again["objects"]) == (False, [], [], 3)
    assert tree(root) == before, "no file is touched"

    objects[0]["data"]["key"] = "2"
    changed = render(objects, diff=True)
    assert changed["written"] == ["020-configuration/configmap-a-one.yaml"]
    assert "key: '1'" in changed["diff"][0]["before"] and "key: '2'" in changed["diff"][0]["after"]

    gone = render(objects[1:])
    assert gone["removed"] == ["020-configuration/configmap-a-one.yaml"]
    assert not (root / "020-configuration").exists()


def test_a_patch_carries_what_keeps_argo_cd_from_deleting(render: Render, tmp_path: Path) -> None:
    render([patch("shop"), config_map("a")])
    (manifest,) = yaml.load_all((tmp_path / "tree/080-enrolment/namespace-shop.yaml").read_text())
    assert manifest["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false,ServerSideApply=true",
        "argocd.argoproj.io/sync-wave": "50",
    }
    (manifest,) = yaml.load_all((tmp_path / "tree/020-configuration/configmap-a-one.yaml").read_text())
    assert manifest["metadata"]["annotations"] == {"argocd.argoproj.io/sync-wave": "-10"}
    assert "- Namespace shop" in (tmp_path / "tree/README.md").read_text()


def test_a_users_namespace_is_one_manifest(render: Render, tmp_path: Path) -> None:
    discovery = patch("shop")
    discovery = {
        **discovery,
        "object": {**discovery["object"], "metadata": {"name": "shop", "labels": {"discover": "yes"}}},
        "manager": "alauda.ambient/discovery",
        "wave": -30,
    }
    assert render([discovery, patch("shop")])["objects"] == 1
    readme = (tmp_path / "tree/README.md").read_text()
    assert "## Labels that must be there before" in readme and "- Namespace shop" in readme


def test_files_of_others_are_never_touched(render: Render, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "020-configuration").mkdir(parents=True)
    theirs = root / "020-configuration" / "theirs.yaml"
    theirs.write_text("mine: true\n")
    render([config_map("a")])
    render([crd("things")])
    assert theirs.read_text() == "mine: true\n"

    (root / "020-configuration" / "configmap-a-one.yaml").write_text("theirs too\n")
    refused = render([config_map("a")])
    assert refused["msg"] == (
        f"{root}/020-configuration/configmap-a-one.yaml: exists and was not written by this collection. "
        "Render into another directory"
    )


def test_a_list_file_cannot_lead_out_of_the_tree(render: Render, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    render([config_map("a")])
    (tmp_path / "tree" / ".alauda.ambient.files").write_text(json.dumps({"files": ["../outside", str(outside)]}))
    (tmp_path / "tree" / "README.md").unlink()
    (tmp_path / "tree" / "020-configuration" / "configmap-a-one.yaml").unlink()
    render([config_map("a")])
    assert outside.read_text() == "precious"


def test_a_secret_is_refused_without_its_value(render: Render, tmp_path: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "a"},
        "stringData": {"p": "x9"},
    }
    result = render([secret])
    assert result["msg"].startswith("role role, v1 Secret a/s: a Secret is not rendered")
    assert "x9" not in result["msg"] and not (tmp_path / "tree").exists()


def test_a_directory_that_cannot_be_written(render: Render, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = render([config_map("a")], dest=str(tmp_path / "file" / "tree"))
    assert result["failed"] and result["msg"].startswith(f"{tmp_path}/file/tree")


def test_what_is_rendered_is_what_is_applied(
    render: Render, run_module: Callable[..., Result], client: Client, namespace: str, tmp_path: Path
) -> None:
    objects = [config_map(namespace, "one", number="1e3", switch="on", when="2020-01-01", lines="a\nb\n", base="1:30")]
    render(objects)
    run_module("apply", {"files": [str(tmp_path / "role.json")], "inventory_namespace": namespace, "mesh": namespace})
    rendered = [
        document for file in sorted((tmp_path / "tree").rglob("*.yaml")) for document in yaml.load_all(file.read_text())
    ]
    for document in rendered:
        document["metadata"].pop("annotations")
        applied = client.get("v1", "ConfigMap", document["metadata"]["name"], namespace)
        assert applied is not None and applied["data"] == document["data"]
    assert rendered == objects


def test_the_tree_does_not_depend_on_the_order_of_the_files(tmp_path: Path) -> None:
    paths = []
    for name in ("b", "a"):
        file = tmp_path / f"{name}.yaml"
        file.write_text(json.dumps(config_map(name)))
        paths.append(str(file))
    for number, order in enumerate((paths, paths[::-1])):
        run_in_process("render", {"files": order, "dest": str(tmp_path / f"tree-{number}")})
    texts = [{name: text for name, (text, _time) in tree(tmp_path / f"tree-{number}").items()} for number in (0, 1)]
    assert texts[0] == texts[1]


def test_a_thousand_namespaces_in_three_seconds(render: Render, tmp_path: Path) -> None:
    policy = {"action": "ALLOW", "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/a/sa/b"]}}]}]}
    objects: list[Any] = []
    for number in range(1000):
        name = f"team-{number}"
        objects.append(patch(name))
        for kind, spec in (("PeerAuthentication", {"mtls": {"mode": "STRICT"}}), ("AuthorizationPolicy", policy)):
            metadata = {"name": "ours", "namespace": name, "labels": {"ambient.alauda.io/mesh": "default"}}
            objects.append({"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
    seconds, trees = [], []
    for expected in (3001, 0):
        start = time.monotonic()
        assert len(render(objects)["written"]) == expected
        seconds.append(time.monotonic() - start)
        trees.append(tree(tmp_path / "tree"))
    assert trees[0] == trees[1], "no file is touched"
    print(f"1,000 namespaces, 3,000 objects: {seconds[0]:.2f} s, unchanged {seconds[1]:.2f} s")
    assert max(seconds) <= 3, seconds
