# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_publish as a module, against nodes that a docker stand-in keeps."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from unit.plugins.modules.image_modules import failure, run_module

FAKE = Path(__file__).with_name("fake_docker.py")


class Docker:
    """What the stand-in knows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(
            calls=[],
            fail={},
            containers=[
                {"name": "k-worker", "state": "running", "cluster": "k", "role": "worker"},
                {"name": "k-control-plane", "state": "running", "cluster": "k", "role": "control-plane"},
                {"name": "k-lb", "state": "running", "cluster": "k", "role": "external-load-balancer"},
                {"name": "stopped", "state": "exited", "cluster": "old", "role": "worker"},
                {"name": "database", "state": "running"},
            ],
            nodes={name: {"images": [], "content": []} for name in ("k-worker", "k-control-plane")},
        )

    @property
    def world(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def write(self, **changes: Any) -> None:
        known = self.world if self.path.exists() else {}
        self.path.write_text(json.dumps({**known, **changes}))

    def node(self, name: str, **changes: Any) -> None:
        nodes = self.world["nodes"]
        nodes[name].update(changes)
        self.write(nodes=nodes)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    command = binaries / "docker"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER", str(tmp_path / "docker.json"))
    return Docker(tmp_path / "docker.json")


@pytest.fixture
def layouts(tmp_path: Path) -> list[dict[str, str]]:
    """Two images that share their base's layer, as image_publish takes them."""
    (tmp_path / "base.yml").write_text("files: [{content: base, target: /base}]")
    base = {"definition": str(tmp_path / "base.yml"), "ref": "ambient.local/base", "dest": str(tmp_path / "base")}
    run_module("image_build", images=[base])
    found = []
    for name in ("one", "two"):
        definition = tmp_path / f"{name}.yml"
        definition.write_text(f"base: {{layout: base}}\nfiles: [{{content: {name}, target: /{name}}}]\n")
        image = {"definition": str(definition), "ref": f"ambient.local/{name}", "dest": str(tmp_path / name)}
        (built,) = run_module("image_build", images=[image])["images"]
        found.append({"layout": built["layout"], "ref": built["ref"]})
    return found


def publish(layouts: list[dict[str, str]], **keys: Any) -> dict[str, Any]:
    return run_module("image_publish", **{"images": layouts, "kind_cluster": "k", **keys})


def test_check_create_again_change(docker: Docker, layouts: list[dict[str, str]]) -> None:
    refs = [image["ref"] for image in layouts]
    planned = publish(layouts, check=True, diff=True)
    assert planned["changed"] and [node["loaded"] for node in planned["nodes"]] == [refs, refs]
    assert all(not node["images"] for node in docker.world["nodes"].values())

    created = publish(layouts)
    assert created["changed"] and created["refs"] == refs
    assert [node["name"] for node in created["nodes"]] == ["k-control-plane", "k-worker"], "no load balancer"
    for node in docker.world["nodes"].values():
        assert node["images"] == refs
        (received,) = node["received"]
        assert len(received) == len(set(received)) == 7, "two manifests, two configurations, three layers"
    assert {node["sent_bytes"] for node in created["nodes"]} == {created["nodes"][0]["sent_bytes"]} != {0}

    docker.write(calls=[])
    again = publish(layouts)
    assert not again["changed"] and [node["loaded"] for node in again["nodes"]] == [[], []]
    queries = [call[-3:] for call in docker.world["calls"] if call[0] == "exec"]
    assert queries == [["images", "list", "--quiet"]] * 2, "one query per node, and nothing else"


def test_a_node_gets_only_what_it_lacks(docker: Docker, layouts: list[dict[str, str]]) -> None:
    publish(layouts[:1])
    world = docker.world["nodes"]
    docker.node("k-worker", images=[], received=[])
    result = publish(layouts)
    assert [node["loaded"] for node in result["nodes"]] == [[layouts[1]["ref"]], [image["ref"] for image in layouts]]
    base = next(digest for digest in world["k-worker"]["content"] if world["k-worker"]["blobs"][digest] == "")
    received = docker.world["nodes"]["k-worker"]["received"][0]
    assert base not in received and len(received) == 3, "only the second image's own blobs"


def test_named_nodes(docker: Docker, layouts: list[dict[str, str]]) -> None:
    arguments = {"images": layouts, "nodes": ["k-worker"]}
    assert run_module("image_publish", **arguments)["changed"]
    assert not docker.world["nodes"]["k-control-plane"]["images"]
    assert not run_module("image_publish", **arguments)["changed"]


def test_a_repository_without_digest_takes_the_layouts(docker: Docker, layouts: list[dict[str, str]]) -> None:
    layouts[0]["ref"] = "ambient.local/renamed"
    assert publish(layouts)["refs"][0].startswith("ambient.local/renamed@sha256:")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind_cluster": "x"}, "there is no kind cluster 'x'. Known to docker: k, old"),
        ({"kind_cluster": "old"}, "the node stopped is exited. Start it: docker start stopped"),
        ({"kind_cluster": None, "nodes": ["nobody"]}, "there is no node 'nobody'. Name the node's container"),
        ({"kind_cluster": None, "nodes": ["stopped"]}, "the node stopped is exited"),
        ({"kind_cluster": None}, "one of the following is required: kind_cluster, nodes"),
        ({"nodes": ["k-worker"]}, "mutually exclusive: kind_cluster|nodes"),
    ],
)
def test_wrong_nodes(docker: Docker, layouts: list[dict[str, str]], keys: dict[str, Any], message: str) -> None:
    arguments = {"images": layouts, "kind_cluster": "k", **keys}
    given = {name: value for name, value in arguments.items() if value is not None}
    assert message in failure("image_publish", **given)


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        (
            {"ps": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"},
            "docker can't be reached (Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
            "Is the docker daemon running?). Start it, or name its socket in docker_host",
        ),
        ({"import": "ctr: no space left on device"}, "docker exec --interactive"),
        ({"import": "ctr: no space left on device"}, "failed (ctr: no space left on device)"),
        ({"ps": ""}, "docker ps --all"),
    ],
)
def test_docker_fails(docker: Docker, layouts: list[dict[str, str]], fail: dict[str, str], message: str) -> None:
    docker.write(fail=fail)
    assert message in failure("image_publish", images=layouts, kind_cluster="k")


def test_an_import_that_did_nothing_is_noticed(docker: Docker, layouts: list[dict[str, str]]) -> None:
    docker.node("k-worker", forgets=True)
    message = failure("image_publish", images=layouts, kind_cluster="k")
    assert message == f"node k-worker: {layouts[0]['ref']} was imported but is not listed"


def test_no_docker(layouts: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    message = failure("image_publish", images=layouts, kind_cluster="k")
    assert message == "docker is not installed. Install the docker command"


def test_broken_layouts(docker: Docker, layouts: list[dict[str, str]], tmp_path: Path) -> None:
    wrong = {**layouts[0], "ref": "ambient.local/one@sha256:" + "0" * 64}
    assert "Build the image again" in failure("image_publish", images=[wrong], kind_cluster="k")
    missing = {"layout": "/no/layout", "ref": "ambient.local/x"}
    assert failure("image_publish", images=[missing], kind_cluster="k") == (
        "/no/layout: no OCI layout: index.json is missing. Build the image first, or again"
    )
    blobs = tmp_path / "one/blobs/sha256"
    largest = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(b"cut")
    assert failure("image_publish", images=layouts, kind_cluster="k") == (
        f"{tmp_path / 'one'}: the blob sha256:{largest.name} is missing or cut. Build the image again"
    )
