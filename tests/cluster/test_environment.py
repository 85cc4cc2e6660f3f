# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment on the running test cluster: it is kept, its pods reach each other, and a registry goes first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toolchain
from devcluster import cluster, docker, image_archive, network, registry
from devcluster.kubectl import Kubectl
from devcluster.local_registry import local_registry

CHECKOUT = Path(__file__).resolve().parents[2]
DIRECTORY = Path(os.environ.get("AMBIENT_DIR") or CHECKOUT / "build" / "test").absolute()


@pytest.fixture
def facts() -> dict[str, object]:
    """The description of the running cluster."""
    found: dict[str, object] = json.loads((DIRECTORY / "environment.json").read_text())
    return found


def test_a_running_cluster_is_kept_within_ten_seconds(facts: dict[str, object]) -> None:
    command = [sys.executable, "tests/environment/env.py", "up", "--name", str(facts["cluster"]), "--dir", DIRECTORY]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (0, "kept\n"), done.stderr
    assert time.monotonic() - begun <= 10


def test_everything_the_description_names_is_there(facts: dict[str, object]) -> None:
    assert len(facts["nodes"]) == 2
    binaries = facts["binaries"]
    assert isinstance(binaries, dict)
    named = [facts[name] for name in ("helm", "istioctl", "kubectl", "charts", "gateway_api_crds", "rootfs")]
    missing = [path for path in (*named, *binaries.values()) if not Path(str(path)).exists()]
    assert missing == []


def test_pods_of_two_nodes_reach_each_other_and_dns_works() -> None:
    network.probe(Kubectl(DIRECTORY / "kubeconfig"))


def test_a_node_image_in_a_registry_goes_before_a_built_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in image under the node image's name is pulled from a local registry, and chosen."""
    daemon = docker.ensure()
    small = "ambient.local/registry-probe:latest"
    image_archive.write(tmp_path / "small.tar", [image_archive.Image(small, toolchain.binaries("pause")["pause"])])
    daemon.run("load", "--input", tmp_path / "small.tar")
    with local_registry(tmp_path) as host:
        monkeypatch.setenv("AMBIENT_REGISTRY", host)
        monkeypatch.setenv("AMBIENT_NODE_IMAGE", "kindest/node:probe")
        monkeypatch.setattr(cluster.node_image, "ensure", lambda _daemon: "built")
        mirror = registry.answering()
        assert mirror is not None
        assert cluster.choose_node_image(daemon, mirror) == "built"
        try:
            daemon.run("tag", small, mirror.node_image)
            daemon.run("push", "--quiet", mirror.node_image)
            daemon.run("rmi", mirror.node_image)
            assert cluster.choose_node_image(daemon, mirror) == f"{host}/kindest/node:probe"
            assert daemon.has_image(mirror.node_image)
            assert mirror.holds("kindest/node", "probe")
            assert not mirror.holds("istio/pilot", toolchain.ISTIO_VERSION)
        finally:
            for reference in (mirror.node_image, small):
                if daemon.has_image(reference):
                    daemon.run("rmi", reference)
