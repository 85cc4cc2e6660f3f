# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache outside the checkout: every artefact is a directory named by the hash of what it was made from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_VERSIONS = 2
KEPT_SECONDS = 24 * 3600  # a description of a cluster may still name what another run has replaced since


def root() -> Path:
    """The cache directory: AMBIENT_CACHE, or ~/.cache/alauda.ambient."""
    return Path(os.environ.get("AMBIENT_CACHE") or "~/.cache/alauda.ambient").expanduser().absolute()


def key(*inputs: str | bytes | Path) -> str:
    """A short hash of strings, bytes, and files (by content); directories count with the names in them."""
    total = hashlib.sha256()
    for part in inputs:
        if isinstance(part, Path):
            files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
            for file in files:
                name = file.relative_to(part).as_posix() if part.is_dir() else file.name
                _feed(total, name.encode())
                _feed(total, file.read_bytes())
        else:
            _feed(total, part.encode() if isinstance(part, str) else part)
    return total.hexdigest()[:16]


def _feed(total: hashlib._Hash, part: bytes) -> None:
    total.update(len(part).to_bytes(8, "big"))
    total.update(part)


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Keep two runs from making the same thing at once; a killed run leaves no lock behind."""
    folder = root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def artefact(name: str, inputs_key: str, build: Callable[[Path], None]) -> Path:
    """The directory of an artefact; built if it is not there.

    It appears under its name only when complete, so that a kill during `build` costs that one artefact.
    """
    target = root() / "artefacts" / f"{name}-{inputs_key}"
    if target.exists():
        os.utime(target)
        return target
    with lock(name):
        if not target.exists():
            partial = target.with_name(f".partial-{target.name}")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            build(partial)
            partial.rename(target)
            _forget_old(target.parent, name)
    return target


def _forget_old(folder: Path, name: str) -> None:
    versions = [p for p in folder.iterdir() if p.name.rpartition("-")[0] == name]
    for old in sorted(versions, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT_VERSIONS:]:
        if old.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)


def copy_tree(source: Path, target: Path) -> None:
    """Copy file contents only: what the Go module cache holds is read-only, and stays removable this way."""
    for path in sorted(source.rglob("*")):
        to = target / path.relative_to(source)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        else:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            if path.stat().st_mode & 0o100:
                to.chmod(0o755)
