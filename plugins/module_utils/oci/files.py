# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layer of an image's own files, placed on its base."""

from __future__ import annotations

import hashlib
import typing as t

from ..errors import AmbientError
from . import tar
from .base import BaseImage, PlannedLayer, Write
from .definition import Definition, FileSpec
from .digest import canonical_json, copy_stream
from .elf import check_program
from .sources import Source
from .tree import Tree


def files_layer(definition: Definition, base: BaseImage, sources: t.Mapping[str, Source]) -> PlannedLayer:
    """The layer as a plan; nothing is read before its ``produce`` is called."""
    content = {
        "format": tar.FORMAT,
        "base": base.key,
        "platform": definition.platform,
        "files": [
            [file.target, file.mode, file.directory, file.content, sources[file.source].sha256 if file.source else None]
            for file in definition.files
        ],
    }

    def produce(write: Write) -> None:
        tree = base.tree()
        entries = _entries(definition, tree, sources)
        _check_programs(definition, tree, entries, sources)
        for name in sorted(entries):
            entry, file = entries[name]
            write(tar.header(entry))
            if entry.kind == tar.FILE and file is not None:
                _write_content(file, entry.size, sources, write)
                write(tar.padding(entry.size))
        write(tar.END)

    return PlannedLayer("files:" + hashlib.sha256(canonical_json(content)).hexdigest(), produce)


_Entries = dict[str, tuple[tar.Entry, t.Optional[FileSpec]]]  # noqa: UP045  (pylint takes | for an operation)


def _entries(definition: Definition, tree: Tree, sources: t.Mapping[str, Source]) -> _Entries:
    entries: _Entries = {}
    for index, file in enumerate(definition.files):
        where = f"{definition.origin}: files[{index}]"
        try:
            name, parents = tree.place(file.target)
        except AmbientError as error:
            raise AmbientError(error.message, path=f"{where}.target") from error
        for parent in parents:
            entries.setdefault(parent, (tar.Entry(parent, tar.DIRECTORY, 0o755), None))
        below = tree.get(name)
        if below is not None and (below.kind == tar.DIRECTORY) != file.directory:
            kind = "a directory" if below.kind == tar.DIRECTORY else "no directory"
            raise AmbientError(f"/{name} is {kind} in the base", path=f"{where}.target")
        taken = entries.get(name)
        if taken and (taken[1] or not file.directory):
            raise AmbientError(f"/{name} is also made by another file", path=f"{where}.target")
        entries[name] = _entry(name, file, sources), file
    for name in entries:
        parent = name.rpartition("/")[0]
        if parent in entries and entries[parent][0].kind != tar.DIRECTORY:
            raise AmbientError(f"/{parent} is a file, /{name} can't lie below it", path=f"{definition.origin}: files")
    return entries


def _entry(name: str, file: FileSpec, sources: t.Mapping[str, Source]) -> tar.Entry:
    if file.directory:
        return tar.Entry(name, tar.DIRECTORY, file.mode)
    if file.content is not None:
        return tar.Entry(name, tar.FILE, file.mode, len(file.content.encode()))
    return tar.Entry(name, tar.FILE, file.mode, sources[file.source].size)


def _check_programs(definition: Definition, tree: Tree, entries: _Entries, sources: t.Mapping[str, Source]) -> None:
    def exists(path: str) -> bool:
        return tree.holds(path) or path.strip("/") in entries

    for index, file in enumerate(definition.files):
        if file.source and file.mode & 0o111:
            with sources[file.source].open() as content:
                check_program(content, definition.platform, exists, f"{definition.origin}: files[{index}]")


def _write_content(file: FileSpec, size: int, sources: t.Mapping[str, Source], write: Write) -> None:
    if file.content is not None:
        write(file.content.encode())
        return
    source = sources[file.source]
    digest = hashlib.sha256()

    def hashed(chunk: bytes) -> None:
        digest.update(chunk)
        write(chunk)

    with source.open() as content:
        copied = copy_stream(content, hashed, size)
    if copied != size or digest.hexdigest() != source.sha256:
        raise AmbientError("changed while it was read", path=str(source.path), hint="Run again")
