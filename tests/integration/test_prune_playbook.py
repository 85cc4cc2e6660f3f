# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace taken out of `ambient_mesh`: the tasks of site.yml that plan, write and prune, without the charts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from cases import Writes

pytestmark = pytest.mark.usefixtures("istiod")
OWN_APISERVER = True  # the inventory in istio-system belongs to this module's meshes

CHECKOUT = Path(__file__).resolve().parents[2]
MODE = "istio.io/dataplane-mode"
SELECTORS = [{"matchLabels": {"mesh": "on"}}]
KEPT_TASKS = re.compile(
    "policies of the declared namespaces|Plan what|Plan the steps|Write one wave|Take the namespaces|Take away"
)
Play = Callable[..., str]


@pytest.fixture
def play(apiserver: Any, tmp_path: Path) -> Play:
    """Run those tasks on a declaration; what a person reads."""
    (site,) = yaml.safe_load((CHECKOUT / "playbooks/site.yml").read_text())
    site["tasks"] = [task for task in site["tasks"] if KEPT_TASKS.search(task["name"])]
    assert len(site["tasks"]) == 6
    site["vars"] |= {"site_shared_files": [], "site_files": ["{{ site_namespaces_file }}"]}
    (tmp_path / "site.yml").write_text(yaml.safe_dump([site], sort_keys=False))
    shutil.copytree(CHECKOUT / "playbooks/tasks", tmp_path / "tasks")
    batch = yaml.safe_load((tmp_path / "tasks/batch.yml").read_text())
    del batch[0]["block"][1]  # the verification: there is no mesh to look at
    (tmp_path / "tasks/batch.yml").write_text(yaml.safe_dump(batch, sort_keys=False))
    (tmp_path / "work/objects").mkdir(parents=True)
    (tmp_path / "work/objects/policies.json").write_text('{"role": "policies", "items": []}')
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ambient_kubeconfig": str(apiserver.kubeconfig),
        "ambient_work_dir": str(tmp_path / "work"),
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"east": host}}}))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "K8S_AUTH_"))}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = str(Path(sys.executable).parent / "ansible-playbook")

    def run(namespaces: list[str], **variables: Any) -> str:
        mesh = {"name": "default", "namespaces": [{"name": name, "state": "l4"} for name in namespaces]}
        given = json.dumps({"ambient_mesh": mesh, "ambient_discovery_selectors": SELECTORS, **variables})
        command = [program, "-i", "hosts.yml", "site.yml", "-e", given]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_left_alone_until_ambient_prune(
    play: Play, run_module: Callable[..., Any], client: Client, writes: Writes, tmp_path: Path
) -> None:
    for name in ("shop", "past"):
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "user")

    def labels(name: str) -> set[str]:
        found = client.get("v1", "Namespace", name)
        assert found is not None
        return set(found["metadata"]["labels"]) - {"kubernetes.io/metadata.name"}

    declared = {"name": "default", "namespaces": [{"name": name, "state": "l4"} for name in ("past", "shop")]}
    file = str(tmp_path / "before.json")
    patches = {"mesh": declared, "dest": file, "discovery_selectors": SELECTORS, "kubeconfig": None, "host": None}
    assert run_module("namespace_objects", patches)["count"] == 4
    assert run_module("apply", {"files": [file], "work_dir": str(tmp_path)})["waves"] == [-30, 50]
    assert labels("past") == labels("shop") == {MODE, "mesh"}

    writes()
    told = play(["shop"])
    assert told.count("no longer listed: v1 Namespace past (only our fields are released)") == 2
    assert "changed=0" in told
    assert writes() == []
    assert labels("past") == {MODE, "mesh"}

    pruned = play(["shop"], ambient_prune=True)
    assert "changed=1" in pruned and pruned.count("released v1 Namespace past") == 2
    assert (labels("past"), labels("shop")) == (set(), {MODE, "mesh"})

    writes()
    again = play(["shop"], ambient_prune=True)
    assert "changed=0" in again and "no longer listed" not in again
    assert writes() == []
