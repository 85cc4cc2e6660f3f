# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading root file system archives and layers: what they hold, checked for path tricks."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import shutil
import tarfile
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..errors import AmbientError
from ..manifests.files import refuse_no_file
from . import tar
from .digest import copy_stream

_XATTR = "SCHILY.xattr."
_KINDS = {tarfile.SYMTYPE: tar.SYMLINK, tarfile.DIRTYPE: tar.DIRECTORY, tarfile.FIFOTYPE: tar.FIFO}
_OPENERS: tuple[tuple[bytes, t.Callable[[str], t.Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"\xfd7zXZ\0", lzma.open),
    (b"BZh", bz2.open),
)
_TAKE = "Take a whole .tar, .tar.gz or .tar.xz"
_REMAKE = "Make the archive from inside its root"
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Member:
    """An entry and where its content lies in the uncompressed archive (-1: none)."""

    entry: tar.Entry
    offset: int = -1
    sparse: bool = False


class Archive:
    """A tar archive, plain or compressed; use as a context manager.

    ``members`` are the entries sorted by name, without devices and owners' names. Names that leave the root,
    or lie below a symbolic link, are refused: extractors disagree about them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open_plain(path)
        self._tar = _open_tar(self._file, path)
        self.members = self._sorted()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        self._tar.close()
        self._file.close()

    def write_layer(self, write: t.Callable[[bytes], object]) -> None:
        """The archive as a deterministic layer."""
        for member in self.members:
            write(tar.header(member.entry))
            if member.offset >= 0:
                self._copy(member, write)
                write(tar.padding(member.entry.size))
        write(tar.END)

    def read_member(self, name: str) -> bytes:
        """Content of one file; symbolic links are not followed."""
        wanted = name.strip("/")
        for member in self.members:
            if member.entry.name == wanted and member.offset >= 0:
                parts: list[bytes] = []
                self._copy(member, parts.append)
                return b"".join(parts)
        raise AmbientError(f"no file {name} in the archive", path=str(self.path), hint="Name a file that it holds")

    def _copy(self, member: Member, write: t.Callable[[bytes], object]) -> None:
        size = member.entry.size
        if member.sparse:
            source = self._tar.extractfile(self._tar.getmember(self._raw[member.entry.name]))
            copied = copy_stream(source, write, size) if source else 0
        else:
            self._file.seek(member.offset)
            copied = copy_stream(self._file, write, size)
        if copied != size:
            raise AmbientError(f"the archive ends inside {member.entry.name}", path=str(self.path))

    def _sorted(self) -> list[Member]:
        found: dict[str, tarfile.TarInfo] = {}
        try:
            for info in self._tar:
                name = _clean(info.name, self.path)
                if name and (info.isfifo() or not info.isdev()):
                    found[name] = info
        except (tarfile.TarError, EOFError, OSError) as error:
            raise AmbientError(f"not a readable tar archive ({error})", path=str(self.path), hint=_TAKE) from error
        self._refuse_cut()
        self._raw = {name: info.name for name, info in found.items()}
        _refuse_below_links(found, self.path)
        carriers: dict[str, str] = {}
        return [self._member(name, found, carriers) for name in sorted(found)]

    def _refuse_cut(self) -> None:
        """tarfile takes a file that ends between two entries for a whole archive."""
        self._file.seek(self._tar.offset)
        if self._file.read(tar.BLOCK) != b"\0" * tar.BLOCK:
            raise AmbientError("the archive is cut off: its end mark is missing", path=str(self.path), hint=_TAKE)

    def _member(self, name: str, found: dict[str, tarfile.TarInfo], carriers: dict[str, str]) -> Member:
        """A hard link's content travels with the first of its names, whatever the archive's order was."""
        origin = name
        seen = {name}
        while found[origin].islnk():
            origin = _clean(found[origin].linkname, self.path)
            if origin not in found or origin in seen:
                raise AmbientError(f"the hard link {name} leads nowhere", path=str(self.path), hint=_REMAKE)
            seen.add(origin)
        info = found[origin]
        if info.isreg():
            carrier = carriers.setdefault(origin, name)
            if carrier != name:
                return Member(_entry(name, info, tar.HARDLINK, link=carrier))
            return Member(_entry(name, info, tar.FILE, size=info.size), info.offset_data, info.issparse())
        kind = _KINDS.get(info.type)
        if kind is None:
            raise AmbientError(f"{name} is of an unknown kind", path=str(self.path))
        return Member(_entry(name, info, kind, link=info.linkname if kind == tar.SYMLINK else ""))


def layer_entries(path: Path) -> list[tar.Entry]:
    """The names and kinds in a layer of someone else's image, whiteouts included, as they come."""
    with contextlib.closing(_open_plain(path)) as file, _open_tar(file, path) as layer:
        try:
            return [
                _entry(_clean(info.name, path), info, _KINDS.get(info.type, tar.FILE), link=info.linkname)
                for info in layer
                if _clean(info.name, path)
            ]
        except (tarfile.TarError, EOFError, OSError) as error:
            raise AmbientError(f"not a readable layer ({error})", path=str(path)) from error


def _entry(name: str, info: tarfile.TarInfo, kind: bytes, size: int = 0, link: str = "") -> tar.Entry:
    xattrs = tuple(
        sorted(
            (key[len(_XATTR) :], value.encode("utf-8", "surrogateescape"))
            for key, value in info.pax_headers.items()
            if key.startswith(_XATTR)
        )
    )
    mode = 0o777 if kind == tar.SYMLINK else info.mode & 0o7777
    return tar.Entry(name, kind, mode, size, link, info.uid, info.gid, xattrs)


def _clean(name: str, path: Path) -> str:
    """The name relative to the root; empty for the root itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise AmbientError(f"the entry {name!r} leaves the root", path=str(path), hint=_REMAKE)
    return "/".join(parts)


def _refuse_below_links(found: t.Mapping[str, tarfile.TarInfo], path: Path) -> None:
    links = {name for name, info in found.items() if not info.isdir()}
    for name in found:
        parent = name.rpartition("/")[0]
        while parent:
            if parent in links:
                raise AmbientError(
                    f"the entry {name!r} lies below {parent!r}, which is no directory", path=str(path), hint=_REMAKE
                )
            parent = parent.rpartition("/")[0]


def _open_tar(file: t.IO[bytes], path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except (tarfile.TarError, EOFError, OSError) as error:
        file.close()
        raise AmbientError(f"not a readable tar archive ({error})", path=str(path), hint=_TAKE) from error


def _open_plain(path: Path) -> t.IO[bytes]:
    """The archive uncompressed: itself, or a temporary file that goes when it is closed."""
    refuse_no_file(path)
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(_ZSTD):
        raise AmbientError("zstd archives can't be read", path=str(path), hint=_TAKE)
    opener = next((opener for start, opener in _OPENERS if magic.startswith(start)), None)
    if opener is None:
        return path.open("rb")
    plain = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    try:
        with opener(str(path)) as packed:
            shutil.copyfileobj(packed, plain, 1 << 20)
    except (EOFError, OSError, lzma.LZMAError) as error:
        plain.close()
        raise AmbientError(f"can't be unpacked ({error})", path=str(path), hint=_TAKE) from error
    plain.seek(0)
    return plain
