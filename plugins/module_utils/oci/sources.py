# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that go into images: where they are, and that they are the ones that were meant."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..errors import AmbientError, why_no_answer
from ..manifests.files import make_folder, refuse_no_file
from .archive import Archive
from .digest import Stamp, copy_stream, sha256_file

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ENDLESS = 1 << 62

Fetch = t.Callable[[str], t.IO[bytes]]


@dataclass(frozen=True)
class SourceSpec:
    """A source as it was asked for: a path, a member of the archive at that path, or a URL with its sha256."""

    path: str = ""
    url: str = ""
    member: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Source:
    """A file on this machine: hex sha256 and size in bytes of its content."""

    path: Path
    member: str
    sha256: str
    size: int

    @contextlib.contextmanager
    def open(self) -> t.Iterator[t.IO[bytes]]:
        """The content as a stream."""
        if not self.member:
            with self.path.open("rb") as file:
                yield file
            return
        with Archive(self.path) as archive:
            yield io.BytesIO(archive.read_member(self.member))


@dataclass(frozen=True)
class Known:
    """What an earlier run found in a file that had this stamp."""

    stamp: Stamp
    sha256: str
    size: int


class Hashes:
    """sha256 of files; those whose stamp is known are not read again."""

    def __init__(self, known: t.Mapping[str, Known]) -> None:
        self._known = dict(known)
        self.used: dict[str, Known] = {}

    def of(self, path: Path, member: str = "") -> Known:
        """Hash of a file or of an archive's member; raises AmbientError where it can't be read."""
        key = f"{path}::{member}" if member else str(path)
        try:
            refuse_no_file(path)
            stamp = Stamp.of(path)
            if path.is_dir():
                raise AmbientError("is a directory, a file is needed", path=str(path), hint="Give a file")
            known = self._known.get(key)
            if known is None or known.stamp != stamp:
                known = self._read(path, member, stamp)
        except OSError as error:
            raise AmbientError(f"can't be read ({error.strerror})", path=str(path), hint="Check its rights") from error
        self._known[key] = self.used[key] = known
        return known

    @staticmethod
    def _read(path: Path, member: str, stamp: Stamp) -> Known:
        if not member:
            return Known(stamp, sha256_file(path), stamp.size)
        with Archive(path) as archive:
            data = archive.read_member(member)
        return Known(stamp, hashlib.sha256(data).hexdigest(), len(data))


class Sources:
    """Turns what was asked for into files, downloading where needed.

    downloads: where they are kept.
    aside: where those go that are not there yet, if that is another folder.
    """

    def __init__(self, hashes: Hashes, downloads: Path, fetch: Fetch, aside: Path | None = None) -> None:
        self._hashes = hashes
        self._downloads = downloads
        self._aside = aside or downloads
        self._fetch = fetch

    def resolve(self, spec: SourceSpec, where: str) -> Source:
        """The file of a source; raises AmbientError if it is missing or its sha256 is another one."""
        wanted = spec.sha256.removeprefix("sha256:").lower()
        if wanted and not _SHA256.fullmatch(wanted):
            raise AmbientError(f"{spec.sha256!r} is no sha256", path=where, hint="It has 64 hexadecimal digits")
        if bool(spec.path) == bool(spec.url):
            raise AmbientError("needs either path or url", path=where, hint="Give one of them")
        path = self._download(spec.url, wanted, where) if spec.url else Path(spec.path).absolute()
        if not path.exists():
            raise AmbientError(f"{path} does not exist", path=where, hint="Give the path of a file that does")
        whole = self._hashes.of(path) if wanted or not spec.member else None
        if wanted and whole and whole.sha256 != wanted:
            raise AmbientError(
                f"{path} has sha256 {whole.sha256}, wanted is {wanted}",
                path=where,
                hint="Use the right file, or correct sha256",
            )
        known = self._hashes.of(path, spec.member) if spec.member else whole
        if known is None:
            raise AmbientError("can't be read", path=where)
        return Source(path, spec.member, known.sha256, known.size)

    def _download(self, url: str, wanted: str, where: str) -> Path:
        """The file's place is named by its sha256, so that only a right one is ever found there."""
        if not wanted:
            raise AmbientError("a url needs its sha256", path=where, hint="Take it from who publishes the file")
        for folder in (self._downloads, self._aside):
            path = folder / wanted
            if path.exists() and self._hashes.of(path).sha256 == wanted:
                return path
        path = self._aside / wanted
        make_folder(self._aside)
        part = path.with_name(f".{wanted}.{os.getpid()}")
        digest = hashlib.sha256()
        try:
            with contextlib.closing(self._fetch(url)) as response, part.open("wb") as file:

                def write(chunk: bytes) -> None:
                    digest.update(chunk)
                    file.write(chunk)

                copy_stream(response, write, _ENDLESS)
            if digest.hexdigest() != wanted:
                raise AmbientError(
                    f"{url} gave sha256 {digest.hexdigest()}, wanted is {wanted}",
                    path=where,
                    hint="Use the right url, or correct sha256",
                )
            part.replace(path)
        except AmbientError:
            raise
        except Exception as error:
            raise AmbientError(
                f"{url} can't be fetched ({why_no_answer(error)})", path=where, hint="Check the url, or give a path"
            ) from None
        finally:
            part.unlink(missing_ok=True)
        return path
