# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's life on this machine: created, stopped, broken, half made, from a registry, gone. Takes minutes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from devcluster import cache, docker, kind, network, node_image
from devcluster.kubectl import Kubectl
from devcluster.local_registry import local_registry

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = "ambient-lifecycle"
DIRECTORY = CHECKOUT / "build" / "lifecycle"
ENVIRONMENT = [sys.executable, "tests/environment/env.py"]


def start(action: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ENVIRONMENT, action, "--name", NAME, "--dir", DIRECTORY],
        cwd=CHECKOUT,
        env={**os.environ, "AMBIENT_REGISTRY": "none", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(action: str, **variables: str) -> str:
    process = start(action, **variables)
    said, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return said.strip()


@pytest.fixture(scope="module")
def daemon() -> docker.Docker:
    return docker.ensure()


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind(daemon: docker.Docker) -> Iterator[None]:
    run("down")
    yield
    run("down")
    assert kind.nodes(daemon, NAME) == {}
    assert not DIRECTORY.exists()
    assert not (cache.root() / "clusters" / NAME).exists()


def prove() -> None:
    network.probe(Kubectl(DIRECTORY / "kubeconfig"))


def test_created_within_two_minutes_then_kept(daemon: docker.Docker) -> None:
    node_image.ensure(daemon)
    begun = time.monotonic()
    assert run("up") == "created"
    assert time.monotonic() - begun <= 120
    begun = time.monotonic()
    assert run("up") == "kept"
    assert time.monotonic() - begun <= 10
    facts = json.loads((DIRECTORY / "environment.json").read_text())
    assert (facts["source"], facts["registry"]) == ("kind-built", None)
    assert (DIRECTORY / "kubeconfig").stat().st_mode & 0o077 == 0


def test_a_lost_directory_is_written_again() -> None:
    shutil.rmtree(DIRECTORY)
    assert run("up") == "kept"
    prove()


def test_stopped_nodes_are_started_again(daemon: docker.Docker) -> None:
    """Also with the addresses swapped: Docker hands them out in the order in which containers start."""
    daemon.run("stop", "--time", "5", *kind.nodes(daemon, NAME))
    daemon.run("start", f"{NAME}-worker")
    assert run("up") == "repaired"
    prove()


def test_a_broken_cluster_is_replaced(daemon: docker.Docker) -> None:
    daemon.run("exec", f"{NAME}-control-plane", "rm", "/etc/kubernetes/manifests/kube-apiserver.yaml")
    kubectl = Kubectl(DIRECTORY / "kubeconfig")
    deadline = time.monotonic() + 60
    while kubectl.answers() and time.monotonic() < deadline:
        time.sleep(1)
    assert not kubectl.answers()
    assert run("up") == "created"
    prove()


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_killed_half_way_is_made_good(daemon: docker.Docker, blow: signal.Signals) -> None:
    run("down")
    process = start("up")
    deadline = time.monotonic() + 120
    while not kind.nodes(daemon, NAME) and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(5)
    process.send_signal(blow)
    process.communicate(timeout=60)
    assert kind.nodes(daemon, NAME) != {}
    assert run("up") == "created"
    prove()


def test_a_published_node_image_comes_from_the_registry(daemon: docker.Docker, tmp_path: Path) -> None:
    run("down")
    with local_registry(tmp_path) as host:
        published = f"{host}/kindest/node:lifecycle"
        daemon.run("tag", node_image.ensure(daemon), published)
        try:
            daemon.run("push", "--quiet", published)
            daemon.run("rmi", published)
            assert run("up", AMBIENT_REGISTRY=host, AMBIENT_NODE_IMAGE="kindest/node:lifecycle") == "created"
            used = daemon.run("inspect", "--format", "{{.Config.Image}}", f"{NAME}-worker").strip()
            assert used == published
            facts = json.loads((DIRECTORY / "environment.json").read_text())
            # The mirror has no Istio image, so that images and stand-in are still built.
            assert (facts["source"], facts["registry"]) == ("kind-published", None)
            assert facts["ztunnel"]["kind"] == "stand-in"
            prove()
        finally:
            run("down")
            daemon.run("rmi", published)
