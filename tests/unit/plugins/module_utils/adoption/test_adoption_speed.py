# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""1,000 namespaces with a waypoint each are read, computed and planned in seconds, and more in proportion."""

from __future__ import annotations

from bench import plan


def test_a_thousand_namespaces_are_planned_in_five_seconds() -> None:
    (seconds,) = plan.measure([plan.BAR_AT], print).values()
    assert seconds <= plan.BAR, f"{seconds:.1f} s"


def test_time_grows_with_the_number_and_not_faster() -> None:
    small, big = plan.measure([150, 1200], print).values()
    assert big <= 8 * small * 2, f"{small:.2f} s, then {big:.2f} s for eight times as many"
