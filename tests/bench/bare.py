# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurements on a bare API server: the same objects by every tool, each on a server of its own."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apiserver
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from devcluster import assets

from . import workload
from .tools import BenchError, Sample, argv_of, measured
from .workload import Files

CASES = ("create", "unchanged", "one-percent")
KINDS = {
    "Namespace": "v1",
    "AuthorizationPolicy": "security.istio.io/v1",
    "PeerAuthentication": "security.istio.io/v1",
}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """Where to work, and whom to tell.

    Args:
        settle: seconds to wait after the CRDs are served, while the API server is busy with its OpenAPI.
    """

    directory: Path
    say: Say
    settle: float = 3.0

    def run(self, tool: str, count: int, cases: tuple[str, ...] = CASES, repeat: int = 1) -> dict[str, Sample]:
        """The median of each case, by its name; every repetition has a fresh API server."""
        runs = [self._once(tool, count, cases) for dummy in range(repeat)]
        return {case: _median([run[case] for run in runs]) for case in runs[0]}

    def _once(self, tool: str, count: int, cases: tuple[str, ...]) -> dict[str, Sample]:
        one_percent = max(1, count // 100)
        first = workload.write(self.directory, f"objects-{count}", workload.objects(count))
        second = workload.write(self.directory, f"changed-{count}", workload.objects(count, one_percent))
        samples: dict[str, Sample] = {}
        with self._server() as (server, client):
            for case in cases:
                files, changed = (second, one_percent) if case == "one-percent" else (first, 0)
                samples[case] = self._measure(tool, server, files)
                _verify(client, tool, count, changed)
                sample = samples[case]
                self.say(
                    f"{case}-{count} by {tool}: {sample.seconds:.2f} s"
                    + (f", {sample.memory:.0f} MB" if sample.memory else "")
                )
        return samples

    def _measure(self, tool: str, server: apiserver.ApiServer, files: Files) -> Sample:
        return measured(argv_of(tool)(server, files), self.directory / f"{tool}.log")

    @contextmanager
    def _server(self) -> Iterator[tuple[apiserver.ApiServer, Client]]:
        directory = self.directory / f"apiserver-{os.getpid()}"
        server = apiserver.up(directory)
        try:
            client = connect({"kubeconfig": server.kubeconfig})
            _install_crds(client)
            time.sleep(self.settle)
            yield server, client
        finally:
            apiserver.down(directory)


def _install_crds(client: Client) -> None:
    text = (assets.charts() / "base/files/crd-all.gen.yaml").read_text()
    crds = filter(None, yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda crd: client.apply(crd, "bench"), crds))
    deadline = time.monotonic() + 30
    while not all(client.exists_kind(version, kind) for kind, version in KINDS.items()):
        if time.monotonic() > deadline:
            raise BenchError("Istio's CRDs are not served after 30 s")
        time.sleep(0.2)
        client.discovery.refresh()


def _verify(client: Client, tool: str, count: int, changed: int) -> None:
    """A tool that did not do the work was not measured."""
    states = [
        obj["metadata"]["labels"]["state"]
        for kind, version in KINDS.items()
        for obj in client.list_metadata(version, kind, label_selector="state")
    ]
    if (len(states), states.count("new")) != (count, changed):
        raise BenchError(f"{tool} left {len(states)} objects ({states.count('new')} new), not {count} ({changed})")


def _median(samples: list[Sample]) -> Sample:
    return Sample(
        statistics.median(each.seconds for each in samples), max(each.memory for each in samples), samples[-1].output
    )
