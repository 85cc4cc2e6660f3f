# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes to the API server and when: each run has a `kubectl proxy` of its own, which writes it down."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_LINE = re.compile(
    r'^I(?P<when>\d{4} [\d:.]+) .*"Response" verb="(?P<verb>\w+)" url="(?P<url>[^"]+)" '
    r'status="(?P<status>[^"]*)" .*milliseconds=(?P<milliseconds>\d+)'
)
_READS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Request:
    """One request, and the moments (seconds since the epoch) at which it came and at which it was answered."""

    verb: str
    path: str
    status: str
    begun: float
    ended: float

    @property
    def object(self) -> str:
        """The last words of the path: kind and name."""
        return "/".join(self.path.split("/")[-2:])

    @property
    def is_lock(self) -> bool:
        """Whether it is about the lock, which a run that waits asks for while another one writes."""
        return "/leases" in self.path


class Wire:
    """A way to the cluster for one run.

    Attributes:
        kubeconfig: the file that leads this way.
    """

    def __init__(self, kubeconfig: Path, log: Path) -> None:
        self.kubeconfig = kubeconfig
        self._log = log

    def writes(self) -> list[Request]:
        """What was written so far, or tried to; no dry runs and no reviews, which change nothing."""
        found = []
        for line in self._log.read_text(errors="replace").splitlines():
            match = _LINE.match(line)
            if match is None or match["verb"] in _READS:
                continue
            url = urlsplit(match["url"])
            if "dryRun=" in url.query or url.path.endswith("reviews"):
                continue
            year = time.localtime().tm_year
            ended = datetime.strptime(f"{year} {match['when']}", "%Y %m%d %H:%M:%S.%f").timestamp()
            begun = ended - int(match["milliseconds"]) / 1000
            found.append(Request(match["verb"], url.path, match["status"], begun, ended))
        return sorted(found, key=lambda request: request.begun)

    def effects(self) -> list[Request]:
        """The writes without those of the lock."""
        return [request for request in self.writes() if not request.is_lock]


@contextmanager
def wire(facts: dict[str, Any], kubeconfig: Path, folder: Path) -> Iterator[Wire]:
    """A proxy in front of the cluster of that kubeconfig; it ends with the block."""
    folder.mkdir(parents=True)
    log, said = folder / "proxy.log", folder / "proxy.out"
    command = [facts["kubectl"], "--kubeconfig", kubeconfig, "proxy", "--port=0", "-v=6"]
    everything = ["--reject-paths=^$", "--reject-methods=^$"]
    with log.open("w") as errors, said.open("w") as output:
        proxy = subprocess.Popen([*command, *everything], stdout=output, stderr=errors)
    try:
        port = _port(said)
        way = folder / "kubeconfig"
        way.write_text(json.dumps(_config(facts["context"], f"http://127.0.0.1:{port}")))
        yield Wire(way, log)
    finally:
        proxy.kill()
        proxy.wait()


def _port(said: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        match = re.search(r"127\.0\.0\.1:(\d+)\n", said.read_text())
        if match:
            return match[1]
        time.sleep(0.05)
    raise AssertionError("kubectl proxy does not start")


def _config(context: str, server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": "wire", "cluster": {"server": server}}],
        "contexts": [{"name": context, "context": {"cluster": "wire", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
    }
