# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the probe saw, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .probe_objects import Plan
from .verdict import Seen
from .ztunnel import Connection

NOT_REACHED = "the probe did not get that far"


@dataclass(frozen=True)
class Exchange:
    """One request: did the right server answer, and what was seen.

    Attributes:
        status: of the HTTP answer, 0 if there was none.
        envoy: by which words of the answer an Envoy of Istio's is known.
    """

    ok: bool
    detail: str
    status: int = 0
    envoy: str = ""


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


@dataclass(frozen=True)
class Captured:
    """A pod that was made after enrolment: how it is marked, and whether it answers."""

    mark: str
    answer: Exchange


@dataclass(frozen=True)
class Layer7:
    """A Service behind a waypoint that lets GET pass alone; the waypoint's own counts, None if it told none."""

    get: Exchange
    post: Exchange
    allowed: int | None = None
    denied: int | None = None


@dataclass(frozen=True)
class Bypass:
    """Ways around the waypoint by name, without and under lock-down, and the way through it under lock-down."""

    before: Mapping[str, Exchange]
    after: Mapping[str, Exchange]
    through: Exchange


@dataclass(frozen=True)
class Restart:
    """Requests while something restarted: how many, how many without an answer, how long; and what went wrong."""

    requests: int
    failed: int
    seconds: float
    trouble: str = ""

    def __str__(self) -> str:
        share = 100 * self.failed / max(1, self.requests)
        return f"{self.failed} of {self.requests} requests failed ({share:.1f} %) in {self.seconds:.0f} s"


@dataclass
class Observations:
    """Filled as the probe goes; what it did not reach says so."""

    plan: Plan
    trust_domain: str
    stand_in: Seen[str]
    started: Seen[str] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    plain: Seen[Plain] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    enrolled: Seen[Mapping[str, str]] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    meshed: Seen[Exchange] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    certified: Seen[Certified] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    log: Seen[list[Connection]] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    strict: Seen[Strict] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    captured: Seen[Captured] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    kubelet: Seen[Kubelet] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    waypoint: Seen[str] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    bound: Seen[str] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    layer7: Seen[Layer7] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    bypass: Seen[Bypass] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    waypoint_restart: Seen[Restart] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    ztunnel_restart: Seen[Restart] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    unenrolled: Seen[Unenrolled] = field(default_factory=lambda: Seen(why=NOT_REACHED))
    removed: Seen[list[str]] = field(default_factory=lambda: Seen(why=NOT_REACHED))

    @property
    def single_node(self) -> bool:
        """Did both pods run on one node?"""
        return self.plan.single_node

    @property
    def server_node(self) -> str:
        """Where the server runs."""
        return self.plan.server_node

    @property
    def client_node(self) -> str:
        """Where the clients run."""
        return self.plan.client_node

    def patience(self, seconds: float, stand_in: float = 1.0) -> float:
        """How long to wait for what ztunnel does: the stand-in does nothing, so one look shows it."""
        return stand_in if self.stand_in.value else seconds

    @property
    def is_enrolled(self) -> bool:
        """Were both probe pods redirected?"""
        found = self.enrolled.value or {}
        return bool(found) and all(value == "enabled" for value in found.values())
