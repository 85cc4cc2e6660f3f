# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until new kinds can be found: a CRD is established a moment before discovery lists its kind."""

from __future__ import annotations

import time
from collections.abc import Iterable

from .discovery import Discovery

_PATIENCE = 10.0  # seconds
_PAUSE = 0.1


def await_kinds(discovery: Discovery, kinds: Iterable[tuple[str, str]]) -> None:
    """Read discovery anew until it lists these kinds (group and kind); at most for ten seconds."""
    wanted = set(kinds)
    deadline = time.monotonic() + _PATIENCE
    while True:
        discovery.refresh()
        known = {(group, kind) for group, _version, kind in discovery.kinds()}
        if wanted <= known or time.monotonic() > deadline:
            return
        time.sleep(_PAUSE)
