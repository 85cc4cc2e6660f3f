# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the collection's playbooks, as a person types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 600  # seconds


@dataclass(frozen=True)
class Run:
    """What a run has printed, and how it ended."""

    status: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks changed something, on the only host."""
        found = re.search(r"changed=(\d+)", self.output)
        assert found, self.output[-2000:]
        return int(found[1])

    @property
    def error(self) -> str:
        """The line of the last error."""
        lines = [line for line in self.output.splitlines() if line.startswith("[ERROR]")]
        return lines[-1] if lines else ""


def play(directory: Path, playbook: str, variables: Mapping[str, Any], *options: str, fails: bool = False) -> Run:
    """Run a playbook on the cluster of a directory; AssertionError with its end where it fails, or should have."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}", *options]
    command += ["--extra-vars", json.dumps(variables)]
    environment = {
        **os.environ,
        "AMBIENT_DIR": str(directory),
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "false",  # which molecule sets, and which wins
    }
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    run = Run(done.returncode, done.stdout + done.stderr)
    assert "Traceback" not in run.output, run.output[-3000:]
    assert (run.status != 0) == fails, run.output[-3000:]
    return run
