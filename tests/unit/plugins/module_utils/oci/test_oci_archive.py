# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file system archives: what is taken over, what is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.oci import tar
from ansible_collections.alauda.ambient.plugins.module_utils.oci.archive import Archive, layer_entries
from ansible_collections.alauda.ambient.plugins.module_utils.oci.tree import Tree
from unit.plugins.module_utils.oci.oci_world import DIRECTORY, ROOTFS, link, tar_of

HARD = {"type": tarfile.LNKTYPE}
Members = list[tuple[str, dict[str, Any], bytes]]


def layer(path: Path) -> bytes:
    parts: list[bytes] = []
    with Archive(path) as archive:
        archive.write_layer(parts.append)
    return b"".join(parts)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return tmp_path / "packed.tar"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_every_packing_gives_the_same_layer(packed: Path, rootfs: Path, mode: str) -> None:
    packed.write_bytes(tar_of(ROOTFS, mode))
    assert layer(packed) == layer(rootfs)


def test_owners_modes_and_attributes_stay(packed: Path) -> None:
    capability = {"SCHILY.xattr.security.capability": "\x01"}
    packed.write_bytes(tar_of([("ping", {"mode": 0o4755, "uid": 7, "gid": 8, "pax_headers": capability}, b"x")]))
    with tarfile.open(fileobj=io.BytesIO(layer(packed))) as archive:
        (info,) = archive.getmembers()
    assert (info.mode, info.uid, info.gid, info.mtime, info.uname) == (0o4755, 7, 8, 0, "")
    assert info.pax_headers == capability


def test_hard_links_keep_their_content_in_any_order(packed: Path) -> None:
    members: Members = [
        ("z", {}, b"content"),
        ("m", {**HARD, "linkname": "z"}, b""),
        ("a", {**HARD, "linkname": "./m"}, b""),
    ]
    packed.write_bytes(tar_of(members))
    with tarfile.open(fileobj=io.BytesIO(layer(packed))) as archive:
        infos = {info.name: info for info in archive.getmembers()}
        assert list(infos) == ["a", "m", "z"]
        assert infos["a"].isreg() and infos["m"].linkname == infos["z"].linkname == "a"
        for name in infos:
            found = archive.extractfile(name)
            assert found is not None and found.read() == b"content"


def test_the_last_entry_of_a_name_counts(packed: Path) -> None:
    packed.write_bytes(tar_of([("a", {}, b"old"), ("./a", {}, b"new")]))
    with Archive(packed) as archive:
        assert archive.read_member("/a") == b"new"


def test_sparse_files_are_filled(packed: Path, tmp_path: Path) -> None:
    """The archive as GNU tar writes it: one hole, then data."""
    data = b"x" * 512
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "sparse",
        "GNU.sparse.realsize": "4096",
    }
    head = b"1\n3584\n512\n".ljust(512, b"\0")
    info.size = len(head) + len(data)
    with tarfile.open(packed, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(head + data))
    with tarfile.open(fileobj=io.BytesIO(layer(packed))) as archive:
        found = archive.extractfile("sparse")
        assert found is not None and found.read() == b"\0" * 3584 + data


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            [("../etc/passwd", {}, b"")],
            "the entry '../etc/passwd' leaves the root. Make the archive from inside its root",
        ),
        ([("a/../../b", {}, b"")], "leaves the root"),
        ([("/etc/passwd", {}, b"")], "the entry '/etc/passwd' leaves the root"),
        ([("a", link("/etc"), b""), ("a/passwd", {}, b"")], "'a/passwd' lies below 'a', which is no directory"),
        ([("a/b/c", {}, b""), ("a", link("/"), b"")], "'a/b/c' lies below 'a', which is no directory"),
        ([("a", {}, b""), ("a/b", {}, b"")], "'a/b' lies below 'a', which is no directory"),
        ([("a", {**HARD, "linkname": "../../etc/shadow"}, b"")], "leaves the root"),
        ([("a", {**HARD, "linkname": "b"}, b"")], "the hard link a leads nowhere"),
        ([("a", {**HARD, "linkname": "a"}, b"")], "the hard link a leads nowhere"),
    ],
)
def test_path_tricks_are_refused(packed: Path, members: Members, message: str) -> None:
    packed.write_bytes(tar_of(members))
    with pytest.raises(AmbientError) as failure:
        Archive(packed)
    assert message in str(failure.value) and str(failure.value).startswith(str(packed))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x28\xb5\x2f\xfd" + b"x" * 600, "zstd archives can't be read. Take a whole .tar, .tar.gz or .tar.xz"),
        (b"\x1f\x8b\x08" + b"x" * 600, "can't be unpacked"),
        (b"\xfd7zXZ\0" + b"x" * 600, "can't be unpacked"),
        (b"hello", "not a readable tar archive"),
        (b"", "not a readable tar archive"),
        (b"x" * 2048, "not a readable tar archive"),
        (tar_of([("a", {}, b"x" * 5000)])[:3000], "not a readable tar archive (unexpected end of data)"),
        (tar_of([("a", {}, b"x"), ("b", {}, b"x")])[:2048], "the archive is cut off: its end mark is missing"),
        (tar_of([("a", {}, b"x"), ("b", {}, b"x")])[:1024], "the archive is cut off: its end mark is missing"),
    ],
)
def test_what_is_no_archive(packed: Path, content: bytes, message: str) -> None:
    packed.write_bytes(content)
    with pytest.raises(AmbientError) as failure:
        layer(packed)
    assert message in str(failure.value)


