# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The helm binary: Helm 3 only, ``template`` only, no cluster and no user configuration involved."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

from ..errors import AmbientError

_TIMEOUT = 120.0
_MAJOR = re.compile(r"v(\d+)\.")


class Helm:
    """One helm binary.

    Args:
        binary: a path, or a name that is looked up in PATH.

    Raises:
        AmbientError: there is no such binary.
    """

    def __init__(self, binary: str) -> None:
        found = shutil.which(Path(binary).expanduser())
        if not found:
            raise AmbientError(
                f"helm is not at {binary!r}",
                path="ambient_helm",
                hint="Install Helm 3, or set ambient_helm to its path",
            )
        self.binary = str(found)

    def identity(self) -> list[t.Any]:
        """Return what changes when the binary is replaced: path, size, time of change (ns)."""
        stat = Path(self.binary).stat()
        return [self.binary, stat.st_size, stat.st_mtime_ns]

    def check_version(self) -> str:
        """Return the binary's version, such as ``v3.18.4``.

        Raises:
            AmbientError: it is not Helm 3, or does not run.
        """
        version = self._run(["version", "--short"], "").strip()
        major = _MAJOR.search(version)
        if not major:
            raise AmbientError(
                f"'helm version' answered {version!r}", path=self.binary, hint="Set ambient_helm to a Helm 3"
            )
        if major.group(1) != "3":
            raise AmbientError(
                f"this is Helm {major.group(1)} ({version}); only Helm 3 is supported for now",
                path=self.binary,
                hint="Set ambient_helm to a Helm 3 binary",
            )
        return version

    def template(self, release: str, chart: Path, namespace: str, values: t.Mapping[str, t.Any]) -> str:
        """Render one chart to a stream of YAML documents.

        Raises:
            AmbientError: with helm's own words, without a place.
        """
        command = ["template", release, str(chart), "--namespace", namespace, "--no-hooks", "--skip-tests", "-f", "-"]
        return self._run(command, json.dumps(values))

    def pull(self, chart: str, repository: str, version: str, dest: Path) -> Path:
        """Fetch one packaged chart from a repository (http, https or oci) and return its path.

        Raises:
            AmbientError: with helm's own words.
        """
        oci = repository.startswith("oci://")
        where = [f"{repository.rstrip('/')}/{chart}"] if oci else [chart, "--repo", repository]
        self._run(["pull", *where, "--version", version, "--destination", str(dest)], "")
        found = sorted(dest.glob(f"{chart}-*.tgz"))
        if not found:
            raise AmbientError(f"helm pull left no chart {chart!r}", path=repository)
        return found[0]

    def _run(self, arguments: list[str], text: str) -> str:
        with tempfile.TemporaryDirectory(prefix="ambient-helm-") as home:
            # The user's plugins, repositories and kubeconfig must not change what is rendered.
            env = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
            env.update(HELM_CACHE_HOME=home, HELM_CONFIG_HOME=home, HELM_DATA_HOME=home, KUBECONFIG=os.devnull)
            try:
                done = subprocess.run(
                    [self.binary, *arguments],
                    input=text,
                    env=env,
                    capture_output=True,
                    text=True,
                    timeout=_TIMEOUT,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise AmbientError(f"helm {arguments[0]} does not run: {error}", path=self.binary) from error
        if done.returncode != 0:
            raise AmbientError(f"helm {arguments[0]} failed: {_reason(done.stderr)}")
        return done.stdout


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("WARNING", "Use --debug flag"))]
    return " ".join(lines).removeprefix("Error: ")[:600].rstrip(".") or "no reason given"
