# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario guard plants a case for each check that refuses an installation, or says where it is shown instead."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS

PLANTS = Path(__file__).resolve().parents[5] / "molecule/guard/tests/plants.py"


def test_every_check_that_refuses_an_installation_has_a_case() -> None:
    spec = importlib.util.spec_from_file_location("guard_plants", PLANTS)
    assert spec and spec.loader
    plants = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = plants
    spec.loader.exec_module(plants)
    codes = {code for case in plants.cases("echo") for code in case.finds}
    policies = {check.code for check in CHECKS if check.category == "policies"}
    due = {check.code for check in CHECKS if check.phases != (Phase.MESH,)} - policies
    assert codes - policies | plants.ELSEWHERE == due
    assert codes & policies == {plants.PLANTED_POLICIES}
