# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for the charts and the istioctl of 1.30, which takes a build of its own."""

from __future__ import annotations

from pathlib import Path

import toolchain
from devcluster import golang
from parity.declared import DECLARED
from parity.parity import differences, judge, rendered_by_istioctl, rendered_by_us

VERSION = toolchain.ISTIO_OLD_VERSION
MODULE = Path(toolchain.__file__).parent / "toolchain/istio-1.30"


def test_only_declared_differences_in_1_30(tmp_path: Path) -> None:
    charts = golang.module_directory(MODULE, "istio.io/istio") / "manifests/charts"
    ours = rendered_by_us(charts, VERSION, toolchain.binaries("helm")["helm"], tmp_path)
    theirs = rendered_by_istioctl(toolchain.binaries("istio-1.30")["istioctl"], VERSION, tmp_path)
    undeclared, idle = judge(differences(ours, theirs), DECLARED)
    assert undeclared == []
    assert idle == []
