# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an image archive of the kind that `docker save` makes: one binary each, on nothing or on a root file system.

The control plane's images need no more than that. Component images of the collection are built by its own modules.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """An image with one binary at its root and in /usr/local/bin.

    Args:
        name: `registry/repository:tag`.
        binary: the file; it is also the entrypoint.
        base: a tar archive of a root file system, or None for an empty one.
    """

    name: str
    binary: Path
    base: Path | None = None


def write(target: Path, images: Sequence[Image]) -> None:
    """Write the archive of these images; layers they share are in it once."""
    manifest = []
    written: set[str] = set()
    with tarfile.open(target, "w") as archive:
        for image in images:
            layers = [image.base] if image.base else []
            names, digests = [], []
            for layer in [*layers, _layer(target, image.binary)]:
                digest = _sha256(layer)
                names.append(f"{digest}.tar")
                digests.append(f"sha256:{digest}")
                if digest not in written:
                    archive.add(layer, names[-1])
                    written.add(digest)
            config = _config(image, digests)
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(archive, config_name, config)
            manifest.append({"Config": config_name, "RepoTags": [image.name], "Layers": names})
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    _layer_path(target).unlink(missing_ok=True)


def _config(image: Image, digests: list[str]) -> bytes:
    return json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": [f"/{image.binary.name}"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": digests},
    }).encode()  # fmt: skip


def _layer_path(target: Path) -> Path:
    return target.with_name(target.name + ".layer")


def _layer(target: Path, binary: Path) -> Path:
    path = _layer_path(target)
    with tarfile.open(path, "w") as layer:
        entry = tarfile.TarInfo(f"usr/local/bin/{binary.name}")
        entry.size, entry.mode = binary.stat().st_size, 0o755
        with binary.open("rb") as content:
            layer.addfile(entry, content)
        link = tarfile.TarInfo(binary.name)
        link.type, link.linkname = tarfile.SYMTYPE, f"usr/local/bin/{binary.name}"
        layer.addfile(link)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
