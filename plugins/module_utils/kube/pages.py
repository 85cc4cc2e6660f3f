# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that are read page by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..manifests.identity import Object
from .errors import ApiError
from .transport import Transport


def read_pages(transport: Transport, path: str, query: Mapping[str, Any], accept: str) -> tuple[list[Object], str]:
    """All items of a list and its resourceVersion; once from the beginning where the rest of it has expired."""
    items: list[Object] = []
    token: str | None = None
    restarted = False
    while True:
        try:
            page = transport.json("GET", path, query={**query, "continue": token}, accept=accept)
        except ApiError as error:
            if error.status == 410 and token and not restarted:
                items, token, restarted = [], None, True
                continue
            raise
        items += page.get("items") or []
        metadata = page.get("metadata") or {}
        token = metadata.get("continue")
        if not token:
            return items, str(metadata.get("resourceVersion") or "")
