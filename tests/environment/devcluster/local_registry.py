# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry of the tests' own: the `distribution` registry from the pinned module, on a free port of this machine."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import toolchain

from .errors import SetupError

CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {directory}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
log: {{level: warn}}
"""
START_TIMEOUT = 20.0


@contextmanager
def local_registry(directory: Path) -> Iterator[str]:
    """Run a registry that keeps its blobs in `directory`; yields `localhost:port`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = directory / "config.yml"
    config.write_text(CONFIG.format(directory=directory / "blobs", port=port))
    command: list[str | Path] = [toolchain.binaries("registry")["registry"], "serve", config]
    with (directory / "registry.log").open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait(server, f"http://127.0.0.1:{port}/v2/", directory / "registry.log")
        yield f"localhost:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SetupError("the local registry does not start", detail=log.read_text(errors="replace")[-2000:])
