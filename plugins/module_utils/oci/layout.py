# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCI image layout on disk, for one image.

Blobs are written aside and renamed to their digest; the renamed index.json is the last step, so a layout is at any
time the old image or the new one. Beside it lies ``<layout>.state.json``: what makes "unchanged" known without reading.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import typing as t
from pathlib import Path

from ..errors import AmbientError
from ..manifests.files import load_json, make_folder, read_text, refuse_no_file
from .digest import Blob, Stamp, canonical_json, sha256_file
from .sources import Known

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
_STATE_FORMAT = 1
_MARKER = canonical_json({"imageLayoutVersion": "1.0.0"})
_BUILD = "Build the image first, or again"
_HEX = frozenset("0123456789abcdef")


class State:
    """The content of a state file; empty where there is none that this version understands."""

    def __init__(self, path: Path) -> None:
        self.key = ""
        self.result: dict[str, t.Any] = {}
        self.layers: dict[str, dict[str, t.Any]] = {}
        self.files: dict[str, Stamp] = {}
        self.sources: dict[str, Known] = {}
        try:
            refuse_no_file(path)
            data = json.loads(path.read_bytes())
            if data["format"] != _STATE_FORMAT:
                return
            self.files = {name: Stamp(*stamp) for name, stamp in data["files"].items()}
            self.sources = {
                name: Known(Stamp(*stamp), sha256, size) for name, (stamp, sha256, size) in data["sources"].items()
            }
            self.layers = {
                key: {name: layer[name] for name in ("digest", "size", "diff_id", "media_type")}
                for key, layer in data["layers"].items()
            }
            self.result = {name: data["result"][name] for name in ("digest", "size", "layers")}
            self.key = data["key"]
        except (OSError, ValueError, KeyError, TypeError):
            return


class Layout:
    """A layout directory; creates nothing before the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_path = path.with_name(path.name + ".state.json")
        self.state = State(self.state_path)
        self._aside = path / ".building"

    def blob_path(self, blob: Blob) -> Path:
        return self.path / "blobs" / "sha256" / blob.hex

    def untouched(self) -> bool:
        """Whether every file still has the stamp it was left with."""
        try:
            return bool(self.state.files) and all(
                Stamp.of(self.path / name) == stamp for name, stamp in self.state.files.items()
            )
        except OSError:
            return False

    def has(self, blob: Blob) -> bool:
        """Whether a blob is there and right: by its stamp, else by its content."""
        path = self.blob_path(blob)
        try:
            if self.state.files.get(self._name(path)) == Stamp.of(path):
                return True
            return path.stat().st_size == blob.size and sha256_file(path) == blob.hex
        except OSError:
            return False

    def forget(self) -> None:
        """Trust no stamp: from here on content is read."""
        self.state.files.clear()

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        """Keep other builds of this layout out, and leave nothing half-written behind."""
        self._refuse_foreign()
        blobs = self.path / "blobs" / "sha256"
        make_folder(blobs)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            shutil.rmtree(self._aside, ignore_errors=True)
            self._aside.mkdir()
            yield
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)
            with contextlib.suppress(OSError):
                for path in (blobs, blobs.parent, self.path):
                    path.rmdir()
            os.close(handle)

    def _refuse_foreign(self) -> None:
        """Only a layout, or what a killed build left of one, is written to."""
        try:
            foreign = sorted(
                {path.name for path in self.path.iterdir()} - {"blobs", "index.json", "oci-layout", self._aside.name}
            )
        except FileNotFoundError:
            return
        except OSError as error:
            raise AmbientError(f"can't be a layout ({error.strerror})", path=str(self.path)) from error
        if foreign:
            raise AmbientError(
                f"is no OCI layout: it holds {foreign[0]}", path=str(self.path), hint="Choose another dest"
            )

    def write_blob(self, produce: t.Callable[[t.Callable[[bytes], object]], None]) -> tuple[Blob, bool]:
        """Write what ``produce`` gives; returns the blob and whether it was there already. The lock must be held."""
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self._aside, delete=False) as file:

            def write(data: bytes) -> None:
                nonlocal size
                digest.update(data)
                size += len(data)
                file.write(data)

            produce(write)
        blob = Blob(f"sha256:{digest.hexdigest()}", size)
        aside, had = Path(file.name), self.has(blob)
        if not had:
            aside.chmod(0o644)
            aside.replace(self.blob_path(blob))
        return blob, had

    def link_blob(self, blob: Blob, source: Path) -> None:
        """Take a blob over from another layout: a hard link, or a copy on another file system."""
        aside = self._aside / blob.hex
        try:
            aside.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, aside)
        aside.replace(self.blob_path(blob))

    def index(self) -> bytes:
        """The bytes of index.json, empty where there is none."""
        try:
            refuse_no_file(self.path / "index.json")
            return (self.path / "index.json").read_bytes()
        except OSError:
            return b""

    def commit(self, index: bytes, keep: t.Iterable[Blob]) -> None:
        """Make the image the layout's content and remove what no longer belongs to it."""
        for name, data in (("oci-layout", _MARKER), ("index.json", index)):
            path = self.path / name
            if not path.exists() or path.read_bytes() != data:
                aside = self._aside / name
                aside.write_bytes(data)
                aside.replace(path)
        wanted = {blob.hex for blob in keep}
        for path in (self.path / "blobs" / "sha256").iterdir():
            if path.name not in wanted:
                path.unlink()

    def remember(
        self, key: str, result: dict[str, t.Any], layers: dict[str, t.Any], sources: t.Mapping[str, Known]
    ) -> None:
        """Write the state file for the next run."""
        files = [self.path / "oci-layout", self.path / "index.json", *(self.path / "blobs" / "sha256").iterdir()]
        stamps = {self._name(path): Stamp.of(path) for path in files}
        data = {
            "format": _STATE_FORMAT,
            "key": key,
            "result": result,
            "layers": layers,
            "files": {name: [stamp.size, stamp.mtime_ns, stamp.inode] for name, stamp in stamps.items()},
            "sources": {
                name: [[known.stamp.size, known.stamp.mtime_ns, known.stamp.inode], known.sha256, known.size]
                for name, known in sources.items()
            },
        }
        aside = self.state_path.with_name(f".{self.state_path.name}.{os.getpid()}")
        aside.write_bytes(canonical_json(data))
        aside.replace(self.state_path)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.path))


