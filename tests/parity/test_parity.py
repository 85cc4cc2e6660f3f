# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our objects equal istioctl's of the same version and profile, but for what is declared."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import toolchain
from devcluster import assets
from parity.declared import DECLARED
from parity.parity import Objects, differences, judge, rendered_by_istioctl, rendered_by_us

VERSION = toolchain.ISTIO_VERSION


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Objects, Objects]:
    work: Path = tmp_path_factory.mktemp("parity")
    ours = rendered_by_us(assets.charts(), VERSION, toolchain.binaries("helm")["helm"], work)
    theirs = rendered_by_istioctl(toolchain.binaries("istio")["istioctl"], VERSION, work)
    return ours, theirs


def test_only_declared_differences(sides: tuple[Objects, Objects]) -> None:
    undeclared, idle = judge(differences(*sides), DECLARED)
    assert undeclared == []
    assert idle == []


def test_a_change_in_any_object_is_seen(sides: tuple[Objects, Objects]) -> None:
    ours, theirs = sides
    for where, obj in ours.items():
        if where not in theirs:
            continue
        changed = copy.deepcopy(obj)
        changed["metadata"]["labels"]["planted"] = "x"
        undeclared, dummy = judge(differences({**ours, where: changed}, theirs), DECLARED)
        assert [difference.where for difference in undeclared] == [where]


def test_a_missing_object_is_seen(sides: tuple[Objects, Objects]) -> None:
    ours, theirs = sides
    without = {where: obj for where, obj in ours.items() if where != "DaemonSet istio-cni/istio-cni-node"}
    undeclared, dummy = judge(differences(without, theirs), DECLARED)
    assert [difference.where for difference in undeclared] == ["DaemonSet istio-cni/istio-cni-node"]
