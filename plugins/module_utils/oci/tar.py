# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tar writer with one spelling per entry, the same bytes under every Python version.

tarfile is used for reading only: what it writes has changed between releases.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

FORMAT = 1  # counts up when the same entries get other bytes: known layers are made anew then
BLOCK = 512
FILE, HARDLINK, SYMLINK, DIRECTORY, FIFO = b"0", b"1", b"2", b"5", b"6"
_OCTAL_LIMIT = 8**7
_SIZE_LIMIT = 8**11


@dataclass(frozen=True)
class Entry:
    """One member of a layer; every time is 0 and names of owners are left out.

    name: path relative to the root, no leading or trailing slash.
    size: bytes of content that follow the header (files only).
    xattrs: extended attributes as (name, value).
    """

    name: str
    kind: bytes = FILE
    mode: int = 0o644
    size: int = 0
    link: str = ""
    uid: int = 0
    gid: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()


def header(entry: Entry) -> bytes:
    """The header blocks of an entry, with a pax header only where ustar can't say it."""
    name = entry.name + "/" if entry.kind == DIRECTORY else entry.name
    records = [(f"SCHILY.xattr.{key}", value) for key, value in entry.xattrs]
    short, prefix = _split(name)
    if not short:
        records.append(("path", _encode(name)))
        short = _encode(name)[:100]
    link = _encode(entry.link)
    if len(link) > 100 or not entry.link.isascii():
        records.append(("linkpath", link))
        link = link[:100]
    numbers = {"size": (entry.size, _SIZE_LIMIT), "uid": (entry.uid, _OCTAL_LIMIT), "gid": (entry.gid, _OCTAL_LIMIT)}
    small = {}
    for key, (value, limit) in numbers.items():
        if value >= limit:
            records.append((key, str(value).encode()))
        small[key] = value if value < limit else 0
    pax = b""
    if records:
        body = b"".join(sorted(_record(key, value) for key, value in records))
        pax = _block(b"pax", b"", b"x", 0o644, {"size": len(body), "uid": 0, "gid": 0}, b"") + body + padding(len(body))
    return pax + _block(short, prefix, entry.kind, entry.mode, small, link)


def padding(size: int) -> bytes:
    """Zeros up to the next block."""
    return b"\0" * (-size % BLOCK)


END = b"\0" * (2 * BLOCK)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _split(name: str) -> tuple[bytes, bytes]:
    """(name, prefix) of a ustar header; an empty name where it doesn't fit."""
    raw = _encode(name)
    if not name.isascii():
        return b"", b""
    if len(raw) <= 100:
        return raw, b""
    cut = raw.find(b"/", max(len(raw) - 101, 1), 156)
    if cut < 0 or cut + 1 >= len(raw):
        return b"", b""
    return raw[cut + 1 :], raw[:cut]


def _record(key: str, value: bytes) -> bytes:
    body = b" " + key.encode() + b"=" + value + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def _block(name: bytes, prefix: bytes, kind: bytes, mode: int, numbers: t.Mapping[str, int], link: bytes) -> bytes:
    fields = (
        name.ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % numbers["uid"],
        b"%07o\0" % numbers["gid"],
        b"%011o\0" % numbers["size"],
        b"%011o\0" % 0,
        b" " * 8,
        kind,
        link.ljust(100, b"\0"),
        b"ustar\x0000",
        b"\0" * 80,
        prefix.ljust(155, b"\0"),
        b"\0" * 12,
    )
    block = bytearray(b"".join(fields))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)
