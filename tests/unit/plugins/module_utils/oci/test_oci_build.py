# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building: what is in a layout, when it is written, and what survives a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.oci.build import Builder
from ansible_collections.alauda.ambient.plugins.module_utils.oci.definition import parse_definition
from ansible_collections.alauda.ambient.plugins.module_utils.oci.inputs import Request
from ansible_collections.alauda.ambient.plugins.module_utils.oci.sources import SourceSpec
from unit.plugins.module_utils.oci.conftest import Build
from unit.plugins.module_utils.oci.oci_world import ROOTFS, blobs, contents, elf, members, one_file, tar_of

Start = Callable[[str], subprocess.Popen[str]]
# Seconds that an unchanged build of a large image may take.
UNCHANGED = 0.3


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder: inode and time of change."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_image_on_nothing(build: Build, tmp_path: Path) -> None:
    spec = one_file(
        user="1337:1337", entrypoint=["/usr/local/bin/program"], labels={"a": "b"}, env={"B": "2", "A": "1"}
    )
    image = build(spec)
    manifest, config, dummy = contents(tmp_path / "layout")
    assert image.changed and image.before == ""
    assert config["config"] == {
        "User": "1337:1337",
        "Entrypoint": ["/usr/local/bin/program"],
        "Labels": {"a": "b"},
        "Env": ["A=1", "B=2"],
    }
    assert (config["os"], config["architecture"], config["created"]) == ("linux", "amd64", "1970-01-01T00:00:00Z")
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]], "layers are not compressed"
    found = [(entry.name, oct(entry.mode), entry.mtime, entry.uid) for entry in members(tmp_path / "layout")]
    parents = [(name, "0o755", 0, 0) for name in ("usr", "usr/local", "usr/local/bin")]
    assert found == [*parents, ("usr/local/bin/program", "0o755", 0, 0)]


