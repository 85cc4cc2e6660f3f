# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The label by which an installation recognises its own objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .identity import Object

MESH_LABEL = "ambient.alauda.io/mesh"


def own(obj: Mapping[str, Any], mesh: str) -> Object:
    """A copy of the manifest with the label that says which mesh it belongs to."""
    owned: Object = dict(obj)
    metadata = dict(owned.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), MESH_LABEL: mesh}
    owned["metadata"] = metadata
    return owned


def mesh_of(obj: Mapping[str, Any]) -> str:
    """The mesh that an object says it belongs to, "" for none."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    return str(labels.get(MESH_LABEL) or "")
