# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users get it: built, and unpacked where nothing else of this checkout is in sight."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
TREE = CHECKOUT / ".cache/collections/ansible_collections"


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `ansible-galaxy collection build` makes of the checkout."""
    folder = tmp_path_factory.mktemp("build")
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("alauda-ambient-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def collections(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path with the unpacked tarball and its one dependency, nothing else."""
    path = tmp_path_factory.mktemp("collections")
    target = path / "ansible_collections/alauda/ambient"
    target.mkdir(parents=True)
    subprocess.run(["tar", "-xf", str(tarball), "-C", str(target)], check=True, timeout=120)
    (path / "ansible_collections/kubernetes").mkdir()
    (path / "ansible_collections/kubernetes/core").symlink_to(TREE / "kubernetes/core")
    return path


@pytest.fixture(scope="session")
def cluster() -> dict[str, Any]:
    """The facts of the test cluster: environment.json of AMBIENT_DIR, with its folder as `folder`."""
    folder = CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test")
    return {**json.loads((folder / "environment.json").read_text()), "folder": folder}


@pytest.fixture(scope="session")
def home(cluster: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newcomer's home: the kubeconfig with a context `east`, the charts and CRDs where the README has them."""
    home = tmp_path_factory.mktemp("home")
    (home / "ansible.cfg").touch()
    kubeconfig = yaml.safe_load((cluster["folder"] / "kubeconfig").read_text())
    for context in kubeconfig["contexts"]:
        if context["name"] == cluster["context"]:
            context["name"] = "east"
    kubeconfig.pop("current-context", None)
    (home / ".kube").mkdir()
    (home / ".kube/config").write_text(yaml.safe_dump(kubeconfig))
    for place, target in (
        ("istio-1.31.0/manifests/charts", cluster["charts"]),
        ("gateway-api/config/crd/standard", cluster["gateway_api_crds"]),
        ("bin/helm", cluster["helm"]),
    ):
        (home / place).parent.mkdir(parents=True)
        (home / place).symlink_to(target)
    return home


@pytest.fixture(scope="session")
def user_environment(home: Path, collections: Path) -> dict[str, str]:
    """Nothing of the checkout but its virtual environment's commands."""
    path = f"{home / 'bin'}:{CHECKOUT / '.venv/bin'}:{os.environ['PATH']}"
    return {
        "HOME": str(home),
        "PATH": path,
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
    }
