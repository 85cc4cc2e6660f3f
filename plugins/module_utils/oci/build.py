# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From definitions to layouts: what is known is kept, what is missing is made."""

from __future__ import annotations

import hashlib
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..errors import AmbientError
from . import layout as oci
from .base import BaseImage, Layer, PlannedLayer
from .config import image_config
from .definition import Definition
from .digest import Blob, blob_of, canonical_json
from .files import files_layer
from .inputs import Inputs, Request
from .layout import Layout
from .sources import Fetch, Hashes


@dataclass(frozen=True)
class Image:
    """What stands in the layout afterwards; ``before`` is the digest that stood there, or empty. Sizes in bytes."""

    changed: bool
    digest: str
    size: int
    layers: tuple[Blob, ...]
    before: str


class Builder:
    """Builds a set of images that may share bases and sources.

    write: False computes everything and writes nothing.
    force: trust no stamp, read every source and blob again.
    """

    def __init__(self, requests: t.Sequence[Request], fetch: Fetch, *, write: bool = True, force: bool = False) -> None:
        self._requests = requests
        self._layouts = [Layout(request.dest) for request in requests]
        known = {} if force else {name: item for layout in self._layouts for name, item in layout.state.sources.items()}
        self._hashes = Hashes(known)
        # It goes with this object.
        self._aside = None if write else tempfile.TemporaryDirectory(prefix="ambient-downloads-")
        self._inputs = Inputs(self._hashes, fetch, Path(self._aside.name) if self._aside else None)
        self._write = write
        self._made: dict[str, Layer] = {}
        for layout in self._layouts:
            self._made.update({key: _layer_from(item) for key, item in layout.state.layers.items()})
            if force:
                layout.forget()

    def build(self) -> t.Iterator[Image]:
        """Build in the order of the requests; raises AmbientError at the first that can't be built."""
        for request, layout in zip(self._requests, self._layouts, strict=True):
            yield self._build(request, layout)

    def _build(self, request: Request, layout: Layout) -> Image:
        self._hashes.used = {}
        definition = request.definition
        base, sources = self._inputs.resolve(request)
        labels = {**definition.labels, **request.labels}
        planned = [*base.layers, *([files_layer(definition, base, sources)] if definition.files else [])]
        key = hashlib.sha256(
            canonical_json([[layer.key for layer in planned], image_config(definition, base.config, labels, [])])
        ).hexdigest()
        if layout.state.key == key and layout.untouched():
            if self._write and self._hashes.used != layout.state.sources:
                layout.remember(key, layout.state.result, layout.state.layers, self._hashes.used)
            return _image(layout.state.result, changed=False, before=layout.state.result["digest"])
        if not self._write:
            return self._assemble(layout, key, definition, base, labels, planned)
        with layout.lock():
            return self._assemble(layout, key, definition, base, labels, planned)

    def _assemble(
        self,
        layout: Layout,
        key: str,
        definition: Definition,
        base: BaseImage,
        labels: t.Mapping[str, str],
        planned: t.Sequence[PlannedLayer],
    ) -> Image:
        kept = True
        layers: list[Layer] = []
        for plan in planned:
            layer, had = self._layer(layout, plan)
            layers.append(layer)
            kept &= had
        config = canonical_json(image_config(definition, base.config, labels, layers))
        manifest = canonical_json(_manifest(blob_of(config), layers))
        index = canonical_json(_index(blob_of(manifest), definition.platform))
        for data in (config, manifest):
            if not layout.has(blob_of(data)):
                kept = False
                if self._write:
                    layout.write_blob(_writer(data))
        blobs = [blob_of(config), blob_of(manifest), *(layer.blob for layer in layers)]
        old = layout.index()
        result = {
            "digest": blobs[1].digest,
            "size": sum(blob.size for blob in set(blobs)),
            "layers": [[layer.blob.digest, layer.blob.size] for layer in layers],
        }
        image = _image(result, changed=not kept or old != index, before=_digest_in(layout) if old else "")
        if self._write:
            layout.commit(index, blobs)
            known = {plan.key: _layer_record(layer) for plan, layer in zip(planned, layers, strict=True)}
            layout.remember(key, result, known, self._hashes.used)
        return image

    def _layer(self, layout: Layout, plan: PlannedLayer) -> tuple[Layer, bool]:
        """A layer, and whether the layout had it already."""
        layer = plan.finished or self._made.get(plan.key)
        if layer is not None:
            if layout.has(layer.blob):
                return layer, True
            if not self._write:
                return layer, False
            for other in self._layouts:
                if other is not layout and other.has(layer.blob):
                    layout.link_blob(layer.blob, other.blob_path(layer.blob))
                    return layer, False
        if self._write:
            blob, had = layout.write_blob(plan.produce)
        else:
            blob = _measure(plan)
            had = layout.has(blob)
        made = plan.finished or Layer(blob, blob.digest)
        if made.blob != blob:
            raise AmbientError(f"the base's blob {made.blob.digest} is damaged", path=plan.key)
        self._made[plan.key] = made
        return made, had


def _writer(data: bytes) -> t.Callable[[t.Callable[[bytes], object]], None]:
    def produce(write: t.Callable[[bytes], object]) -> None:
        write(data)

    return produce


def _measure(plan: PlannedLayer) -> Blob:
    digest, size = hashlib.sha256(), 0

    def write(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        size += len(data)

    plan.produce(write)
    return Blob(f"sha256:{digest.hexdigest()}", size)


def _manifest(config: Blob, layers: t.Sequence[Layer]) -> dict[str, t.Any]:
    return {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST,
        "config": {"mediaType": oci.CONFIG, "digest": config.digest, "size": config.size},
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.blob.digest, "size": layer.blob.size} for layer in layers
        ],
    }


def _index(manifest: Blob, platform: str) -> dict[str, t.Any]:
    named = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    entry = {"mediaType": oci.MANIFEST, "digest": manifest.digest, "size": manifest.size, "platform": named}
    return {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [entry]}


def _digest_in(layout: Layout) -> str:
    try:
        return oci.read_manifest(layout.path)[0].digest
    except AmbientError:
        return ""


def _image(result: t.Mapping[str, t.Any], *, changed: bool, before: str) -> Image:
    layers = tuple(Blob(digest, size) for digest, size in result["layers"])
    return Image(changed, result["digest"], result["size"], layers, before)


def _layer_record(layer: Layer) -> dict[str, t.Any]:
    return {
        "digest": layer.blob.digest,
        "size": layer.blob.size,
        "diff_id": layer.diff_id,
        "media_type": layer.media_type,
    }


def _layer_from(item: t.Mapping[str, t.Any]) -> Layer:
    return Layer(Blob(item["digest"], item["size"]), item["diff_id"], item["media_type"])
