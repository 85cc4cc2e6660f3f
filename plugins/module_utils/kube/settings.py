# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run applies or removes a set of objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How to apply. `waves` limits the run to these waves; `timeout` (per wave) and `lock_timeout` are in seconds."""

    mesh: str
    inventory_namespace: str
    waves: frozenset[int] | None = None
    wait: bool = True
    timeout: float = 300
    force: bool = False
    check: bool = False
    diff: bool = False  # whether the outcomes must show the whole of what was deleted
    prune: bool = False
    prune_cluster_scoped: bool = False
    lock_timeout: float = 60
    progress: Progress = field(default=lambda line: None)

    def covers(self, wave: int) -> bool:
        """Whether the run includes a wave."""
        return self.waves is None or wave in self.waves
