# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tar writer writes is read by tarfile as what was meant."""

from __future__ import annotations

import io
import tarfile

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.oci import tar
from hypothesis import given
from hypothesis import strategies as st

SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=120).filter(
    lambda text: text not in (".", "..")
)
NAME = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)


def read(entry: tar.Entry, content: bytes = b"") -> tarfile.TarInfo:
    data = tar.header(entry) + content + tar.padding(len(content)) + tar.END
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        (info,) = archive.getmembers()
        if entry.kind == tar.FILE and entry.size < 1 << 20:
            found = archive.extractfile(info)
            assert found is not None and found.read() == content
    return info


@given(NAME, st.integers(0, 0o7777), st.binary(max_size=1500))
def test_files_come_back(name: str, mode: int, content: bytes) -> None:
    info = read(tar.Entry(name, tar.FILE, mode, len(content)), content)
    assert (info.name, info.mode, info.size, info.mtime, info.uid, info.gid) == (name, mode, len(content), 0, 0, 0)
    assert (info.uname, info.gname) == ("", "")


@given(NAME, NAME, st.sampled_from([tar.SYMLINK, tar.HARDLINK]))
def test_links_come_back(name: str, target: str, kind: bytes) -> None:
    info = read(tar.Entry(name, kind, link=target))
    assert (info.name, info.linkname, info.type) == (name, target, kind)


@pytest.mark.parametrize("length", [99, 100, 101, 155, 156, 157, 200, 255, 256, 257, 300])
@pytest.mark.parametrize("segments", [1, 2, 3, 9])
def test_long_names_come_back(length: int, segments: int) -> None:
    name = "/".join(["n" * (length // segments)] * segments)
    assert read(tar.Entry(name)).name == name
    assert read(tar.Entry(name, tar.DIRECTORY, 0o755)).isdir()


def test_numbers_beyond_ustar_come_back() -> None:
    entry = tar.Entry("big", size=(8 << 30) + 7, uid=3_000_000, gid=4_000_000)
    blocks = tar.header(entry)
    info = tarfile.TarInfo.frombuf(blocks[-512:], "utf-8", "strict")
    assert info.size == 0, "the pax header carries it"
    assert b"size=8589934599\n" in blocks and b"uid=3000000\n" in blocks and b"gid=4000000\n" in blocks


def test_extended_attributes_come_back() -> None:
    value = b"\x01\x00\x00\x02\x20\x00\xff\n="
    info = read(tar.Entry("ping", xattrs=(("security.capability", value),)))
    assert info.pax_headers["SCHILY.xattr.security.capability"].encode("utf-8", "surrogateescape") == value


def test_a_plain_entry_has_these_bytes() -> None:
    """Pinned: another spelling would change every digest."""
    block = tar.header(tar.Entry("etc/hosts", size=5))
    assert len(block) == 512
    assert block[:9] == b"etc/hosts" and block[100:108] == b"0000644\0" and block[124:136] == b"00000000005\0"
    assert block[136:148] == b"00000000000\0" and block[257:265] == b"ustar\x0000" and block[265:345] == b"\0" * 80
