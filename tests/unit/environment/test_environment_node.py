# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node: the runtime that drops a capability, kind's configuration, the pod network, image archives, progress."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from devcluster import assets, docker, image_archive, kind, network, node_image, progress, shop
from devcluster.errors import SetupError

DROPPED = "CAP_SYS_RESOURCE"
SETS = {"bounding": ["CAP_CHOWN", DROPPED], "effective": [DROPPED], "ambient": None}
NODE = network.Node("worker", "172.18.0.2", "10.244.1.0/24")
OTHER = network.Node("control-plane", "172.18.0.3", "10.244.0.0/24")


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """The runtime script with a runc of the test's own, which prints its arguments."""
    if not shutil.which("jq"):
        pytest.skip("the runtime needs jq, which the environment installs where the runtime is needed")
    runc = tmp_path / "runc"
    runc.write_text('#!/bin/sh\necho "$@"\n')
    runc.chmod(0o755)
    script = tmp_path / "runtime"
    script.write_text(docker.RUNTIME.read_text().replace("/usr/local/sbin/runc", str(runc)))
    script.chmod(0o755)
    return script


def call(runtime: Path, *arguments: str) -> str:
    return subprocess.run([runtime, *arguments], check=True, capture_output=True, text=True, timeout=10).stdout.strip()


@pytest.mark.parametrize("words", [("--bundle", "{0}"), ("-b", "{0}"), ("--bundle={0}",)])
def test_runtime_takes_the_capability_out_of_a_bundle(runtime: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"process": {"capabilities": SETS, "args": [DROPPED]}, "root": {}}))
    arguments = ("--root", "/run", "create", *[word.format(tmp_path) for word in words], "name")
    assert call(runtime, *arguments) == " ".join(arguments)
    left = json.loads(config.read_text())
    assert left["process"]["capabilities"] == {"bounding": ["CAP_CHOWN"], "effective": [], "ambient": []}
    assert left["process"]["args"] == [DROPPED]


def test_runtime_takes_the_capability_out_of_an_exec(runtime: Path, tmp_path: Path) -> None:
    process = tmp_path / "process.json"
    process.write_text(json.dumps({"capabilities": SETS, "args": ["sh"]}))
    call(runtime, "exec", "--process", str(process), "name")
    assert json.loads(process.read_text())["capabilities"]["bounding"] == ["CAP_CHOWN"]


def test_runtime_leaves_a_process_without_capabilities_alone(runtime: Path, tmp_path: Path) -> None:
    process = tmp_path / "process.json"
    process.write_text(json.dumps({"args": ["sh"]}))
    call(runtime, "exec", "-p", str(process), "name")
    assert json.loads(process.read_text()) == {"args": ["sh"]}


@pytest.mark.parametrize("arguments", [("state", "name"), ("kill", "name", "9"), ("exec", "name", "create")])
def test_runtime_passes_other_calls_on(runtime: Path, arguments: tuple[str, ...]) -> None:
    assert call(runtime, *arguments) == " ".join(arguments)


@pytest.mark.parametrize(
    ("bounding", "lacks"), [("000001ffffffffff", False), ("000001fffeffffff", True), ("0000000000000000", True)]
)
def test_bounding_set(bounding: str, lacks: bool) -> None:
    assert docker.lacks_sys_resource(f"Name:\tx\nCapBnd:\t{bounding}\n") is lacks


def test_kind_restricts_only_where_the_machine_is_restricted(tmp_path: Path) -> None:
    free, restricted = kind.config(tmp_path, restricted=False), kind.config(tmp_path, restricted=True)
    assert [node["role"] for node in free["nodes"]] == ["control-plane", "worker"]
    assert free["networking"]["disableDefaultCNI"] is True
    assert free["containerdConfigPatches"] == []
    assert len(free["nodes"][0]["extraMounts"]) == 1
    assert docker.RUNTIME.name in restricted["containerdConfigPatches"][0]
    assert len(restricted["nodes"][1]["extraMounts"]) == 2


