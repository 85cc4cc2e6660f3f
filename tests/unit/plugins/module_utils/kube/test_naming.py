# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of our own objects: plain where that is enough, never the same for two."""

from __future__ import annotations

import itertools
import re

from ansible_collections.alauda.ambient.plugins.module_utils.kube.naming import object_name


def test_the_usual_names_are_plain() -> None:
    assert object_name("ambient-inventory", "default", "control_plane") == "ambient-inventory-default-control-plane"
    assert object_name("ambient-lock", "team-a") == "ambient-lock-team-a"


def test_no_two_are_the_same_and_all_are_names() -> None:
    meshes = ("default", "a", "a-b", "A-b", "a_b", "a.b")
    roles = ("c", "b-c", "b_c", "B-c", "c-1", "c.1", "x" * 63)
    names = [object_name("ambient-inventory", *key) for key in itertools.product(meshes, roles, (0, 1, 12))]
    names += [object_name("ambient-lock", mesh) for mesh in meshes]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 253 for name in names)
