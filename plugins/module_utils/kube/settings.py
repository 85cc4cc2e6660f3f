# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run applies or removes a set of objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..manifests.identity import Identity
from ..manifests.items import Item

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How to apply. `timeout` (per wave), `settle` and `lock_timeout` are in seconds.

    Args:
        waves: limits the run to these waves.
        namespaces: limits the run to what is in these namespaces, and to these Namespaces themselves.
        settle: how long to pause between two stages where the first has moved traffic.
        sleep: how to pause.
        require_ready: whether what labels lead to must be ready before they move, and before policies narrow.
        ahead: what each step after this run brings; what that moves to must be ready before this run writes.
    """

    mesh: str
    inventory_namespace: str
    waves: frozenset[int] | None = None
    namespaces: frozenset[str] | None = None
    wait: bool = True
    timeout: float = 300
    force: bool = False
    check: bool = False
    diff: bool = False  # whether the outcomes must show the whole of what was deleted
    prune: bool = False
    prune_cluster_scoped: bool = False
    settle: float = 0
    lock_timeout: float = 60
    require_ready: bool = True
    ahead: tuple[tuple[Item, ...], ...] = ()
    progress: Progress = field(default=lambda line: None)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def covers(self, item: Item) -> bool:
        """Whether the run includes an item."""
        return (self.waves is None or item.wave in self.waves) and self.reaches(item.identity)

    def reaches(self, identity: Identity) -> bool:
        """Whether an object is in the namespaces of the run, or is one of them."""
        if self.namespaces is None:
            return True
        if (identity.group, identity.kind) == ("", "Namespace"):
            return identity.name in self.namespaces
        return identity.namespace in self.namespaces
