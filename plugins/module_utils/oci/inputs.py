# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into an image: its base and its files, found and checked."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import AmbientError
from .base import ArchiveBase, BaseImage, LayoutBase, Scratch
from .definition import Base, Definition
from .sources import Fetch, Hashes, Source, Sources, SourceSpec


@dataclass(frozen=True)
class Request:
    """One image to build into the layout at ``dest``; ``base`` and ``labels`` go over the definition's."""

    definition: Definition
    dest: Path
    sources: t.Mapping[str, SourceSpec] = field(default_factory=dict)
    base: str = ""
    labels: t.Mapping[str, str] = field(default_factory=dict)


class Inputs:
    """Resolves requests; images with the same root file system archive get the same base.

    aside: where downloads go, if not beside the layouts.
    """

    def __init__(self, hashes: Hashes, fetch: Fetch, aside: Path | None = None) -> None:
        self._hashes = hashes
        self._fetch = fetch
        self._aside = aside
        self._archives: dict[str, ArchiveBase] = {}

    def resolve(self, request: Request) -> tuple[BaseImage, dict[str, Source]]:
        """The base, and the files by the names of their sources; raises AmbientError."""
        definition = request.definition
        base = _wanted_base(request)
        in_files = {file.source for file in definition.files if file.source}
        needed = in_files | ({base.value} if base.kind == "source" else set())
        for name in sorted(needed - request.sources.keys()):
            given = ", ".join(sorted(request.sources)) or "none"
            raise AmbientError(f"the source {name!r} is not given", path=definition.origin, hint=f"Given: {given}")
        for name in sorted(request.sources.keys() - definition.source_names()):
            raise AmbientError(
                f"no file of the image uses the source {name!r}",
                path=definition.origin,
                hint="Leave it out, or correct its name",
            )
        resolver = Sources(self._hashes, request.dest.parent / ".downloads", self._fetch, self._aside)
        sources = {name: resolver.resolve(request.sources[name], f"sources.{name}") for name in sorted(in_files)}
        return self._base(base, request, resolver), sources

    def _base(self, base: Base, request: Request, resolver: Sources) -> BaseImage:
        if base.kind == "scratch":
            return Scratch()
        if base.kind == "source":
            spec, where = request.sources[base.value], f"sources.{base.value}"
        else:
            folder = Path() if request.base else Path(request.definition.origin).parent
            spec, where = SourceSpec(path=str(folder / base.value)), f"{request.definition.origin}: base"
        if base.kind == "layout" or (base.kind == "source" and spec.path and Path(spec.path).is_dir()):
            path = Path(spec.path).absolute()
            if not path.exists():
                raise AmbientError(f"{path} does not exist", path=where, hint="Give the directory of an OCI layout")
            return LayoutBase(path, request.definition.platform)
        source = resolver.resolve(spec, where)
        return self._archives.setdefault(source.sha256, ArchiveBase(source))


def _wanted_base(request: Request) -> Base:
    if not request.base:
        return request.definition.base
    if request.base == "scratch":
        return Base()
    return Base("layout" if Path(request.base).is_dir() else "archive", request.base)
