# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiling and checking policies in a big mesh: within the bars, and as dear for each Service as in a small one."""

from __future__ import annotations

from bench import analysis


def test_a_big_mesh_stays_within_the_bars_and_costs_grow_with_it() -> None:
    lines: list[str] = []
    found = analysis.measure([1000, 10000], lines.append)

    (small, _memory), (big, memory) = found[1000], found[10000]
    assert big <= analysis.BAR, lines
    assert memory <= analysis.MEMORY, lines
    assert big <= 30 * max(small, 0.1), lines
    assert "1000 namespaces, 8040 policies, 10000 Services" in lines[1]


def test_one_namespace_with_everything_in_it_costs_the_same() -> None:
    spread, _findings = analysis.analyse(list(analysis.mesh(2000)))
    together, _findings = analysis.analyse(list(analysis.mesh(2000, 2000)))

    assert together <= 6 * max(spread, 0.1)


def test_what_is_ill_is_found_in_it() -> None:
    _seconds, problems = analysis.analyse(list(analysis.mesh(1000)))

    assert problems >= 100 + 3 * 2  # each waypoint can be passed by, and each ill policy says two wrong things


def test_compiled_intents_bring_no_findings_and_shut_what_could_be_passed_by() -> None:
    objects = list(analysis.mesh(1000))
    _seconds, policies = analysis.compiled(1000, objects)
    _seconds, problems = analysis.analyse(objects + policies)

    assert problems == 3 * 2
