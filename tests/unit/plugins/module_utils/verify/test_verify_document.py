# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/verify.md names every verification, in the order in which they are reported."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.alauda.ambient.plugins.module_utils.verify import active, run

DOCUMENT = Path(__file__).resolve().parents[5] / "docs" / "verify.md"


def test_every_verification_is_documented() -> None:
    rows = re.findall(r"^\| ([a-z]+-[a-z-]+|encryption) \|", DOCUMENT.read_text(), re.MULTILINE)
    results = {"not-proven"}
    documented = [row for row in rows if row not in results]
    assert documented == [check.id for check in (*run.PASSIVE, *active.CHECKS)]
