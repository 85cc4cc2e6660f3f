# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the probe saw, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .verdict import Seen
from .ztunnel import Connection

NOT_REACHED = "the probe did not get that far"


@dataclass(frozen=True)
class Exchange:
    """One request: did the right server answer, and what was seen."""

    ok: bool
    detail: str


@dataclass(frozen=True)
class Plain:
    """Requests before enrolment, from the later mesh client and from the one that stays outside."""

    inside: Exchange
    outside: Exchange


@dataclass(frozen=True)
class Certified:
    """The probe pods as istiod and their ztunnels have them after enrolment: what is wrong, if anything."""

    unknown: tuple[str, ...]
    unsigned: tuple[str, ...]


@dataclass(frozen=True)
class Strict:
    """The outside client before STRICT, both clients under it, and what ztunnel logged about the refusal."""

    before: Exchange
    outside: Exchange
    inside: Exchange
    logged: str = ""


@dataclass(frozen=True)
class Kubelet:
    """How the kubelet's probes fared: seconds watched since enrolment, and since STRICT; what went wrong."""

    seconds: float
    strict_seconds: float
    troubles: tuple[str, ...]


@dataclass(frozen=True)
class Unenrolled:
    """After the label was taken away, with STRICT still set: what still marks the pods, and both clients."""

    left: tuple[str, ...]
    inside: Exchange
    outside: Exchange


@dataclass
class Observations:
    """Filled as the probe goes; what it did not reach says so."""

    server_node: str
    client_node: str
    trust_domain: str
    stand_in: Seen[str]
    started: Seen[str] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    plain: Seen[Plain] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    enrolled: Seen[Mapping[str, str]] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    meshed: Seen[Exchange] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    certified: Seen[Certified] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    log: Seen[list[Connection]] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    strict: Seen[Strict] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    kubelet: Seen[Kubelet] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    unenrolled: Seen[Unenrolled] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    removed: Seen[list[str]] = field(default_factory=lambda: Seen(why=NOT_REACHED))

    @property
    def single_node(self) -> bool:
        """Did both pods run on one node?"""
        return self.server_node == self.client_node

    @property
    def is_enrolled(self) -> bool:
        """Were both probe pods redirected?"""
        found = self.enrolled.value or {}
        return bool(found) and all(value == "enabled" for value in found.values())
