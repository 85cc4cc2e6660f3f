# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module chart_objects: create, again, change, check, error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.plugins.module_utils.charts import charts_world as world
from unit.plugins.modules.image_modules import run_module


class Runner:
    """Runs the module in this process, with a chart tree and a helm of its own."""

    def __init__(self, tmp_path: Path) -> None:
        self.dest = tmp_path / "objects/ztunnel.json"
        self.options: dict[str, Any] = {
            "role": "ztunnel",
            "dest": str(self.dest),
            "cache_dir": str(tmp_path / "cache"),
            "version": "1.31.0",
            "charts": {"directory": str(world.charts(tmp_path / "tree"))},
            "helm": str(world.helm(tmp_path)),
        }

    def __call__(self, check: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("chart_objects", check, **{**self.options, **options})


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_create_again_change(run: Runner) -> None:
    first, again, changed = run(), run(), run(mesh="other")
    assert [(result["changed"], result["cached"]) for result in (first, again, changed)] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert first["count"] == 3
    assert first["file"] == str(run.dest)


def test_check_mode_foresees_and_writes_nothing(run: Runner) -> None:
    assert run(check=True)["changed"] is True
    assert not run.dest.exists()
    run()
    stamp = run.dest.stat().st_mtime_ns
    assert run(check=True)["changed"] is False
    assert run(check=True, mesh="other")["changed"] is True
    assert run.dest.stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"platform": "k9s"}, "ambient_platform: unknown platform 'k9s'. Known are: acp, eks, generic"),
        ({"version": "1.31"}, "ambient_version: '1.31' is not a full version"),
        ({"charts": {}}, "ambient_charts: names no source of the charts"),
        ({"helm": "/nowhere/helm"}, "ambient_helm: helm is not at '/nowhere/helm'"),
        ({"images": {"ztunnel": "istio/ztunnel"}}, "ambient_images.ztunnel: 'istio/ztunnel' does not name an image"),
        ({"values": {"zt": {}}}, "ambient_values.zt: unknown component"),
    ],
)
def test_one_clear_error(run: Runner, options: dict[str, Any], words: str) -> None:
    result = run(**options)
    assert result["failed"] is True
    assert result["msg"].startswith(words)
    assert "Traceback" not in json.dumps(result)
