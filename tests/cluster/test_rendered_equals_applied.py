# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What render.yml writes is what site.yml has applied, object by object."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from ansible_collections.alauda.ambient.plugins.module_utils.kube.inventory import INVENTORY_LABEL
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import load_items
from ansible_collections.alauda.ambient.plugins.module_utils.removal.live import our_objects, patched_namespaces

CHECKOUT = Path(__file__).resolve().parents[2]
DIRECTORY = CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test")
ARGO = "argocd.argoproj.io/"
Object = dict[str, Any]


@pytest.fixture(scope="module")
def client(environment: dict[str, Any]) -> Client:
    return connect({"kubeconfig": str(DIRECTORY / "kubeconfig"), "context": environment["context"]})


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, mesh: None) -> list[Object]:
    tree = tmp_path_factory.mktemp("rendered")
    command = ["ansible-playbook", "playbooks/render.yml", "-e", f"ambient_render_dir={tree}"]
    subprocess.run(command, cwd=CHECKOUT, env=os.environ | {"AMBIENT_DIR": str(DIRECTORY)}, check=True, timeout=300)
    return [without_argo(item.object) for item in load_items(sorted(tree.rglob("*.yaml"))).items]


def without_argo(obj: Object) -> Object:
    """The manifest without the annotations that only a tree needs."""
    metadata = dict(obj["metadata"])
    kept = {key: value for key, value in metadata.pop("annotations", {}).items() if not key.startswith(ARGO)}
    return {**obj, "metadata": {**metadata, **({"annotations": kept} if kept else {})}}


def content(live: Object) -> Object:
    """An object without what every write changes."""
    metadata = {
        key: value for key, value in live["metadata"].items() if key not in ("managedFields", "resourceVersion")
    }
    return {**live, "metadata": metadata}


def manager_of(obj: Object) -> str:
    """A user's Namespace is patched, everything else is ours."""
    labels = obj["metadata"].get("labels", {})
    return "alauda.ambient" if "ambient.alauda.io/mesh" in labels else "alauda.ambient/enrolment"


def test_the_same_objects(client: Client, rendered: list[Object]) -> None:
    applied = [obj for obj in our_objects(client, "default") if INVENTORY_LABEL not in obj["metadata"]["labels"]]
    patched = [namespace for namespace, manager in patched_namespaces(client) if manager.endswith("/enrolment")]
    assert {Identity.of(obj).key for obj in rendered} == {Identity.of(obj).key for obj in (*applied, *patched)}


def test_applying_the_tree_would_change_no_object(client: Client, rendered: list[Object]) -> None:
    def compare(obj: Object) -> str:
        before = client.get(Identity.of(obj))
        after = client.apply(obj, manager_of(obj), dry_run=True)
        return "" if before and content(before) == content(after) else Identity.of(obj).short

    with ThreadPoolExecutor(8) as pool:
        assert [name for name in pool.map(compare, rendered) if name] == []


def test_a_changed_manifest_is_noticed(client: Client, rendered: list[Object]) -> None:
    daemon_set = next(obj for obj in rendered if obj["kind"] == "DaemonSet" and obj["metadata"]["name"] == "ztunnel")
    changed = {**daemon_set, "spec": {**daemon_set["spec"], "minReadySeconds": 7}}
    before = client.get(Identity.of(changed))
    assert before is not None
    assert content(before) != content(client.apply(changed, "alauda.ambient", dry_run=True))
