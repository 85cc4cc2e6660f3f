# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests, blobs and the stamps that tell an untouched file without reading it."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """A descriptor's digest (``sha256:…``) and size in bytes."""

    digest: str
    size: int

    @property
    def hex(self) -> str:
        return self.digest.partition(":")[2]


@dataclass(frozen=True)
class Stamp:
    """What a changed file can hardly keep: size in bytes, mtime in ns, inode."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Stamp of an existing file; raises OSError."""
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino)


def canonical_json(value: t.Any) -> bytes:
    """JSON with one spelling only: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def blob_of(data: bytes) -> Blob:
    return Blob("sha256:" + hashlib.sha256(data).hexdigest(), len(data))


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file, read in chunks; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_stream(source: t.IO[bytes], write: t.Callable[[bytes], t.Any], size: int) -> int:
    """Copy at most ``size`` bytes in chunks; returns how many came."""
    left = size
    while left:
        chunk = source.read(min(CHUNK, left))
        if not chunk:
            break
        write(chunk)
        left -= len(chunk)
    return size - left
