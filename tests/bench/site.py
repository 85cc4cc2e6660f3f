# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml beside `istioctl install`, on a kind cluster with the images on its nodes.

Takes whatever mesh is on that cluster away, with its CRDs and namespaces, before each installation and at the end.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .tools import COMMAND, HERE, MODULE, BenchError, Sample, measured

ISTIOCTL = "istioctl"
_NAMESPACES = ("istio-system", "istio-cni", "ztunnel")
_GROUPS = (".istio.io", ".gateway.networking.k8s.io")
_ROLES = ("guard", "control_plane", "cni", "ztunnel", "namespaces")
_RECAP = re.compile(r"changed=(\d+)\s+unreachable=0\s+failed=0")


class Cluster:
    """One environment: its directory says where the cluster is and what built the images."""

    def __init__(self, environment: Path, directory: Path) -> None:
        self._environment = environment
        self._directory = directory
        self._facts: dict[str, Any] = json.loads((environment / "environment.json").read_text())
        self._images: dict[str, Any] = json.loads((environment / "images.json").read_text())

    def play(self, name: str, *arguments: str) -> Sample:
        """One playbook of ours."""
        playbook = f"playbooks/{name}.yml"
        command: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook"), playbook, *arguments]
        return measured(command, self._log(name), {"AMBIENT_DIR": str(self._environment)})

    def apply(self) -> Sample:
        """The module alone, on the objects that the roles wrote for site.yml."""
        work = self._environment / "work"
        options = self._directory / "site.options.json"
        given = {
            "kubeconfig": str(self._environment / "kubeconfig"),
            "context": self._facts["context"],
            "files": [str(work / "objects" / f"{role}.json") for role in _ROLES],
            "work_dir": str(self._directory),
        }
        options.write_text(json.dumps(given))
        return measured([sys.executable, HERE / "module.py", options], self._log("apply"))

    def install(self) -> Sample:
        """istioctl's ambient profile with the same images."""
        images = {name: self._images[name]["ref"] for name in ("pilot", "install-cni", "ztunnel")}
        values = {
            "pilot": {"image": images["pilot"]},
            "cni": {"image": images["install-cni"]},
            "ztunnel": {"image": images["ztunnel"]},
        }
        operator = self._directory / "operator.yaml"
        spec = {"profile": "ambient", "values": values}
        operator.write_text(
            yaml.safe_dump({"apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "spec": spec})
        )
        return self._istioctl("install", "-y", "-f", operator)

    def make_empty(self, *, after: str = COMMAND) -> None:
        """No mesh, no CRD of it, none of its namespaces. What a tool has installed goes by that tool."""
        if after != ISTIOCTL:
            self.play("uninstall", "--extra-vars", "ambient_uninstall_unenrol=true")
        self._istioctl("uninstall", "--purge", "-y")
        self._kubectl("delete", "namespace", "--ignore-not-found", *_NAMESPACES)
        names = self._kubectl("get", "crd", "-o", "name").output.split()
        crds = [name for name in names if name.endswith(_GROUPS)]
        if crds:
            self._kubectl("delete", *crds)

    def _istioctl(self, *arguments: str | Path) -> Sample:
        return measured([self._facts["istioctl"], *self._connection(), *arguments], self._log(ISTIOCTL))

    def _kubectl(self, *arguments: str) -> Sample:
        return measured([self._facts["kubectl"], *self._connection(), *arguments], self._log("kubectl"))

    def _connection(self) -> list[str]:
        return ["--kubeconfig", str(self._environment / "kubeconfig"), "--context", self._facts["context"]]

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"


def measure(environment: Path, directory: Path, say: Callable[[str], None]) -> dict[tuple[str, str], Sample]:
    """Installation on an empty cluster and a second run, by case and tool."""
    cluster = Cluster(environment, directory)
    samples: dict[tuple[str, str], Sample] = {}
    runs = {COMMAND: lambda: cluster.play("site"), MODULE: cluster.apply, ISTIOCTL: cluster.install}
    for tool, run in runs.items():
        say("make the cluster empty")
        cluster.make_empty()
        for case in ("site", "site-unchanged"):
            samples[case, tool] = run()
            say(f"{case} by {tool}: {samples[case, tool].seconds:.1f} s")
    say("make the cluster empty")
    cluster.make_empty(after=ISTIOCTL)
    recap = _RECAP.search(samples["site-unchanged", COMMAND].output)
    if recap is None or recap[1] != "0":
        raise BenchError(f"the second run of site.yml changed something, see {directory / 'site.log'}")
    return samples
