# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In check mode no module writes a report, a tree, a layout or a file of objects, nor anything beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakeapi.server import FakeApi
from in_process import run_in_process
from unit.plugins.module_utils.charts import charts_world
from unit.plugins.modules.test_paths import WRITTEN

MESH = {"namespaces": [{"name": "default", "state": "l4"}]}
POLICY = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {},
}
#: What each module needs beside the path that it writes to; `folder` holds its inputs.
Given = Callable[[Path], dict[str, Any]]


def manifests(folder: Path) -> str:
    path = folder / "a.yaml"
    path.write_text(json.dumps(POLICY))
    return str(path)


def charts(folder: Path) -> dict[str, Any]:
    tree, helm = charts_world.charts(folder / "charts"), charts_world.helm(folder)
    cache = {"role": "ztunnel", "cache_dir": str(folder / "cache"), "version": "1.31.0"}
    return {**cache, "charts": {"directory": str(tree)}, "helm": str(helm)}


def image(folder: Path) -> dict[str, Any]:
    """One whose file has to be fetched."""
    (folder / "image.yml").write_text("files: [{source: a, target: /a}]")
    (folder / "a").write_text("a")
    source = {"url": (folder / "a").as_uri(), "sha256": hashlib.sha256(b"a").hexdigest()}
    return {"definition": str(folder / "image.yml"), "ref": "a.example/b", "sources": {"a": source}}


GIVEN: dict[str, Given] = {
    "admission_objects": lambda folder: {"mode": "deny"},
    "chart_objects": charts,
    "check": lambda folder: {},
    "image_build": image,
    "manifest_objects": lambda folder: {"manifests": [manifests(folder)]},
    "mesh_facts": lambda folder: {"mesh": MESH},
    "namespace_objects": lambda folder: {"mesh": MESH},
    "render": lambda folder: {"files": [manifests(folder)]},
    "uninstall_objects": lambda folder: {},
    "verify": lambda folder: {"settle": 0},
    "waypoint_objects": lambda folder: {"mesh": {"namespaces": []}},
}
CONNECTED = ("check", "mesh_facts", "uninstall_objects", "verify")


def run(name: str, folder: Path, path: Path, connection: dict[str, Any], *, check: bool) -> dict[str, Any]:
    (option,) = WRITTEN[name]
    given = {**GIVEN[name](folder), option: str(path)}
    given = {"images": [given]} if name == "image_build" else given
    return run_in_process(name, {**given, **(connection if name in CONNECTED else {})}, check)


def test_every_module_that_writes_is_tried() -> None:
    assert set(GIVEN) == set(WRITTEN)


@pytest.mark.parametrize("name", GIVEN)
def test_check_mode_writes_nothing(name: str, fake: FakeApi, tmp_path: Path) -> None:
    inputs, checked, real = (tmp_path / word for word in ("inputs", "checked", "real"))
    for folder in (inputs, checked, real):
        folder.mkdir()
    connection = {"kubeconfig": fake.kubeconfig()}
    path = "tree" if name == "render" else "file"
    result = run(name, inputs, checked / path, connection, check=True)
    assert "changed" in result and list(checked.iterdir()) == [], result
    (tmp_path / "again").mkdir()
    run(name, tmp_path / "again", real / path, connection, check=False)
    before = {path: path.read_bytes() for path in real.rglob("*") if path.is_file()}
    assert before, "without check mode something is written"
    (tmp_path / "other").mkdir()
    report = real / path
    if "report" in WRITTEN[name]:
        report.write_text("the last proof")
        before[report] = b"the last proof"
    result = run(name, tmp_path / "other", report, connection, check=True)
    assert {path: path.read_bytes() for path in real.rglob("*") if path.is_file()} == before
    assert "report_file" not in result and not any(str(report) in line for line in result.get("summary", []))
