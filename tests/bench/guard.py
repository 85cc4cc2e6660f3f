# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase `pre` of the checks on a big cluster, beside the bare LISTs of the same kinds, one after the other.

Both are timed within one process, from the first request to the last finding or object: imports and the start of
Python are in neither. The memory is that of a process that runs the checks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apiserver
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.engine import Selection, run_checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect

from .tools import BenchError, Sample

CASE, CHECK, LISTS = "pre", "check", "lists"
MEMORY = 200.0  # MB, the bar
#: Files of the nodes are never seen, and images only where objects have been computed.
_CANNOT_LOOK = ("AMB0109", "AMB0112")
_THREADS = 16
Say = Callable[[str], None]
Listed = Counter[tuple[str, str, str, bool]]  # apiVersion, kind, namespace or selector, metadata only


@dataclass(frozen=True)
class Size:
    """How big the cluster is."""

    namespaces: int
    pods: int
    crds: int


def measure(directory: Path, size: Size, say: Say) -> dict[tuple[str, str], Sample]:
    """The samples of `check` and `lists`, from a fresh API server."""
    place = directory / "guard"
    server = apiserver.up(place)
    try:
        client = connect({"kubeconfig": server.kubeconfig})
        _fill(client, size, say)
        seconds, listed = _checks(server.kubeconfig)
        twice = [key for key, count in listed.items() if count > 1]
        if twice:
            raise BenchError(f"listed more than once: {twice}")
        raw = _raw(server.kubeconfig, list(listed))
        memory = _memory(server.kubeconfig)
        say(f"{CASE} by {CHECK}: {seconds:.2f} s, {memory:.0f} MB; {len(listed)} LISTs, none twice")
        say(f"{CASE} by {LISTS}: {raw:.2f} s")
        return {(CASE, CHECK): Sample(seconds, memory), (CASE, LISTS): Sample(raw)}
    finally:
        apiserver.down(place)


class _Counting:
    """A client that notes what is listed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.listed: Listed = Counter()
        self.version, self.can_i, self.get = client.version, client.can_i, client.get

    def list(self, api_version: str, kind: str, *where: Any) -> Any:
        """As the client does."""
        self.listed[api_version, kind, str(where), False] += 1
        return self._client.list(api_version, kind, *where)

    def list_metadata(self, api_version: str, kind: str, *where: Any) -> Any:
        """As the client does."""
        self.listed[api_version, kind, str(where), True] += 1
        return self._client.list_metadata(api_version, kind, *where)


def _checks(kubeconfig: str) -> tuple[float, Listed]:
    reader = _Counting(connect({"kubeconfig": kubeconfig}))
    start = time.perf_counter()
    report = run_checks(CHECKS, Selection((Phase.PRE,)), Context(Snapshot(reader), Wishes(version="1.31.0")))
    seconds = time.perf_counter() - start
    bad = [str(finding) for finding in report.findings] + [
        each.detail for each in report.results if each.status == "skipped" and each.check.code not in _CANNOT_LOOK
    ]
    if bad:
        raise BenchError(f"the cluster should be quiet: {bad[:3]}")
    return seconds, reader.listed


def _raw(kubeconfig: str, listed: Sequence[tuple[str, str, str, bool]]) -> float:
    client = connect({"kubeconfig": kubeconfig})
    start = time.perf_counter()
    for api_version, kind, _where, metadata_only in listed:
        (client.list_metadata if metadata_only else client.list)(api_version, kind)
    return time.perf_counter() - start


def _memory(kubeconfig: str) -> float:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; from bench import guard; guard._checks(sys.argv[1]);"
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, kubeconfig, *sys.path], check=True, capture_output=True, text=True
    )
    return int(done.stdout) / 1024


def _fill(client: Client, size: Size, say: Say) -> None:
    names = [f"team-{number:04}" for number in range(size.namespaces)]
    batches: list[tuple[str, list[tuple[str, Any]]]] = [
        ("CRDs", [("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _crd(n)) for n in range(size.crds)]),
        ("namespaces", [("/api/v1/namespaces", {"metadata": {"name": name}}) for name in names]),
        ("pods", [(f"/api/v1/namespaces/{names[n % len(names)]}/pods", _pod(n)) for n in range(size.pods)]),
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        for title, requests in batches:
            say(f"write {len(requests)} {title}")
            list(pool.map(lambda each: client.request("POST", each[0], body=each[1]), requests))
    client.discovery.refresh()


def _crd(number: int) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": f"things{number}", "singular": f"thing{number}", "kind": f"Thing{number}"}
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    return {"metadata": {"name": f"things{number}.example.com"}, "spec": spec}


def _pod(number: int) -> dict[str, Any]:
    """About as large as a pod of a small Deployment."""
    port = {"name": "http", "containerPort": 8080}
    variables = [{"name": f"SETTING_{index}", "value": "x" * 40} for index in range(10)]
    container = {"name": "main", "image": "registry.example/team/app:1.0", "ports": [port], "env": variables}
    labels = {"app": f"app-{number % 7}", "pod-template-hash": "5d8c7b9f6"}
    annotations = {"checksum/config": "0" * 64, "prometheus.io/scrape": "true"}
    metadata = {"name": f"app-{number:05}", "labels": labels, "annotations": annotations}
    return {"metadata": metadata, "spec": {"containers": [container], "serviceAccountName": "default"}}


def save(path: Path, samples: dict[tuple[str, str], Sample]) -> dict[str, Any]:
    """The figure for machines, beside the other rows of build/bench.json."""
    own, raw = samples[CASE, CHECK], samples[CASE, LISTS]
    row = {"case": CASE, "ours": CHECK, "tool": LISTS, "seconds": round(raw.seconds, 3)}
    row["ratio"] = round(own.seconds / raw.seconds, 4)
    old = json.loads(path.read_text()) if path.is_file() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([each for each in old if each["case"] != CASE] + [row], indent=1) + "\n")
    return row
