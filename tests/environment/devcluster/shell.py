# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command; a failure becomes one clear error with the end of what the command said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import SetupError

TAIL = 15


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
) -> str:
    """Run a command and return what it wrote to standard output.

    Args:
        env: variables added to the caller's.
        stdin: bytes for its standard input; without, the input is empty.
        timeout: seconds.

    Raises:
        SetupError: not found, not finished in time, or exit status other than 0.
    """
    words = [str(word) for word in command]
    shown = " ".join(words)[:160]
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise SetupError(f"command not found: {words[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"no answer within {timeout:.0f} s: {shown}") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        raise SetupError(f"exit status {done.returncode}: {shown}", detail="\n".join(said[-TAIL:]))
    return done.stdout.decode(errors="replace")


def succeeds(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, timeout: float | None = None
) -> bool:
    """Whether a command exits with status 0 in time."""
    try:
        run(command, env=env, timeout=timeout)
    except SetupError:
        return False
    return True
