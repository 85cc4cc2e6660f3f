# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image starts from: nothing, a root file system archive, or another image's layout."""

from __future__ import annotations

import contextlib
import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..errors import AmbientError
from ..manifests.files import read_bytes, refuse_no_file
from . import layout as oci
from . import tar
from .archive import Archive, layer_entries
from .digest import Blob, sha256_file
from .sources import Source
from .tree import Tree

Write = t.Callable[[bytes], object]


@dataclass(frozen=True)
class Layer:
    """A finished layer; ``diff_id`` is the digest of its uncompressed content."""

    blob: Blob
    diff_id: str
    media_type: str = oci.LAYER


@dataclass(frozen=True)
class PlannedLayer:
    """A layer and what it is made of: equal keys give equal layers.

    produce: writes the content.
    finished: what will come out, where that is known beforehand.
    """

    key: str
    produce: t.Callable[[Write], None]
    finished: Layer | None = None


class Scratch:
    """Nothing."""

    key = "scratch"
    config: t.Mapping[str, t.Any] = {}
    layers: tuple[PlannedLayer, ...] = ()

    def tree(self) -> Tree:
        return Tree()


class ArchiveBase:
    """A root file system archive as one layer."""

    config: t.Mapping[str, t.Any] = {}

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tree: Tree | None = None
        self.key = f"archive:{tar.FORMAT}:{source.sha256}"
        self.layers = (PlannedLayer(self.key, self._write),)

    def tree(self) -> Tree:
        if self._tree is None:
            with Archive(self._source.path) as archive:
                self._scan(archive)
        return self._tree or Tree()

    def _write(self, write: Write) -> None:
        with Archive(self._source.path) as archive:
            archive.write_layer(write)
            self._scan(archive)

    def _scan(self, archive: Archive) -> None:
        self._tree = Tree()
        self._tree.add_layer(member.entry for member in archive.members)


class LayoutBase:
    """An image in an OCI layout; its layers are taken as they are, its configuration is inherited."""

    def __init__(self, path: Path, platform: str) -> None:
        self._path = path
        manifest_blob, manifest = oci.read_manifest(path, platform)
        try:
            config_blob = oci.descriptor(manifest["config"], path)
            image = json.loads(read_bytes(self._blob_path(config_blob)))
            diff_ids = list(image["rootfs"]["diff_ids"])
            layers = [(oci.descriptor(entry, path), str(entry["mediaType"])) for entry in manifest["layers"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AmbientError(f"broken OCI layout: manifest or configuration ({error})", path=str(path)) from error
        if len(diff_ids) != len(layers):
            raise AmbientError("broken OCI layout: layers and diff_ids differ in number", path=str(path))
        self.key = f"layout:{manifest_blob.digest}"
        self.config: t.Mapping[str, t.Any] = image.get("config") or {}
        self.layers = tuple(
            PlannedLayer(f"blob:{blob.digest}", self._copier(blob), Layer(blob, diff_id, media_type))
            for (blob, media_type), diff_id in zip(layers, diff_ids, strict=True)
        )

    def tree(self) -> Tree:
        tree = Tree()
        for layer in self.layers:
            if layer.finished:
                tree.add_layer(layer_entries(self._blob_path(layer.finished.blob)))
        return tree

    def _copier(self, blob: Blob) -> t.Callable[[Write], None]:
        def copy(write: Write) -> None:
            path = self._blob_path(blob)
            refuse_no_file(path)
            with contextlib.closing(path.open("rb")) as file:
                for chunk in iter(lambda: file.read(1 << 20), b""):
                    write(chunk)
            if sha256_file(path) != blob.hex:
                raise AmbientError(f"the blob {blob.digest} of the base is damaged", path=str(self._path))

        return copy

    def _blob_path(self, blob: Blob) -> Path:
        return self._path / "blobs" / "sha256" / blob.hex


BaseImage = t.Union[Scratch, ArchiveBase, LayoutBase]  # noqa: UP007  (pylint takes | for an operation on classes)
