# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools that are compared: what each is called with, and how long it takes as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import toolchain
import yaml
from apiserver import ApiServer

from .workload import Files

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
MODULE, COMMAND, KUBECTL, CORE, RAW = "module", "command", "kubectl", "kubernetes.core", "raw"
Argv = Callable[[ApiServer, Files], Sequence[str | Path]]


class BenchError(Exception):
    """A tool failed: nothing was measured."""


@dataclass(frozen=True)
class Sample:
    """One measured run. `memory`: the module's largest resident size in MB, 0 where another tool was measured."""

    seconds: float
    memory: float = 0.0
    output: str = ""


def measured(argv: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> Sample:
    """Run a command from start to exit; BenchError with the end of its output where it fails."""
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=CHECKOUT,
            env=_environment(log.parent) | dict(environment or {}),
        )
        try:
            process.wait()
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - start
    text = log.read_text(errors="replace")
    if process.returncode:
        raise BenchError(f"{Path(str(argv[0])).name} ended with {process.returncode}:\n{text[-2000:]}")
    peak = Path(f"{argv[-1]}.peak")
    return Sample(seconds, int(peak.read_text()) / 1024 if peak.is_file() else 0.0, text)


def argv_of(tool: str) -> Argv:
    """The command line of a tool, for a server and the files to apply."""
    return {MODULE: _module, COMMAND: _command, KUBECTL: _kubectl, CORE: _core, RAW: _raw}[tool]


def options(server: ApiServer, files: Files) -> dict[str, object]:
    """The options of our module."""
    return {
        "kubeconfig": server.kubeconfig,
        "files": [str(files.manifests)],
        "inventory_namespace": "ambient-bench",
        "work_dir": str(files.manifests.parent),
    }


def _module(server: ApiServer, files: Files) -> list[str | Path]:
    arguments = files.manifests.with_suffix(".options.json")
    arguments.write_text(json.dumps(options(server, files)))
    return [sys.executable, HERE / "module.py", arguments]


def _command(server: ApiServer, files: Files) -> list[str | Path]:
    return _play(files, {"alauda.ambient.apply": options(server, files)})


def _core(server: ApiServer, files: Files) -> list[str | Path]:
    task = {
        "kubeconfig": server.kubeconfig,
        "src": str(files.manifests),
        "apply": True,
        "server_side_apply": {"field_manager": "bench"},
    }
    return _play(files, {"kubernetes.core.k8s": task})


def _play(files: Files, task: dict[str, object]) -> list[str | Path]:
    play = {"name": "Bench", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    path = files.manifests.with_suffix(".play")
    path.write_text(yaml.safe_dump([play]))
    return [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", path]


def _kubectl(server: ApiServer, files: Files) -> list[str | Path]:
    kubectl = toolchain.binaries("kubernetes")["kubectl"]
    cache = Path(server.directory) / "kubectl-cache"
    given: list[str | Path] = ["--kubeconfig", server.kubeconfig, "--cache-dir", cache, "apply", "--server-side"]
    return [kubectl, *given, "-f", files.manifests]


def _raw(server: ApiServer, files: Files) -> list[str | Path]:
    return [sys.executable, HERE / "raw.py", server.url, server.ca_cert, server.admin_token, files.lines]


def _environment(directory: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "KUBECONFIG"))}
    python = [str(CHECKOUT / ".cache/collections"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_HOME": str(CHECKOUT / ".cache/ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache/collections"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PYTHONPATH": ":".join(python),
        "TMPDIR": str(directory),
    }
