# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normal form of a manifest: what the API server could not keep track of, said in words that it can."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from .identity import Object


def normal(obj: Object) -> Object:
    """The manifest as it is sent.

    A Secret's `stringData` becomes `data`. The API server moves the values there anyway, but leaves the ownership
    behind: it would neither see that somebody else changed one, nor take away one that we no longer set.
    """
    if obj.get("apiVersion") != "v1" or obj.get("kind") != "Secret" or "stringData" not in obj:
        return obj
    plain, data = obj["stringData"] or {}, obj.get("data") or {}
    if not isinstance(data, Mapping) or not _texts(plain):
        return obj  # the API server says what is wrong with it
    merged: dict[str, Any] = {**data, **{key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}}
    rest = {key: value for key, value in obj.items() if key != "stringData"}
    return {**rest, "data": merged} if merged else rest


def _texts(values: Any) -> bool:
    return isinstance(values, Mapping) and all(isinstance(text, str) for text in values.values())
