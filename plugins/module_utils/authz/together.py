# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several rulings come to: of proxies in a row, and of the ways that one call may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .ruling import Ruling, Verdict
from .unknowns import Unknown


def one_after_the_other(first: Ruling, then: Ruling | None) -> Ruling:
    """What two proxies in a row come to. Where nobody guards the pods, nothing is promised."""
    if then is None:
        return first
    if then.verdict is Verdict.DENIED:
        return then
    if then.verdict is Verdict.NOT_ENFORCED:
        both = one_after_the_other(meant(first), meant(then))
        words = f"; the waypoint on the way says: {first.reason}" if first.by else ""
        return both.unenforced(then.reason + words)
    if first.verdict in (Verdict.DENIED, Verdict.NOT_ENFORCED):
        return first
    if first.verdict is Verdict.DEPENDS and then.verdict is Verdict.DEPENDS:
        return replace(first, on=first.on | then.on, reason=f"{first.reason}; then {then.reason}")
    if Verdict.DEPENDS in (first.verdict, then.verdict):
        return first if first.verdict is Verdict.DEPENDS else then
    return first if first.by or not then.by else then


def meant(ruling: Ruling) -> Ruling:
    """As if it were enforced."""
    return replace(ruling, verdict=ruling.meant, would=None)


def together(found: Sequence[tuple[str, Ruling]], on: str) -> Ruling:
    """What several possible ways of one call come to: the same, or it depends on which one it is."""
    rulings = [ruling for _label, ruling in found]
    if len({(ruling.verdict, ruling.would, _depends_on(ruling)) for ruling in rulings}) == 1:
        return rulings[0]
    said: dict[str, list[str]] = {}
    for label, ruling in found:
        would = f", else {ruling.would.value}" if ruling.would else ""
        said.setdefault(f"{ruling.verdict.value}{would} ({ruling.reason})", []).append(label)
    reason = "; ".join(
        f"{', '.join(labels[:3])}{' …' if len(labels) > 3 else ''}: {words}" for words, labels in said.items()
    )
    where = "; ".join(dict.fromkeys(ruling.where for ruling in rulings))
    return Ruling(Verdict.DEPENDS, where, reason, on=frozenset({on}).union(*(ruling.on for ruling in rulings)))


def _depends_on(ruling: Ruling) -> Unknown:
    """What it hangs on; for what is not enforced that does not matter."""
    return ruling.on if ruling.verdict is Verdict.DEPENDS else frozenset()
