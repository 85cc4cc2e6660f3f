# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubectl against one cluster, by its own kubeconfig."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import toolchain

from .errors import SetupError
from .shell import run


class Kubectl:
    """The pinned kubectl with a kubeconfig (or several, as KUBECONFIG lists them) and, where named, a context."""

    def __init__(self, kubeconfig: Path | str, context: str = "") -> None:
        self._words: list[str | Path] = [
            toolchain.binaries("kubernetes")["kubectl"],
            *(["--context", context] if context else []),
        ]
        # As a variable, unlike the option, it may be a list of files.
        self._env = {"KUBECONFIG": str(kubeconfig)}

    def run(self, *arguments: str | Path, stdin: bytes | None = None, timeout: float = 60) -> str:
        """Run `kubectl …` and return its output."""
        return run([*self._words, *arguments], env=self._env, stdin=stdin, timeout=timeout)

    def answers(self) -> bool:
        """Whether the API server answers at all."""
        try:
            self.run("get", "--raw", "/readyz", "--request-timeout=5s", timeout=10)
        except SetupError:
            return False
        return True

    def get(self, *arguments: str) -> Any:
        """Run `kubectl get … -o json` and return the object or list."""
        return json.loads(self.run("get", *arguments, "--output=json"))

    def apply(self, manifest: object, manager: str = "environment") -> None:
        """Server-side apply of one object or list."""
        text = json.dumps(manifest).encode()
        self.run("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-", stdin=text)


def wait(what: str, ready: Callable[[], str], timeout: float) -> None:
    """Wait until `ready` returns an empty string; what it returns says what is still amiss."""
    deadline = time.monotonic() + timeout
    missing = "not looked at"
    while time.monotonic() < deadline:
        try:
            missing = ready()
        except SetupError as failure:
            missing = str(failure)
        if not missing:
            return
        time.sleep(0.5)
    raise SetupError(f"{what}: not ready after {timeout:.0f} s", detail=missing)
