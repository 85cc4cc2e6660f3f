# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of `apply`: those that no run could do with are refused before anything is read or written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import AmbientError
from ..manifests.items import WAVE_RANGE, Item, load_items
from ..mesh.names import is_dns_label
from ..progress import Progress
from .settings import Settings

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def refuse_bad_options(params: Mapping[str, Any]) -> None:
    """AmbientError for the first option that cannot be meant."""
    mesh, home = params["mesh"], params["inventory_namespace"]
    if not _LABEL_VALUE.fullmatch(mesh):
        raise AmbientError(
            f"is no value of a label: {mesh!r}",
            path="mesh",
            hint="Up to 63 letters, digits, '-', '_' and '.', the first and the last a letter or a digit",
        )
    _refuse_no_namespace(home, "inventory_namespace")
    for index, name in enumerate(params["namespaces"] or []):
        _refuse_no_namespace(name, f"namespaces[{index}]")
    for name in ("wait_timeout", "lock_timeout", "settle"):
        if params[name] < 0:
            raise AmbientError(f"must not be negative, it is {params[name]}", path=name, hint="Give seconds")
    for wave in params["waves"] or []:
        if wave not in WAVE_RANGE:
            known = f"from {WAVE_RANGE.start} to {WAVE_RANGE.stop - 1}"
            raise AmbientError(f"there is no wave {wave}", path="waves", hint=f"Waves go {known}")
    _refuse_unwritable(Path(params["work_dir"]).expanduser())


def settings_of(params: Mapping[str, Any], check: bool, diff: bool) -> Settings:
    """How to apply, from the options."""
    same = (
        *("mesh", "inventory_namespace", "wait", "prune", "prune_cluster_scoped", "settle", "lock_timeout"),
        "require_ready",
    )
    waves, namespaces = (None if params[name] is None else frozenset(params[name]) for name in ("waves", "namespaces"))
    return Settings(
        **{name: params[name] for name in same},
        waves=waves,
        namespaces=namespaces,
        timeout=params["wait_timeout"],
        force=params["force_conflicts"],
        check=check,
        diff=diff,
        progress=Progress(params["progress_file"]).say,
    )


def later_steps(files: Sequence[str]) -> tuple[tuple[Item, ...], ...]:
    """What the files of later steps bring, step by step."""
    return tuple(tuple(load_items([file]).items) for file in files)


def _refuse_no_namespace(name: str, path: str) -> None:
    if not is_dns_label(name):
        raise AmbientError(
            f"is no name of a namespace: {name!r}",
            path=path,
            hint="Up to 63 small letters, digits and '-', the first and the last a letter or a digit",
        )


def _refuse_unwritable(directory: Path) -> None:
    """The report is written last: that it cannot be must not come out when all is done."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AmbientError(
            f"cannot be made: {error.strerror}", path=f"work_dir {directory}", hint="Give another directory"
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise AmbientError("cannot be written", path=f"work_dir {directory}", hint="Check its permissions")