def read_manifest(layout: Path, platform: str = "") -> tuple[Blob, dict[str, t.Any]]:
    """The (one) image manifest of a layout, through nested indexes; raises AmbientError where the layout is broken.

    platform: which one to take where an index names platforms.
    """
    index = _read_json(layout / "index.json", layout)
    for _depth in range(3):
        entries = index.get("manifests")
        if not isinstance(entries, list) or not entries:
            raise AmbientError("the layout's index names no image", path=str(layout))
        fitting = [entry for entry in entries if _fits(entry, platform)] if platform else entries
        if len(fitting) != 1:
            what = f"{len(fitting)} images for {platform}" if platform else f"{len(fitting)} images"
            raise AmbientError(f"the layout holds {what}, one is needed", path=str(layout))
        blob = descriptor(fitting[0], layout)
        index = _read_json(layout / "blobs" / "sha256" / blob.hex, layout)
        if "layers" in index:
            return blob, index
    raise AmbientError("the layout's indexes are nested too deeply", path=str(layout))


def descriptor(entry: t.Any, layout: Path) -> Blob:
    """A descriptor of a manifest or index, checked."""
    digest, size = (entry.get("digest"), entry.get("size")) if isinstance(entry, dict) else (None, None)
    if not isinstance(digest, str) or not isinstance(size, int) or digest[:7] != "sha256:":
        raise AmbientError("the layout has a broken descriptor", path=str(layout))
    if len(digest) != 71 or not _HEX.issuperset(digest[7:]):
        raise AmbientError(f"the layout names a broken digest {digest!r}", path=str(layout))
    return Blob(digest, size)


def _fits(entry: t.Any, platform: str) -> bool:
    named = entry.get("platform") if isinstance(entry, dict) else None
    if not isinstance(named, dict):
        return True
    parts = [str(named.get("os", "")), str(named.get("architecture", "")), str(named.get("variant", ""))]
    wanted = platform.split("/")
    return parts[: len(wanted)] == wanted


def _read_json(path: Path, layout: Path) -> dict[str, t.Any]:
    if not os.path.lexists(path):
        raise AmbientError(f"no OCI layout: {path.name} is missing", path=str(layout), hint=_BUILD)
    try:
        data = load_json(read_text(path), path.name)
    except AmbientError as error:
        raise AmbientError(
            f"broken OCI layout: {path.name} ({error.message})", path=str(layout), hint=_BUILD
        ) from error
    if not isinstance(data, dict):
        raise AmbientError(f"broken OCI layout: {path.name} is no mapping", path=str(layout))
    return data
