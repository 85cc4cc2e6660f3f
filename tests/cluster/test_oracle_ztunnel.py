# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading of policies against the ztunnel that enforces them: generated cases, ztunnel is right.

AMBIENT_ORACLE_CASES: how many, AMBIENT_ORACLE_SEED: which ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from oracle import l4, l4_running
from oracle.running import Verdict

DIRECTORY = Path(__file__).resolve().parents[2] / os.environ.get("AMBIENT_DIR", "build/test")
CASES = int(os.environ.get("AMBIENT_ORACLE_CASES", "60"))
SEED = int(os.environ.get("AMBIENT_ORACLE_SEED", "7"))


@pytest.fixture(scope="module")
def verdicts(mesh: None, environment: dict[str, Any], images: dict[str, Any]) -> list[Verdict]:
    """What became of each case."""
    if environment["ztunnel"]["kind"] == "stand-in":
        pytest.skip("not proven: needs a real ztunnel, and the stand-in enforces no policy. Set AMBIENT_ZTUNNEL_BINARY")
    if not environment["source"].startswith("kind"):
        pytest.skip(f"the cluster's source is {environment['source']}: the test client is loaded onto kind nodes only")
    plan = l4.plan(CASES, SEED)
    return l4_running.run(DIRECTORY, images["echo"]["ref"], environment["nodes"][-1], plan)


def test_ztunnel_has_decided_each_case(verdicts: list[Verdict]) -> None:
    astray = [each for each in verdicts if each.through is None]
    assert not astray, "\n".join(map(str, astray))
    through = sum(bool(each.through) for each in verdicts)
    print(f"oracle, seed {SEED}: {through} of {len(verdicts)} cases let through by ztunnel, the others refused")
    assert len(verdicts) == CASES and 0 < through < CASES


def test_we_say_what_ztunnel_does(verdicts: list[Verdict]) -> None:
    wrong = [each for each in verdicts if each.through is not None and not each.agrees]
    assert not wrong, f"{len(wrong)} of {len(verdicts)}:\n" + "\n".join(map(str, wrong))
