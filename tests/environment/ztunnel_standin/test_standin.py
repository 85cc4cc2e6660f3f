# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go tests of the ztunnel stand-in, with the Go that the environment uses."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from devcluster import golang

MODULE = Path(__file__).resolve().parent


def go(*arguments: str) -> str:
    done = subprocess.run(
        [golang.go(), *arguments],
        cwd=MODULE,
        env=os.environ | golang.SETTINGS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_go_vet() -> None:
    go("vet", "./...")


def test_go_test(capsys: pytest.CaptureFixture[str]) -> None:
    output = go("test", "-count=1", "-trimpath", "-v", "./...")
    passed = re.findall(r"^--- PASS: (\w+)", output, re.MULTILINE)
    skipped = re.findall(r"^\s*--- SKIP: (\S+).*\n\s*(.*)", output, re.MULTILINE)
    assert len(passed) + len(skipped) >= 20
    with capsys.disabled():
        for name, reason in skipped:
            print(f"\nskipped {name}: {reason}")
