# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of files on disk: written as a whole, or left as it was.

New files are staged in a hidden folder of the tree, then put in place while the old ones are kept beside them. What
fails before the last step is taken back at once. What is killed is taken back by the next write: a journal in that
folder says what was about to happen, and it goes only when everything is in place.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import AmbientError
from .files import load_json, make_folder, refuse_no_file
from .place import LIST_FILE, STAGING, refuse_place

_JOURNAL = "journal"
_ACCESS = "Check the path, its permissions and the space on the disk, then render again: the old files are in place"


@dataclass(frozen=True)
class Change:
    """What a write does: relative paths, and the text that each of them had before."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    before: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _Step:
    """One file of a write. `existed`: there was one before; `number`: its name in the staging folder."""

    number: int
    path: str
    existed: bool


def foresee_tree(dest: Path, files: Mapping[str, str]) -> Change:
    """What `write_tree` would do."""
    with _told(dest):
        refuse_place(dest, files)
        return _compare(_Disk(dest), files)


def write_tree(dest: Path, files: Mapping[str, str]) -> Change:
    """Make the tree hold these files: only what differs is written, only what we once wrote is removed.

    AmbientError for a file that somebody else put where one of ours belongs, for another write of the same tree at the
    same time, and for a place where no tree belongs; the tree is as it was then.
    """
    with _told(dest):
        refuse_place(dest, files)
        if _same(_Disk(dest), files):
            return Change((), ())
        made = _make_directories(dest)
        try:
            with _locked(dest):
                _recover(dest)
                disk = _Disk(dest)
                change = _compare(disk, files)
                _write(disk, files, change)
        except BaseException:
            _drop_empty(made)
            raise
        return change


class _Disk:
    """The files of a tree as they were before a write that did not end, if there is one."""

    def __init__(self, dest: Path) -> None:
        self.dest = dest
        self._old: dict[str, Path | None] = {}
        for step in _journal(dest):
            kept = _kept(dest, step)
            if kept.is_file():
                self._old[step.path] = kept
            elif not step.existed and not _staged(dest, step).exists():
                self._old[step.path] = None
        self.ours = self._listed()

    def read(self, path: str) -> bytes | None:
        """What a file holds, None where there is none."""
        place = self._old.get(path, self.dest / path)
        try:
            refuse_no_file(place or self.dest)
            return None if place is None else place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def is_file(self, path: str) -> bool:
        """Whether there is such a file in the tree itself."""
        place = self._old.get(path, self.dest / path)
        return place is not None and (place.is_file() or place.is_symlink()) and not _leads_out(self.dest, path)

    def _listed(self) -> set[str]:
        text = self.read(LIST_FILE)
        if text is None:
            return set()
        try:
            listed = {str(path) for path in load_json(text.decode(), "")["files"]}
        except (AmbientError, ValueError, KeyError, TypeError) as error:
            what, hint = "the list of our own files cannot be read", "Restore it, or render into an empty directory"
            raise AmbientError(what, path=str(self.dest / LIST_FILE), hint=hint) from error
        return {path for path in listed if _inside(path)}


def _same(disk: _Disk, files: Mapping[str, str]) -> bool:
    if (disk.dest / STAGING).exists():
        return False
    change = _compare(disk, files)
    return not change.written and not change.removed and disk.read(LIST_FILE) == _list_of(files)


def _compare(disk: _Disk, files: Mapping[str, str]) -> Change:
    before: dict[str, str] = {}
    written: list[str] = []
    for path, text in sorted(files.items()):
        old = disk.read(path)
        if old == text.encode():
            continue
        if old is not None and path not in disk.ours:
            raise AmbientError(
                "exists and was not written by this collection",
                path=str(disk.dest / path),
                hint="Render into another directory",
            )
        if _leads_out(disk.dest, path):
            place = str((disk.dest / path).parent)
            raise AmbientError("is a link, not a folder", path=place, hint="Remove it, or render elsewhere")
        written.append(path)
        before[path] = "" if old is None else old.decode(errors="replace")
    removed = sorted(path for path in disk.ours - set(files) if disk.is_file(path))
    before |= {path: (disk.read(path) or b"").decode(errors="replace") for path in removed}
    return Change(tuple(written), tuple(removed), before)


def _write(disk: _Disk, files: Mapping[str, str], change: Change) -> None:
    dest, staging = disk.dest, disk.dest / STAGING
    texts: dict[str, bytes] = {path: files[path].encode() for path in change.written}
    if disk.read(LIST_FILE) != _list_of(files):
        texts[LIST_FILE] = _list_of(files)
    steps = [_Step(number, path, disk.is_file(path)) for number, path in enumerate([*texts, *change.removed])]
    if not steps:
        return
    try:
        staging.mkdir()
        for step in steps:
            if step.path in texts:
                _put(_staged(dest, step), texts[step.path])
        # Its name tells whether it is whole.
        _put(staging / f"{_JOURNAL}.new", json.dumps([vars(step) for step in steps]).encode())
        (staging / f"{_JOURNAL}.new").rename(staging / _JOURNAL)
        for step in steps:
            _replace(dest, step, new=step.path in texts)
        (staging / _JOURNAL).unlink()
    except BaseException:
        # Whatever goes wrong here is left to the next write, which finds the journal.
        with contextlib.suppress(OSError, AmbientError):
            _recover(dest)
        raise
    with contextlib.suppress(OSError):  # the next write takes away what is left
        shutil.rmtree(staging)
    for path in change.removed:
        _drop_empty([dest / parent for parent in reversed(PurePosixPath(path).parents[:-1])])


def _replace(dest: Path, step: _Step, *, new: bool) -> None:
    target, kept = dest / step.path, _kept(dest, step)
    if step.existed:
        try:
            if new:
                os.link(target, kept, follow_symlinks=False)  # so that there is a file at any moment
        except OSError:
            pass  # a file system without links
        if not kept.exists():
            target.rename(kept)
    elif target.exists():
        raise AmbientError("has come while the tree was written", path=str(target), hint="Render again")
    if new:
        _make_directories(target.parent)
        _staged(dest, step).replace(target)


def _recover(dest: Path) -> None:
    """Take back what a write did that did not end."""
    staging = dest / STAGING
    if not staging.is_dir():
        return
    for step in _journal(dest):
        target, kept = dest / step.path, _kept(dest, step)
        if kept.exists() or kept.is_symlink():
            kept.replace(target)
        elif not step.existed:
            if not _staged(dest, step).exists():
                target.unlink(missing_ok=True)
            _drop_empty([dest / parent for parent in reversed(PurePosixPath(step.path).parents[:-1])])
    (staging / _JOURNAL).unlink(missing_ok=True)
    shutil.rmtree(staging)


def _journal(dest: Path) -> list[_Step]:
    path = dest / STAGING / _JOURNAL
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_bytes())
        return [step for step in (_Step(**entry) for entry in entries) if _inside(step.path)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (ValueError, TypeError) as error:
        raise AmbientError(
            "the journal of a write that did not end cannot be read",
            path=str(path),
            hint="Look at the tree, restore what is missing, and remove that folder",
        ) from error


def _inside(path: str) -> bool:
    return ".." not in PurePosixPath(path).parts and not path.startswith("/")


def _staged(dest: Path, step: _Step) -> Path:
    return dest / STAGING / f"{step.number}.new"


def _kept(dest: Path, step: _Step) -> Path:
    return dest / STAGING / f"{step.number}.old"


def _list_of(files: Mapping[str, str]) -> bytes:
    return (json.dumps({"files": sorted(files)}, indent=1) + "\n").encode()


def _put(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        os.fchmod(file.fileno(), 0o644)


def _leads_out(dest: Path, path: str) -> bool:
    """Whether a folder in the tree is a link: what lies behind it is not ours."""
    return any((dest / parent).is_symlink() for parent in PurePosixPath(path).parents[:-1])


def _make_directories(path: Path) -> list[Path]:
    """Make a directory and those above it; those that were made, the uppermost first."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    missing.reverse()
    try:
        for directory in missing:
            make_folder(directory)
    except OSError:
        _drop_empty(missing)
        raise
    return missing


def _drop_empty(directories: list[Path]) -> None:
    for directory in reversed(directories):
        with contextlib.suppress(OSError):
            directory.rmdir()


@contextlib.contextmanager
def _locked(dest: Path) -> Iterator[None]:
    """Keep other writes of the same tree away; a lock ends with its process."""
    handle = os.open(dest, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise AmbientError(
            "another run is writing this tree", path=str(dest), hint="Wait for it to end, then run again"
        ) from error
    finally:
        os.close(handle)


@contextlib.contextmanager
def _told(dest: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else str(dest)
        reason = error.strerror or str(error)
        raise AmbientError(f"cannot be read or written: {reason}", path=where, hint=_ACCESS) from error