def test_network_script_can_run_again(tmp_path: Path) -> None:
    """The script is run twice against commands that only write down how they were called."""
    log, tools = tmp_path / "log", tmp_path / "bin"
    tools.mkdir()
    for name, status in (("ip", 0), ("iptables", 1)):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\ncase "$*" in *-C*) exit {status};; esac\n')
        (tools / name).chmod(0o755)
    text = network.script(NODE, [OTHER]).replace("/etc/cni", str(tmp_path / "cni"))
    for _run in range(2):
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-s"], input=text, text=True, check=True, env=environment, timeout=10)
    files = list((tmp_path / "cni" / "net.d").iterdir())
    assert [file.name for file in files] == ["10-ptp.conflist"]
    assert json.loads(files[0].read_text()) == json.loads(network.conflist(NODE))
    assert "ip route replace 10.244.0.0/24 via 172.18.0.3" in log.read_text().splitlines()
    assert "iptables -w -t nat -A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE" in log.read_text()


def test_network_script_keeps_a_conflist_that_others_have_changed(tmp_path: Path) -> None:
    folder = tmp_path / "cni" / "net.d"
    folder.mkdir(parents=True)
    (folder / "05-chained.conflist").write_text("theirs")
    text = network.script(NODE, []).replace("/etc/cni", str(tmp_path / "cni")).replace("iptables", "true")
    subprocess.run(["sh", "-s"], input=text, text=True, check=True, timeout=10)
    assert [file.name for file in folder.iterdir()] == ["05-chained.conflist"]


def test_conflist_takes_addresses_from_the_nodes_subnet() -> None:
    plugins = json.loads(network.conflist(NODE))["plugins"]
    assert [plugin["type"] for plugin in plugins] == ["ptp", "portmap"]
    assert plugins[0]["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]


def test_image_archive_holds_shared_layers_once(tmp_path: Path) -> None:
    base = tmp_path / "base.tar"
    with tarfile.open(base, "w") as archive:
        archive.addfile(tarfile.TarInfo("etc"), io.BytesIO())
    images = []
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        images.append(image_archive.Image(f"example/{name}:1", tmp_path / name, base))
    image_archive.write(tmp_path / "images.tar", images)
    with tarfile.open(tmp_path / "images.tar") as archive:
        names = archive.getnames()
        manifest = json.loads(archive.extractfile("manifest.json").read())
        config = json.loads(archive.extractfile(manifest[0]["Config"]).read())
    assert [entry["RepoTags"] for entry in manifest] == [["example/one:1"], ["example/two:1"]]
    assert manifest[0]["Layers"][0] == manifest[1]["Layers"][0]
    assert len(names) == len(set(names)) == 6
    assert config["rootfs"]["diff_ids"] == [f"sha256:{name.removesuffix('.tar')}" for name in manifest[0]["Layers"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.tar", "images.tar", "one", "two"]


@pytest.mark.parametrize(
    ("image", "name"),
    [("registry.k8s.io/coredns/coredns:v1.12.1", "coredns"), ("localhost:5000/pause:3.10", "pause"), ("etcd", "etcd")],
)
def test_base_name(image: str, name: str) -> None:
    assert node_image.base_name(image) == name


def test_bootstrap_without_metadata_discovery() -> None:
    template = "a {{- if .metadata_discovery }} b {{- end }} {{ if .metadata_discovery }} c"
    assert assets.without_metadata_discovery(template) == "a {{- if false }} b {{- end }} {{- if false }} c"
    with pytest.raises(SetupError, match="no metadata_discovery block any more"):
        assets.without_metadata_discovery("{}")


def test_shop_runs_the_given_image() -> None:
    objects = shop.objects("example/echo@sha256:1")
    images = [
        c["image"] for o in objects if o["kind"] == "Deployment" for c in o["spec"]["template"]["spec"]["containers"]
    ]
    assert images == ["example/echo@sha256:1"] * 2
    assert {o["metadata"].get("namespace", shop.NAMESPACE) for o in objects} == {shop.NAMESPACE}


def test_progress_speaks_while_a_step_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.05)
    stream = io.StringIO()
    steps = progress.Progress(stream)
    with steps.step("a long step"):
        time.sleep(0.2)
    lines = stream.getvalue().splitlines()
    assert any("a long step: running, 0 s" in line for line in lines)
    assert "a long step: done in 0.2 s" in lines[-1]
    progress.record(tmp_path / "timings.json", {"other": 1.0})
    progress.record(tmp_path / "timings.json", steps.timings)
    assert json.loads((tmp_path / "timings.json").read_text()) == {"other": 1.0, "a long step": 0.2}
