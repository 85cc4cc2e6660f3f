# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/policies.md are read, come to policies without a cluster, and are told as it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.access import Change, closed_in
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import policy_items_of
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from unit.plugins.modules.image_modules import run_module

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = (CHECKOUT / "docs/policies.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
DECLARATIONS = [yaml.safe_load(text)["ambient_mesh"] for language, text in BLOCKS if language == "yaml"]


@pytest.mark.parametrize("declared", DECLARATIONS)
def test_every_declaration_comes_to_policies_without_a_cluster(declared: Any) -> None:
    shown = run_module("policy_objects", mesh=declared)
    assert shown["changed"] is False
    names = {obj["metadata"]["name"] for obj in shown["objects"] if "ambient.alauda.io/intent" in str(obj)}
    assert {"ambient-allow-service-cart", "ambient-allow-service-cart.waypoint"} <= names


def test_the_first_one_is_told_as_shown() -> None:
    (shown,) = (text for language, text in BLOCKS if language == "text")
    wanted = policy_items_of(parse_mesh(DECLARATIONS[0]))
    assert Change("shop", {}, closed_in(wanted), False, False).told() == shown.splitlines()


def test_all_keys_are_shown() -> None:
    definitions = json.loads((CHECKOUT / "docs/ambient_mesh.schema.json").read_text())["$defs"]
    keys = {key for name in ("intent", "target", "caller", "jwt") for key in definitions[name]["properties"]}
    assert len(keys) >= 17
    assert {key for key in keys if not re.search(rf"\b{key}\b", TEXT)} == set()


def test_the_command_that_needs_no_cluster_shows_them(tmp_path: Path) -> None:
    (command,) = (text for language, text in BLOCKS if language == "sh" and "policy_objects" in text)
    (mesh,) = (text for _language, text in BLOCKS if text.startswith("# mesh.yml"))
    (tmp_path / "mesh.yml").write_text(mesh)
    file = str(Path(sys.executable).with_name("ansible"))
    run = subprocess.run(
        command.replace("ansible ", f"{file} ", 1).replace("@mesh.yml", f"@{tmp_path / 'mesh.yml'}"),
        shell=True,
        cwd=CHECKOUT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "ambient-allow-service-cart.waypoint" in run.stdout
