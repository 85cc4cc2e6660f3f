# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several ways of one call come to names all that it depends on."""

from __future__ import annotations

from ansible_collections.alauda.ambient.plugins.module_utils.authz.ruling import Ruling, Verdict
from ansible_collections.alauda.ambient.plugins.module_utils.authz.together import together

METHOD, PATH = frozenset({"the method"}), frozenset({"the path"})


def some(on: frozenset[str]) -> Ruling:
    return Ruling(Verdict.DEPENDS, "waypoint", f"it depends on {', '.join(on)}", on=on)


def test_what_depends_on_one_thing_at_one_port_and_on_another_at_the_next_depends_on_all() -> None:
    both = together([("port 80", some(METHOD)), ("port 81", some(PATH))], "the port")

    assert both.on == {"the method", "the path", "the port"}
    assert "port 80" in both.reason and "port 81" in both.reason


def test_what_depends_somewhere_and_is_denied_elsewhere_keeps_what_it_depends_on() -> None:
    denied = Ruling(Verdict.DENIED, "waypoint", "no rule allows it")

    assert together([("port 80", some(METHOD)), ("port 81", denied)], "the port").on == {"the method", "the port"}


def test_what_depends_on_the_same_everywhere_and_what_is_not_enforced_stays_as_it_is() -> None:
    same = [("port 80", some(METHOD)), ("port 81", some(METHOD))]
    open_ones = [(label, some(on).unenforced("no waypoint")) for label, on in (("a", METHOD), ("b", PATH))]

    assert together(same, "the port") == same[0][1]
    assert together(open_ones, "the pod") == open_ones[0][1]
