# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example of the README runs as it stands there, from the tarball, with an inventory outside the checkout."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
COMMANDS = [
    line.partition("  #")[0].strip()
    for language, text in BLOCKS
    if language == "sh"
    for line in text.splitlines()
    if line.strip()
]
PLAYBOOK_COMMANDS = [command for command in COMMANDS if command.startswith("ansible-playbook")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, cluster: dict[str, Any]) -> Path:
    """An empty folder with the README's inventory, and what only this cluster has: images by digest, no registry."""
    folder = tmp_path_factory.mktemp("work")
    (inventory,) = (text for language, text in BLOCKS if language == "yaml" and text.startswith("# hosts.yml"))
    (folder / "hosts.yml").write_text(inventory)
    built = json.loads((cluster["folder"] / "images.json").read_text())
    here: dict[str, Any] = {
        "ambient_images": {name: image["ref"] for name, image in built.items()},
        "ambient_platform": "kind",
    }
    if "pilot-agent-waypoint" in cluster["binaries"]:
        here |= stock_envoy()
    (folder / "here.json").write_text(json.dumps(here))
    return folder


def stock_envoy() -> dict[str, Any]:
    """What the waypoint image that is built here needs, for it lacks Istio's own filters."""
    items = yaml.safe_load((CHECKOUT / "tests/environment/waypoint/waypoint.yaml").read_text())["items"]
    return {
        "ambient_values": {"istiod": {"env": {"PILOT_ENABLE_METADATA_EXCHANGE": "false"}}},
        "verify_waypoint_manifests": [item for item in items if item["kind"] != "Gateway"],
    }


def run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one line of the README in a shell."""
    return subprocess.run(
        ["bash", "-c", f"{command} -e @here.json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.parametrize("target", [line.split()[1] for line in COMMANDS if line.startswith("make ")])
def test_make_knows_the_target(target: str) -> None:
    assert subprocess.run(["make", "-n", target], cwd=CHECKOUT, capture_output=True, check=False).returncode == 0


def test_all_playbooks_for_users_are_in_the_readme() -> None:
    shown = {part for command in PLAYBOOK_COMMANDS for part in shlex.split(command) if part.startswith("alauda.")}
    assert shown == {f"alauda.ambient.{name}" for name in ("check", "render", "site", "verify", "uninstall")}


@pytest.mark.parametrize("command", PLAYBOOK_COMMANDS, ids=lambda command: command.split()[3])
def test_example_runs(command: str, folder: Path, user_environment: dict[str, str]) -> None:
    result = run(command, folder, user_environment)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-3000:]
    assert re.search(r"east +: ok=\d+ .* failed=0", result.stdout)
    if "render" in command:
        assert len(list((folder / "tree").rglob("*.yaml"))) > 30


def test_second_run_of_site_changes_nothing(folder: Path, user_environment: dict[str, str]) -> None:
    site = next(command for command in PLAYBOOK_COMMANDS if ".site" in command)
    uninstall = next(command for command in PLAYBOOK_COMMANDS if ".uninstall" in command)
    first = run(site, folder, user_environment)
    second = run(site, folder, user_environment)
    removed = run(uninstall, folder, user_environment)
    assert (first.returncode, second.returncode, removed.returncode) == (0, 0, 0), second.stdout[-6000:]
    assert re.search(r"east +: .*changed=[1-9]", first.stdout)
    assert re.search(r"east +: .*changed=0 .*failed=0", second.stdout)
