# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on their way: what is in a layout, and several layouts as one stream."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..errors import AmbientError
from . import layout as oci
from . import tar
from .digest import Blob, canonical_json, copy_stream

_NAME = "io.containerd.image.name"


@dataclass(frozen=True)
class Shipment:
    """An image to publish: its repository, and the manifest and every blob of its layout."""

    repository: str
    layout: Path
    manifest: Blob
    blobs: tuple[Blob, ...]

    @property
    def ref(self) -> str:
        return f"{self.repository}@{self.manifest.digest}"

    def path(self, blob: Blob) -> Path:
        return self.layout / "blobs" / "sha256" / blob.hex


def shipment(layout: Path, ref: str) -> Shipment:
    """Read what a layout holds; raises AmbientError if it is incomplete or isn't the image that ``ref`` names.

    ref: a repository, alone or with the digest that is expected.
    """
    repository, digest = [*ref.split("@", 1), ""][:2]
    manifest, content = oci.read_manifest(layout)
    if digest and digest != manifest.digest:
        raise AmbientError(f"holds {manifest.digest}, not {digest}", path=str(layout), hint="Build the image again")
    try:
        children = [oci.descriptor(content["config"], layout), *(oci.descriptor(x, layout) for x in content["layers"])]
    except (KeyError, TypeError) as error:
        raise AmbientError(f"broken OCI layout: manifest ({error})", path=str(layout)) from error
    image = Shipment(repository, layout, manifest, tuple(dict.fromkeys([*children, manifest])))
    for blob in image.blobs:
        path = image.path(blob)
        if not path.is_file() or path.stat().st_size != blob.size:
            raise AmbientError(
                f"the blob {blob.digest} is missing or cut", path=str(layout), hint="Build the image again"
            )
    return image


def write_stream(shipments: t.Sequence[Shipment], present: t.Container[str], write: t.Callable[[bytes], object]) -> int:
    """The images as one OCI archive, each under ``repository@digest``; returns the bytes of the blobs in it.

    present: digests that the receiver has; they are left out.
    """
    _member("oci-layout", canonical_json({"imageLayoutVersion": "1.0.0"}), write)
    manifests = [
        {
            "mediaType": oci.MANIFEST,
            "digest": image.manifest.digest,
            "size": image.manifest.size,
            "annotations": {_NAME: image.ref},
        }
        for image in shipments
    ]
    sent: set[Blob] = set()
    for image in shipments:
        for blob in image.blobs:
            if blob in sent or blob.digest in present:
                continue
            sent.add(blob)
            write(tar.header(tar.Entry(f"blobs/sha256/{blob.hex}", size=blob.size)))
            with image.path(blob).open("rb") as file:
                if copy_stream(file, write, blob.size) != blob.size:
                    raise AmbientError(f"the blob {blob.digest} was cut while it was read", path=str(image.layout))
            write(tar.padding(blob.size))
    _member("index.json", canonical_json({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": manifests}), write)
    write(tar.END)
    return sum(blob.size for blob in sent)


def _member(name: str, data: bytes, write: t.Callable[[bytes], object]) -> None:
    write(tar.header(tar.Entry(name, size=len(data))) + data + tar.padding(len(data)))