def test_a_missing_member_is_named(rootfs: Path) -> None:
    with Archive(rootfs) as archive, pytest.raises(AmbientError, match="no file etc/nothing in the archive"):
        archive.read_member("etc/nothing")


def tree(*layers: list[tuple[str, dict[str, Any], bytes]], tmp_path: Path) -> Tree:
    found = Tree()
    for number, members in enumerate(layers):
        path = tmp_path / f"{number}.tar"
        path.write_bytes(tar_of(members))
        found.add_layer(layer_entries(path))
    return found


def test_whiteouts_remove_what_lies_below(tmp_path: Path) -> None:
    found = tree(
        [("a", DIRECTORY, b""), ("a/x", {}, b""), ("b", DIRECTORY, b""), ("b/x", {}, b""), ("c", {}, b"")],
        [
            ("a", DIRECTORY, b""),
            ("a/.wh.x", {}, b""),
            ("b/.wh..wh..opq", {}, b""),
            ("b/y", {}, b""),
            (".wh.c", {}, b""),
        ],
        tmp_path=tmp_path,
    )
    assert [found.holds(path) for path in ("/a", "/a/x", "/b", "/b/x", "/b/y", "/c")] == [
        True,
        False,
        True,
        False,
        True,
        False,
    ]


def test_a_link_takes_the_place_of_a_directory(tmp_path: Path) -> None:
    found = tree(
        [("a", DIRECTORY, b""), ("a/x", {}, b""), ("b", DIRECTORY, b"")], [("a", link("b"), b"")], tmp_path=tmp_path
    )
    assert found.place("/a/y") == ("b/y", []) and not found.holds("/a/x")


@pytest.mark.parametrize(
    ("target", "placed"),
    [
        ("/x", ("x", [])),
        ("/new/deep/x", ("new/deep/x", ["new", "new/deep"])),
        ("/up/x", ("d/x", [])),
        ("/out/x", ("x", [])),
        ("/chain/x", ("d/x", [])),
        ("/dangling/x", ("nowhere/x", ["nowhere"])),
    ],
)
def test_files_are_placed_inside_the_root(tmp_path: Path, target: str, placed: tuple[str, list[str]]) -> None:
    found = tree(
        [
            ("d", DIRECTORY, b""),
            ("d/e", DIRECTORY, b""),
            ("up", link("d/e/.."), b""),
            ("out", link("../../../.."), b""),
            ("chain", link("/up"), b""),
            ("dangling", link("nowhere"), b""),
            ("round", link("about"), b""),
            ("about", link("round"), b""),
        ],
        tmp_path=tmp_path,
    )
    assert found.place(target) == placed
    with pytest.raises(AmbientError, match="goes in circles"):
        found.place("/round/x")


def test_entries_of_a_foreign_layer_are_only_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "layer.tar.gz"
    path.write_bytes(tar_of([("a", {**HARD, "linkname": "in-a-lower-layer"}, b"")], "w:gz"))
    assert [entry.kind for entry in layer_entries(path)] == [tar.FILE]
