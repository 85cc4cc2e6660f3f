# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a manifest, or of several, to take each away or make it null."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every field but those that every object has."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        here = (*path, key)
        if here not in (("kind",), ("apiVersion",), ("metadata",), ("metadata", "name")):
            yield here
        yield from paths(inner, here)


def without(obj: Any, path: tuple[Any, ...]) -> Any:
    """A copy of the object in which the field is missing."""
    copied = copy.deepcopy(obj)
    del _holder(copied, path)[path[-1]]
    return copied


def with_null(obj: Any, path: tuple[Any, ...]) -> Any:
    """A copy of the object in which the field is null."""
    copied = copy.deepcopy(obj)
    _holder(copied, path)[path[-1]] = None
    return copied


def _holder(obj: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        obj = obj[step]
    return obj