def test_again_nothing_is_touched(build: Build, tmp_path: Path) -> None:
    first = build(one_file())
    before = snapshot(tmp_path)
    again = build(one_file())
    assert not again.changed and again.digest == again.before == first.digest
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        {"user": "1:1"},
        {"labels": {"a": "b"}},
        {"env": {"A": "b"}},
        {"entrypoint": ["/usr/local/bin/program"]},
        {"cmd": ["x"]},
        {"workdir": "/srv"},
        {"platform": "linux/arm64"},
        {"files": [{"source": "program", "target": "/usr/local/bin/program", "mode": "0700"}]},
        {"files": [{"source": "program", "target": "/usr/bin/program", "mode": "0755"}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_change_of_the_definition_is_another_image(
    build: Build, tmp_path: Path, change: dict[str, object]
) -> None:
    first = build(one_file())
    changed = build({**one_file(), **change})
    assert changed.changed and changed.before == first.digest != changed.digest
    contents(tmp_path / "layout")
    assert build(one_file()).digest == first.digest


def test_a_changed_source_is_another_image(build: Build, program: Path, tmp_path: Path) -> None:
    first = build(one_file())
    program.write_bytes(program.read_bytes() + b"# more\n")
    second = build(one_file())
    assert second.changed and second.digest != first.digest
    contents(tmp_path / "layout")


def test_a_touched_source_is_read_once_more_and_nothing_else(build: Build, program: Path, tmp_path: Path) -> None:
    build(one_file())
    before = snapshot(tmp_path / "layout")
    os.utime(program, ns=(1, 1))
    assert not build(one_file()).changed
    assert snapshot(tmp_path / "layout") == before
    state = json.loads((tmp_path / "layout.state.json").read_bytes())
    assert state["sources"][str(program)][0][1] == 1, "the new time is known from now on"


def test_labels_and_base_of_the_request_go_over_the_definition(build: Build, tmp_path: Path, rootfs: Path) -> None:
    build(one_file(labels={"a": "1", "b": "2"}), labels={"b": "3"}, base=str(rootfs))
    manifest, config, dummy = contents(tmp_path / "layout")
    assert config["config"]["Labels"] == {"a": "1", "b": "3"}
    assert len(manifest["layers"]) == 2


def test_files_follow_the_links_of_the_base(build: Build, tmp_path: Path, rootfs: Path) -> None:
    files = [
        {"source": "program", "target": "/bin/program", "mode": "0755"},
        {"content": "pid\n", "target": "/var/run/app/pid"},
        {"directory": "/tmp", "mode": "0700"},
    ]
    build({"base": {"archive": rootfs.name}, "files": files})
    names = [(entry.name, entry.mode) for entry in members(tmp_path / "layout")]
    assert names == [("run/app", 0o755), ("run/app/pid", 0o644), ("tmp", 0o700), ("usr/bin/program", 0o755)]


def test_a_base_archive_becomes_one_sorted_layer(build: Build, tmp_path: Path, rootfs: Path) -> None:
    shuffled = tmp_path / "shuffled.tar.xz"
    shuffled.write_bytes(tar_of(reversed(ROOTFS), "w:xz"))
    first = build({"base": {"archive": rootfs.name}}, sources={})
    other = build({"base": {"archive": shuffled.name}}, sources={}, dest="other")
    assert first.digest == other.digest, "order, times and compression of the archive don't matter"
    entries = members(tmp_path / "layout")
    names = [entry.name for entry in entries]
    assert names == sorted(names) and "dev/null" not in names and "" not in names
    assert {entry.mtime for entry in entries} == {0}
    assert {entry.name: entry.mode for entry in entries}["tmp"] == 0o1777
    assert {entry.name: entry.linkname for entry in entries if entry.issym()} == {"bin": "usr/bin", "var/run": "/run"}


def test_a_layout_as_base_gives_its_layers_and_its_configuration(build: Build, tmp_path: Path, rootfs: Path) -> None:
    build(
        {
            "base": {"archive": rootfs.name},
            "user": "0:0",
            "env": {"A": "1", "B": "2"},
            "cmd": ["sh"],
            "labels": {"x": "y"},
        },
        sources={},
        dest="parent",
    )
    parent, dummy, dummy2 = contents(tmp_path / "parent")
    image = build(
        {**one_file("/bin/program"), "base": {"layout": "parent"}, "env": {"B": "3"}, "entrypoint": ["/bin/sh"]}
    )
    manifest, config, dummy2 = contents(tmp_path / "layout")
    assert manifest["layers"][0] == parent["layers"][0]
    assert members(tmp_path / "layout")[-1].name == "usr/bin/program", "the base's link is followed"
    assert config["config"] == {"User": "0:0", "Env": ["A=1", "B=3"], "Entrypoint": ["/bin/sh"], "Labels": {"x": "y"}}
    assert not build(
        {**one_file("/bin/program"), "base": {"layout": "parent"}, "env": {"B": "3"}, "entrypoint": ["/bin/sh"]}
    ).changed
    assert image.before == ""


def test_images_with_one_base_share_its_layer_on_disk(tmp_path: Path, rootfs: Path, program: Path) -> None:
    requests = [
        Request(
            parse_definition({"base": {"source": "rootfs"}, **one_file(), "user": user}, "image.yml"),
            tmp_path / name,
            {"rootfs": SourceSpec(path=str(rootfs)), "program": SourceSpec(path=str(program))},
        )
        for name, user in (("one", "1"), ("two", "2"))
    ]
    images = list(Builder(requests, no_fetch).build())
    assert images[0].digest != images[1].digest and images[0].layers == images[1].layers
    for layer in images[0].layers:
        one, two = (tmp_path / name / "blobs/sha256" / layer.hex for name in ("one", "two"))
        assert one.stat().st_ino == two.stat().st_ino
    assert not any(image.changed for image in Builder(requests, no_fetch).build())


def no_fetch(url: str) -> object:
    raise AssertionError(f"nothing is to be fetched: {url}")


def test_check_mode_knows_the_digest_and_writes_nothing(build: Build, tmp_path: Path, rootfs: Path) -> None:
    spec = {"base": {"archive": rootfs.name}, **one_file()}
    before = snapshot(tmp_path)
    planned = build(spec, write=False)
    assert planned.changed and snapshot(tmp_path) == before and not (tmp_path / "layout").exists()
    assert build(spec).digest == planned.digest
    before = snapshot(tmp_path)
    assert not build(spec, write=False).changed
    assert build({**spec, "user": "1"}, write=False).changed
    assert snapshot(tmp_path) == before


def tamper_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def tamper_same_size(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("tamper", [tamper_cut, tamper_same_size, Path.unlink])
@pytest.mark.parametrize("part", ["layer", "config", "manifest", "index.json", "oci-layout"])
def test_a_tampered_layout_is_mended(build: Build, tmp_path: Path, tamper: object, part: str) -> None:
    first = build(one_file())
    layout = tmp_path / "layout"
    manifest, dummy, dummy2 = contents(layout)
    digests = {
        "layer": manifest["layers"][0]["digest"],
        "config": manifest["config"]["digest"],
        "manifest": first.digest,
    }
    path = layout / "blobs/sha256" / digests[part][7:] if part in digests else layout / part
    tamper(path)  # type: ignore[operator]
    again = build(one_file())
    assert again.digest == first.digest
    assert again.changed or part == "oci-layout"
    contents(layout)
    assert not build(one_file()).changed


def test_force_finds_what_kept_its_stamp(build: Build, tmp_path: Path) -> None:
    first = build(one_file())
    path = tmp_path / "layout/blobs/sha256" / first.layers[0].hex
    stat = path.stat()
    tamper_same_size(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not build(one_file()).changed, "this is what trusting stamps means"
    assert build(one_file(), force=True).changed
    contents(tmp_path / "layout")
    before = snapshot(tmp_path / "layout")
    assert not build(one_file(), force=True).changed
    assert snapshot(tmp_path / "layout") == before


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1}', '{"format": 99}', '{"format":1,"files":{"x":[1]}}'])
def test_a_lost_or_broken_state_costs_reading_only(build: Build, tmp_path: Path, damage: str) -> None:
    first = build(one_file())
    before = snapshot(tmp_path / "layout")
    state = tmp_path / "layout.state.json"
    if damage:
        state.write_text(damage)
    else:
        state.unlink()
    again = build(one_file())
    assert not again.changed and again.digest == first.digest
    assert snapshot(tmp_path / "layout") == before
    assert json.loads(state.read_bytes())["key"]


def test_left_over_blobs_go(build: Build, tmp_path: Path) -> None:
    build(one_file())
    stray = tmp_path / "layout/blobs/sha256/00"
    stray.write_bytes(b"stray")
    build(one_file(user="1"))
    assert not stray.exists() and len(blobs(tmp_path / "layout")) == 3


def test_a_folder_that_is_no_layout_is_not_written_to(build: Build, tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout/letter.txt").write_text("dear")
    with pytest.raises(AmbientError, match=r"is no OCI layout: it holds letter\.txt\. Choose another dest"):
        build(one_file())
    assert [path.name for path in (tmp_path / "layout").iterdir()] == ["letter.txt"]


def test_a_failed_first_build_leaves_nothing(build: Build, tmp_path: Path, program: Path) -> None:
    program.write_bytes(elf(machine=183))
    with pytest.raises(AmbientError, match="built for arm64, the image is linux/amd64"):
        build(one_file())
    assert not (tmp_path / "layout").exists()


def test_a_failed_build_leaves_the_old_image(build: Build, tmp_path: Path, program: Path) -> None:
    first = build(one_file())
    program.write_bytes(elf(loader="/lib64/ld-linux-x86-64.so.2"))
    with pytest.raises(AmbientError, match=r"needs the loader /lib64/ld-linux-x86-64\.so\.2, which the image lacks"):
        build(one_file())
    contents(tmp_path / "layout")
    assert first.digest in blobs(tmp_path / "layout")


def test_a_loader_is_found_through_the_bases_links(build: Build, tmp_path: Path, program: Path) -> None:
    program.write_bytes(elf(loader="/lib64/ld.so"))
    base = [
        ("usr", {"type": tarfile.DIRTYPE}, b""),
        ("usr/lib64", {"type": tarfile.DIRTYPE}, b""),
        ("usr/lib64/ld.so", {}, b"x"),
        ("lib64", {"type": tarfile.SYMTYPE, "linkname": "usr/lib64"}, b""),
    ]
    (tmp_path / "base.tar").write_bytes(tar_of(base))
    assert build({"base": {"archive": "base.tar"}, **one_file()}).changed


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (one_file("/usr/bin"), "files[0].target: /usr/bin is a directory in the base"),
        (one_file("/bin/sh/program"), "files[0].target: /usr/bin/sh is a file in the base, not a directory"),
        ({"files": [{"directory": "/usr/bin/sh"}]}, "files[0].target: /usr/bin/sh is no directory in the base"),
        (
            {"files": [*one_file("/bin/x")["files"], {"content": "", "target": "/usr/bin/x"}]},
            "files[1].target: /usr/bin/x is also made by another file",
        ),
        (
            {"files": [*one_file("/a")["files"], {"content": "", "target": "/a/b"}]},
            "/a is a file, /a/b can't lie below it",
        ),
    ],
)
def test_files_that_can_not_lie_there(build: Build, rootfs: Path, spec: dict[str, object], message: str) -> None:
    sources = None if "program" in str(spec) else {}
    with pytest.raises(AmbientError) as failure:
        build({"base": {"archive": rootfs.name}, **spec}, sources=sources)
    assert message in str(failure.value)


def test_unchanged_is_known_in_a_blink(build: Build, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        for number in range(120):
            file.write(number.to_bytes(2, "big") * (1 << 19))
    first = build(one_file(), sources={"program": str(big)})
    assert first.size > 120 << 20
    assert min(unchanged(build, big) for dummy in range(5)) < UNCHANGED, "the best of five: the machine may be busy"


def unchanged(build: Build, big: Path) -> float:
    """Seconds that a build without a change takes."""
    start = time.perf_counter()
    assert not build(one_file(), sources={"program": str(big)}).changed
    return time.perf_counter() - start


KILLED = """
import sys, urllib.request
from pathlib import Path
from ansible_collections.alauda.ambient.plugins.module_utils.oci.build import Builder
from ansible_collections.alauda.ambient.plugins.module_utils.oci.definition import parse_definition
from ansible_collections.alauda.ambient.plugins.module_utils.oci.inputs import Request
from ansible_collections.alauda.ambient.plugins.module_utils.oci.sources import SourceSpec
folder, user = Path(sys.argv[1]), sys.argv[2]
files = [{"source": "program", "target": "/p" + user, "mode": "0644"}]
spec = {"base": {"archive": "rootfs.tar"}, "files": files, "user": user}
request = Request(parse_definition(spec, str(folder / "image.yml")), folder / "layout",
                  {"program": SourceSpec(path=str(folder / "big"))})
print("start", flush=True)
print(next(Builder([request], None).build()).digest)
"""


@pytest.fixture
def start(tmp_path: Path, rootfs: Path) -> Start:
    """Start a build of an image for a user in a process of its own; returns when it has begun."""
    (tmp_path / "big").write_bytes(os.urandom(24 << 20))
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(user: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(tmp_path), user]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "start\n"
        return process

    return run


def test_two_builds_of_one_layout_wait_for_each_other(tmp_path: Path, start: Start) -> None:
    running = {user: start(user) for user in ("1", "2", "3")}
    digests = {process.communicate()[0].strip(): user for user, process in running.items()}
    assert all(process.returncode == 0 for process in running.values()) and len(digests) == 3
    _manifest, config, held = contents(tmp_path / "layout")
    (winner,) = digests.keys() & held.keys()
    assert config["config"]["User"] == digests[winner]


def test_a_kill_leaves_the_old_image_or_the_new_one(tmp_path: Path, start: Start) -> None:
    began = time.monotonic()
    known = {start("0").communicate()[0].strip()}
    whole = time.monotonic() - began
    killed = 0
    for step in range(16):
        process = start(str(1 + step % 2))
        time.sleep(whole * step / 20)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        known.add(process.communicate()[0].strip())
        (entry,) = json.loads((tmp_path / "layout/index.json").read_bytes())["manifests"]
        held = {path.name for path in (tmp_path / "layout/blobs/sha256").iterdir()}
        manifest = json.loads((tmp_path / "layout/blobs/sha256" / entry["digest"][7:]).read_bytes())
        assert {child["digest"][7:] for child in [manifest["config"], *manifest["layers"]]} <= held
        blobs(tmp_path / "layout")
    assert killed >= 4, "the kills came while it was building"
    digest = start("1").communicate()[0].strip()
    manifest, config, held = contents(tmp_path / "layout")
    assert digest in held and config["config"]["User"] == "1"
    assert not (tmp_path / "layout/.building").exists()
