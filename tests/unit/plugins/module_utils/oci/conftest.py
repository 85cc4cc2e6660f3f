# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small world of files to build images from."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.oci.build import Builder, Image
from ansible_collections.alauda.ambient.plugins.module_utils.oci.definition import parse_definition
from ansible_collections.alauda.ambient.plugins.module_utils.oci.inputs import Request
from ansible_collections.alauda.ambient.plugins.module_utils.oci.sources import SourceSpec
from unit.plugins.module_utils.oci.oci_world import ROOTFS, tar_of

Build = Callable[..., Image]


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(tar_of(ROOTFS))
    return path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"#!/bin/sh\nexit 0\n")
    return path


@pytest.fixture
def build(tmp_path: Path, program: Path) -> Build:
    """Build one image into `layout`; the source `program` is given unless others are."""

    def run(
        spec: Mapping[str, Any],
        *,
        sources: Mapping[str, SourceSpec | str] | None = None,
        dest: str = "layout",
        write: bool = True,
        force: bool = False,
        **request: Any,
    ) -> Image:
        given = {"program": str(program)} if sources is None else sources
        item = Request(
            definition=parse_definition(spec, str(tmp_path / "image.yml")),
            dest=tmp_path / dest,
            sources={name: SourceSpec(path=x) if isinstance(x, str) else x for name, x in given.items()},
            **request,
        )
        return next(Builder([item], urllib.request.urlopen, write=write, force=force).build())

    return run
