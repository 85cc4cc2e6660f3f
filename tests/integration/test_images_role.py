# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role images without a cluster: what it builds, and what it finds in a real registry."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toolchain
import yaml
from unit.plugins.module_utils.oci.oci_world import contents

CHECKOUT = Path(__file__).resolve().parents[2]
BINARIES = (
    "pilot-discovery",
    "install-cni",
    "istio-cni",
    "envoy",
    "pilot-agent",
    "echo-server",
    "echo-client",
    "ztunnel",
)
NAMES = {"pilot", "install-cni", "ztunnel", "proxyv2", "echo"}
PLAY = [{"hosts": "localhost", "gather_facts": False, "roles": ["alauda.ambient.images"]}]


class Project:
    """A user's folder with binaries, a root file system, and a playbook that runs the role."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (*BINARIES, "envoy_bootstrap"):
            (folder / name).write_text(f"#!/bin/{name}\n")
        bundle = folder / "ca-certificates.crt"
        bundle.write_text("certificates\n")
        with tarfile.open(folder / "rootfs.tar", "w") as archive:
            archive.add(bundle, "./etc/ssl/certs/ca-certificates.crt")
        (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
        self.given: dict[str, Any] = {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "ambient_version": "1.31.0",
            "ambient_work_dir": str(folder / "work"),
            "ambient_images_binaries": {name: str(folder / name) for name in (*BINARIES, "envoy_bootstrap")},
            "ambient_images_rootfs": str(folder / "rootfs.tar"),
        }
        (folder / "work").mkdir()

    def run(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the role with these variables over the usual ones; None takes one away."""
        given = {name: value for name, value in {**self.given, **variables}.items() if value is not None}
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", *options, "-e", json.dumps(given), "play.yml"]
        environment = {name: value for name, value in os.environ.items() if name != "AMBIENT_ZTUNNEL_BINARY"}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def images(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads((self.folder / "work/images.json").read_text())
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def succeeded(done: subprocess.CompletedProcess[str], changed: bool) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("changed=0" not in done.stdout) == changed, done.stdout
    return done.stdout


def test_build_again_and_change(project: Project) -> None:
    said = succeeded(project.run(), changed=True)
    assert "No kind cluster is named, so they are loaded nowhere" in " ".join(said.split())
    images = project.images()
    assert set(images) == NAMES and {image["source"] for image in images.values()} == {"built"}
    for name, image in images.items():
        layout = project.folder / "work/images" / name
        _manifest, config, held = contents(layout)
        assert image["digest"] in held and image["ref"] == f"ambient.local/{name}@{image['digest']}"
        assert config["config"]["Labels"]["org.opencontainers.image.version"] == "1.31.0"
    succeeded(project.run(), changed=False)
    succeeded(project.run("--check"), changed=False)
    (project.folder / "ztunnel").write_text("#!/bin/other\n")
    succeeded(project.run(), changed=True)
    after = project.images()
    assert {name for name in NAMES if after[name] != images[name]} == {"ztunnel"}


def test_the_stand_in_is_named_as_one(project: Project) -> None:
    definition = str(CHECKOUT / "tests/environment/images/ztunnel-standin/image.yml")
    environment = {"ztunnel": {"kind": "stand-in", "version": "1.31.0", "definition": definition}}
    succeeded(project.run(ambient_environment=environment, ambient_images_names=["ztunnel"]), changed=True)
    image = project.images()["ztunnel"]
    assert image["source"] == "stand-in" and image["ref"].startswith("ambient.local/ztunnel-standin@")
    binary = str(project.folder / "ztunnel")
    given = {"ambient_environment": environment, "ambient_images_names": ["ztunnel"], "ambient_ztunnel_binary": binary}
    succeeded(project.run(**given), changed=True)
    assert project.images()["ztunnel"]["source"] == "built", "a binary goes before the stand-in"


def test_a_cluster_that_is_not_kind_pulls_by_tag(project: Project) -> None:
    environment = {"source": "context", "registry": None, "ztunnel": {"kind": "stand-in"}, "binaries": {}, "rootfs": ""}
    said = succeeded(project.run(ambient_environment=environment, ambient_hub="r.example.com/istio"), changed=True)
    assert "It will pull r.example.com/istio by tag 1.31.0" in " ".join(said.split())
    assert project.images() == {} and not (project.folder / "work/images").exists()


def test_a_missing_binary_is_named(project: Project) -> None:
    (project.folder / "envoy").unlink()
    done = project.run()
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    assert f"sources.envoy: {project.folder / 'envoy'} does not exist." in " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A `distribution` registry on this machine."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(folder)}}
    config = {"version": "0.1", "storage": storage, "http": {"addr": host}, "log": {"level": "error"}}
    (folder / "config.yml").write_text(json.dumps(config))
    command = [str(toolchain.binaries("registry")["registry"]), "serve", str(folder / "config.yml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while call(host, "GET", "/v2/").status != 200:
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.1)
        yield host
        process.terminate()


class Answer:
    """Status and headers of an answer; status 0 where nobody answered."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers


def call(host: str, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> Answer:
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": kind})
        response = connection.getresponse()
        response.read()
        return Answer(response.status, dict(response.getheaders()))
    except OSError:
        return Answer(0, {})
    finally:
        connection.close()


def push(host: str, repository: str, tag: str, layout: Path) -> str:
    """Put a layout's image into the registry; returns the digest that the registry gives it."""
    manifest, _config, held = contents(layout)
    for child in [manifest["config"], *manifest["layers"]]:
        place = call(host, "POST", f"/v2/{repository}/blobs/uploads/").headers["Location"].partition(host)[2]
        answer = call(host, "PUT", f"{place}&digest={child['digest']}", held[child["digest"]])
        assert answer.status == 201
    body = next(data for data in held.values() if data.startswith(b'{"config":{"digest"'))
    answer = call(host, "PUT", f"/v2/{repository}/manifests/{tag}", body, manifest["mediaType"])
    assert answer.status == 201
    return answer.headers["Docker-Content-Digest"]


def test_published_images_are_found_by_their_digests(project: Project, registry: str) -> None:
    succeeded(project.run(), changed=True)
    built = project.images()
    published = {}
    for name in NAMES:
        repository = f"istio/{'app' if name == 'echo' else name}"
        digest = push(registry, repository, "1.31.0", project.folder / "work/images" / name)
        assert digest == built[name]["digest"], "a registry takes the image as it is"
        published[name] = {"ref": f"{registry}/{repository}@{digest}", "digest": digest, "source": "upstream"}

    environment = {"source": "kind-published", "registry": registry, "ztunnel": {"kind": "upstream"}, "cluster": "none"}
    none = {"ambient_images_binaries": None, "ambient_images_rootfs": None}
    succeeded(project.run(ambient_environment=environment, **none), changed=True)
    assert project.images() == published

    hub = {"ambient_images_source": "upstream", "ambient_hub": f"{registry}/istio", **none}
    succeeded(project.run(**hub), changed=False)

    done = project.run(**{**hub, "ambient_tag": "1.99.0"})
    assert done.returncode != 0
    assert "pilot:1.99.0: the registry has no such image. Check ambient_hub and ambient_tag" in " ".join(
        done.stdout.split()
    )
