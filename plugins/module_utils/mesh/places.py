# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxies at which an entry holds, and its ports as they see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .facts import Labels
from .intents import Intent

#: The ports of an entry as a proxy sees them; None where nothing of the entry holds there.
Ports = Callable[[Intent], "tuple[int, ...] | None"]


@dataclass(frozen=True)
class Pods:
    """Pods at whose ztunnels an entry holds. `locked`: only their waypoint may call them anyway."""

    selector: Labels
    locked: bool
    ports: Ports


@dataclass(frozen=True)
class Attachment:
    """The Service or Gateway at which a waypoint enforces an entry."""

    kind: str
    name: str
    ports: Ports


@dataclass(frozen=True)
class Place:
    """All places at which a target is closed. `past`: its Services whose callers pass no waypoint."""

    pods: tuple[Pods, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    past: tuple[Attachment, ...] = ()


def as_said(intent: Intent) -> tuple[int, ...] | None:
    """The ports that the entry names; all if it names none."""
    return intent.ports


def without_ports(intent: Intent) -> tuple[int, ...] | None:
    """Where an entry holds that names no port."""
    return None if intent.ports else ()
