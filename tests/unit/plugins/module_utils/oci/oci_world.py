# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives, programs and definitions that the tests of image building share."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def tar_of(members: Iterable[tuple[str, dict[str, Any], bytes]], mode: str = "w") -> bytes:
    """A tar archive of (name, TarInfo's attributes, content), in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, attributes, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 12345
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


DIRECTORY = {"type": tarfile.DIRTYPE, "mode": 0o755}


def link(target: str) -> dict[str, Any]:
    return {"type": tarfile.SYMTYPE, "linkname": target}


ROOTFS = (
    ("./", DIRECTORY, b""),
    ("./usr", DIRECTORY, b""),
    ("./usr/bin", DIRECTORY, b""),
    ("./usr/bin/sh", {"mode": 0o755}, b"shell"),
    ("./bin", link("usr/bin"), b""),
    ("./etc", DIRECTORY, b""),
    ("./etc/ssl", DIRECTORY, b""),
    ("./etc/ssl/bundle.crt", {}, b"certificates"),
    ("./var", DIRECTORY, b""),
    ("./run", DIRECTORY, b""),
    ("./var/run", link("/run"), b""),
    ("./tmp", {"type": tarfile.DIRTYPE, "mode": 0o1777}, b""),
    ("./dev", DIRECTORY, b""),
    ("./dev/null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, b""),
)


def one_file(target: str = "/usr/local/bin/program", **keys: Any) -> dict[str, Any]:
    """The content of an image.yml with the source `program`."""
    return {"files": [{"source": "program", "target": target, "mode": "0755"}], **keys}


def elf(machine: int = 62, loader: str = "") -> bytes:
    """The first bytes of a 64-bit program; with a loader it is dynamically linked."""
    ident = b"\x7fELF" + bytes([2, 1, 1]) + b"\0" * 9
    count = 1 if loader else 0
    head = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    if not loader:
        return head
    name = loader.encode() + b"\0"
    return head + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1) + name


def blobs(layout: Path) -> dict[str, bytes]:
    """Every blob of a layout by its digest, checked against it."""
    found = {}
    for path in sorted((layout / "blobs/sha256").iterdir()):
        data = path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == path.name
        found[f"sha256:{path.name}"] = data
    return found


def contents(layout: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
    """Manifest, configuration and blobs of a sound layout; fails where something is missing or left over."""
    held = blobs(layout)
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    manifest = json.loads(held[entry["digest"]])
    assert len(held[entry["digest"]]) == entry["size"]
    children = [manifest["config"], *manifest["layers"]]
    assert {entry["digest"], *(child["digest"] for child in children)} == set(held)
    assert all(len(held[child["digest"]]) == child["size"] for child in children)
    config = json.loads(held[manifest["config"]["digest"]])
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == len(manifest["layers"])
    return manifest, config, held


def members(layout: Path, layer: int = -1) -> list[tarfile.TarInfo]:
    """The entries of a layer, the last one if not told."""
    manifest, dummy, held = contents(layout)
    data = held[manifest["layers"][layer]["digest"]]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()
