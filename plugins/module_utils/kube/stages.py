# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a change: first it widens what may talk to what, then it moves traffic, last it narrows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..manifests.waves import LOCK_DOWN, USE_WAYPOINT
from . import outcome as words
from .outcome import Outcome
from .settings import Settings


@dataclass(frozen=True)
class Stage:
    """Waves, from `first` to before `end`, in which the listed is written or the unlisted is taken away."""

    removes: bool
    first: float = -math.inf
    end: float = math.inf

    def covers(self, wave: int) -> bool:
        """Whether the wave belongs to the stage."""
        return self.first <= wave < self.end


WIDEN = Stage(True, LOCK_DOWN)  # what narrows goes
WRITE = Stage(False, end=LOCK_DOWN)
RELEASE = Stage(True, USE_WAYPOINT, LOCK_DOWN)
NARROW = Stage(False, LOCK_DOWN)
CLEAR = Stage(True, end=USE_WAYPOINT)  # what no label leads to any more
STAGES = (WIDEN, WRITE, RELEASE, NARROW, CLEAR)
WRITES_ONLY = (WRITE, NARROW, Stage(True))  # candidates are shown last, and nothing becomes of them


def stages(prune: bool) -> tuple[Stage, ...]:
    """The stages of a run, the last one takes away."""
    return STAGES if prune else WRITES_ONLY


def removal_stage(wave: int) -> Stage:
    """The stage in which what stands in a wave is taken away."""
    return next(stage for stage in STAGES if stage.removes and stage.covers(wave))


def in_order_of_run(written: Sequence[Outcome], removed: Sequence[Outcome], prune: bool) -> list[Outcome]:
    """The outcomes of what is listed, and of what is not, as they come about one after the other."""
    return [
        outcome
        for stage in stages(prune)
        for outcome in (removed if stage.removes else written)
        if stage.covers(outcome.item.wave)
    ]


class Pace:
    """Pauses between two stages where the first has moved traffic, so that every ztunnel hears of it before."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._due = False

    def note(self, done: Iterable[Outcome]) -> None:
        """Take in what a stage did."""
        self._due = self._due or any(
            each.action in words.WRITES and USE_WAYPOINT <= each.item.wave <= LOCK_DOWN for each in done
        )

    def pause(self) -> bool:
        """Call it before a stage that has something to do; whether it has paused."""
        seconds, due = self._settings.settle, self._due
        self._due = False
        if due and seconds:
            self._settings.progress(f"pause for {seconds:g} s: the ztunnels learn of it")
            self._settings.sleep(seconds)
        return bool(due and seconds)
