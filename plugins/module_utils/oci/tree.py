# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of a base image, to place files as the base's own links say.

On a merged-usr base ``/bin/x`` must become ``usr/bin/x``: a directory entry ``bin`` would replace the base's link.
"""

from __future__ import annotations

import posixpath
import typing as t

from ..errors import AmbientError
from . import tar

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MAX_LINKS = 40


class Tree:
    """Paths relative to the root, as a stack of layers leaves them."""

    def __init__(self) -> None:
        self._paths: dict[str, tar.Entry] = {}

    def add_layer(self, entries: t.Iterable[tar.Entry]) -> None:
        """Put a layer's entries on top; whiteouts remove what lies below."""
        fresh: dict[str, tar.Entry] = {}
        for entry in entries:
            folder, name = posixpath.split(entry.name)
            if name == _OPAQUE:
                self._remove_below(folder)
            elif name.startswith(_WHITEOUT):
                gone = posixpath.join(folder, name[len(_WHITEOUT) :])
                self._remove_below(gone)
                self._paths.pop(gone, None)
            else:
                fresh[entry.name] = entry
        for name, entry in fresh.items():
            if name in self._paths and entry.kind != tar.DIRECTORY:
                self._remove_below(name)
            self._paths[name] = entry

    def place(self, target: str) -> tuple[str, list[str]]:
        """Where an absolute path really lies, and its parent directories that are missing, outermost first.

        Raises AmbientError where a parent is a file or a link that goes in circles.
        """
        folder, name = posixpath.split(target.strip("/"))
        real = self._resolve(folder, target)
        below = self._paths.get(real)
        if below is not None and below.kind != tar.DIRECTORY:
            raise _not_a_directory(real, target)
        missing = []
        parent = real
        while parent and parent not in self._paths:
            missing.append(parent)
            parent = parent.rpartition("/")[0]
        return (f"{real}/{name}" if real else name), missing[::-1]

    def get(self, name: str) -> tar.Entry | None:
        return self._paths.get(name)

    def holds(self, path: str) -> bool:
        """Whether an absolute path exists, links followed."""
        try:
            real = self._resolve(path.strip("/"), path)
        except AmbientError:
            return False
        return real in self._paths

    def _resolve(self, path: str, target: str) -> str:
        todo = [part for part in path.split("/") if part][::-1]
        real: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del real[-1:]
                continue
            entry = self._paths.get("/".join([*real, part]))
            if entry is None or entry.kind == tar.DIRECTORY or (not todo and entry.kind != tar.SYMLINK):
                real.append(part)
                continue
            if entry.kind != tar.SYMLINK:
                raise _not_a_directory(entry.name, target)
            links += 1
            if links > _MAX_LINKS:
                raise AmbientError(f"the base's link /{entry.name} goes in circles", path=target)
            if entry.link.startswith("/"):
                real = []
            todo.extend(entry.link.split("/")[::-1])
        return "/".join(real)

    def _remove_below(self, folder: str) -> None:
        prefix = f"{folder}/" if folder else ""
        for name in [name for name in self._paths if name.startswith(prefix)]:
            del self._paths[name]


def _not_a_directory(name: str, target: str) -> AmbientError:
    return AmbientError(f"/{name} is a file in the base, not a directory", path=target)
