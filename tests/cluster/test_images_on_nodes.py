# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image_publish loads onto real nodes: pods run it by digest, without a pull and without a registry."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devcluster.docker import Docker
from kubernetes import client
from unit.plugins.modules.image_modules import run_module

PATIENCE = 60  # seconds until a pod must run
NO_SUCH = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An image that no node has ever seen, loaded onto all of them; removed afterwards."""
    if not environment["source"].startswith("kind"):
        pytest.skip(f"the cluster's source is {environment['source']}: images are loaded onto kind nodes only")
    folder: Path = tmp_path_factory.mktemp("image")
    definition = f"""
files:
  - {{source: server, target: /server, mode: "0755"}}
  - {{content: "{uuid.uuid4()}", target: /fresh}}
entrypoint: [/server]
"""
    (folder / "image.yml").write_text(definition)
    image = {
        "definition": str(folder / "image.yml"),
        "ref": "ambient.local/fresh",
        "dest": str(folder / "layout"),
        "sources": {"server": environment["binaries"]["echo-server"]},
    }
    (built,) = run_module("image_build", images=[image])["images"]
    shipment = {
        "kind_cluster": environment["cluster"],
        "docker_host": environment["docker_host"],
        "images": [{"layout": built["layout"], "ref": built["ref"]}],
    }
    first = run_module("image_publish", **shipment)
    yield {**built, "shipment": shipment, "first": first}
    for node in environment["nodes"]:
        Docker(environment["docker_host"]).run("exec", node, "ctr", "-n", "k8s.io", "images", "rm", built["ref"])


@pytest.fixture
def pods(core: client.CoreV1Api) -> Iterator[list[str]]:
    """Names of pods in `default` that are removed afterwards."""
    names: list[str] = []
    yield names
    for name in names:
        core.delete_namespaced_pod(name, "default", grace_period_seconds=0)


def start(core: client.CoreV1Api, pods: list[str], node: str, image: str, pull: str) -> str:
    name = f"by-digest-{uuid.uuid4().hex[:8]}"
    container = {"name": "main", "image": image, "imagePullPolicy": pull, "args": ["--port", "8080"]}
    spec = {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0}
    core.create_namespaced_pod("default", {"metadata": {"name": name}, "spec": spec})
    pods.append(name)
    return name


def container_status(core: client.CoreV1Api, name: str) -> client.V1ContainerStatus:
    """The container's status once it runs, or waits for its image in vain."""
    deadline = time.monotonic() + PATIENCE
    while True:
        statuses = core.read_namespaced_pod_status(name, "default").status.container_statuses or []
        for status in statuses:
            waiting = status.state.waiting.reason if status.state.waiting else ""
            if status.state.running or waiting.startswith(("ErrImage", "ImagePull")):
                return status
        assert time.monotonic() < deadline, f"pod {name} did not start: {statuses}"
        time.sleep(0.3)


@pytest.mark.parametrize("pull", ["IfNotPresent", "Never"])
def test_pods_run_by_digest_on_every_node(
    core: client.CoreV1Api, pods: list[str], environment: dict[str, Any], fresh: dict[str, Any], pull: str
) -> None:
    for node in environment["nodes"]:
        name = start(core, pods, node, fresh["ref"], pull)
        status = container_status(core, name)
        assert status.state.running, status.state.waiting
        assert status.image_id == fresh["ref"], "the image's id is the manifest's digest"
        events = core.list_namespaced_event("default", field_selector=f"involvedObject.name={name}").items
        assert not [event.message for event in events if event.reason == "Pulling"]


def test_another_digest_does_not_run(
    core: client.CoreV1Api, pods: list[str], environment: dict[str, Any], fresh: dict[str, Any]
) -> None:
    """The counter-proof: it is the name with the digest that lets pods run."""
    status = container_status(
        core, start(core, pods, environment["nodes"][0], f"ambient.local/fresh@{NO_SUCH}", "Never")
    )
    assert status.state.waiting and status.state.waiting.reason.startswith("ErrImage"), status.state


def test_every_node_was_sent_it_once(environment: dict[str, Any], fresh: dict[str, Any]) -> None:
    first = fresh["first"]
    assert first["changed"] and sorted(node["name"] for node in first["nodes"]) == sorted(environment["nodes"])
    assert all(node["loaded"] == [fresh["ref"]] for node in first["nodes"])
    again = run_module("image_publish", **fresh["shipment"])
    assert not again["changed"] and all(node["sent_bytes"] == 0 for node in again["nodes"])


def test_the_mesh_images_are_on_every_node(environment: dict[str, Any], images: dict[str, Any]) -> None:
    for node in environment["nodes"]:
        listed = (
            Docker(environment["docker_host"]).run("exec", node, "ctr", "-n", "k8s.io", "images", "ls", "-q").split()
        )
        for name, image in images.items():
            if image["source"] != "upstream":
                assert image["ref"] in listed, f"{name} is missing on {node}"
