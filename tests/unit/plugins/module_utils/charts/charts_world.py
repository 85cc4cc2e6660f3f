# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small chart tree, and a helm that is a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHART = "apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: {version}\n"
HELM = """#!/bin/sh
echo "$*" >> {log}
case "$1" in
  version) echo "{version}" ;;
  template)
    cat > {values}
    test -z "{failure}" || {{ echo "Error: {failure}" >&2; exit 1; }}
    cat {folder}/$(basename "$3").yaml ;;
  *) exit 3 ;;
esac
"""


def chart(root: Path, folder: str, name: str, version: str = "1.0.0", minor: int = 30) -> Path:
    """A chart that can be told to behave like Istio 1.<minor>."""
    path = root / folder
    (path / "files").mkdir(parents=True)
    (path / "Chart.yaml").write_text(CHART.format(name=name, version=version))
    (path / "files" / f"profile-compatibility-version-1.{minor}.yaml").write_text("")
    return path


def charts(root: Path, version: str = "1.0.0") -> Path:
    """All four charts, in the layout of Istio's tree."""
    for folder, name in (("base", "base"), ("control/istiod", "istiod"), ("istio-cni", "cni"), ("ztunnel", "ztunnel")):
        chart(root, folder, name, version)
    return root


def helm(tmp_path: Path, version: str = "v3.18.4+gabc", failure: str = "") -> Path:
    """A helm that prints rendered/<chart's folder>.yaml and writes its calls and values to helm.log and values.json."""
    binary = tmp_path / "helm"
    places = {"log": tmp_path / "helm.log", "values": tmp_path / "values.json", "folder": tmp_path / "rendered"}
    binary.write_text(HELM.format(version=version, failure=failure, **places))
    binary.chmod(0o755)
    (tmp_path / "rendered").mkdir(exist_ok=True)
    for name in ("base", "istiod", "cni", "ztunnel"):
        manifests = [manifest("ServiceAccount", name), manifest("DaemonSet", f"istio-{name}", api_version="apps/v1")]
        (tmp_path / "rendered" / f"{name}.yaml").write_text("\n---\n".join(map(json.dumps, manifests)))
    return binary


def calls(tmp_path: Path, verb: str) -> list[str]:
    """The recorded calls of helm that start with this verb."""
    log = tmp_path / "helm.log"
    return [line for line in log.read_text().splitlines() if line.startswith(verb)] if log.exists() else []


def manifest(kind: str, name: str, api_version: str = "v1", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}
