# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters in one kubeconfig: roles and modules used alone go to the one that the host's variables name."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakeapi.server import FakeApi
from world import INVENTORY, Outcome, environment

TOKEN = "the-token-of-east"
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "here", "namespace": "default"}}
ROLES = ["namespaces", "uninstall", "verify"]  # they run all modules of the site that talk to a cluster


class Clusters:
    """East, west, and a folder whose kubeconfig has both; west is its current context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.east, self.west = FakeApi(folder), FakeApi(folder)
        both = {"east": self.east, "west": self.west}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "west",
            "clusters": [{"name": name, "cluster": {"server": fake.url}} for name, fake in both.items()],
            "users": [{"name": name, "user": {"token": f"token-of-{name}"}} for name in both],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in both],
        }
        (folder / "kube").mkdir()
        (folder / "kube/config").write_text(json.dumps(config))
        (folder / "hosts.yml").write_text(INVENTORY)
        (folder / "ansible.cfg").touch()

    def run(self, tasks: Sequence[Mapping[str, Any]], *options: str, env: Mapping[str, str], **given: Any) -> Outcome:
        """Run a playbook of a user with these tasks. It lies in another directory than the one where they type."""
        for fake in (self.east, self.west):
            fake.requests.clear()
        play = {
            "hosts": "all",
            "gather_facts": False,
            "vars": {"ambient_work_dir": "work", **given},
            "tasks": list(tasks),
        }
        (self.folder / "plays").mkdir(exist_ok=True)
        (self.folder / "plays/own.yml").write_text(yaml.safe_dump([play]))
        result = subprocess.run(
            ["ansible-playbook", "-i", "hosts.yml", "plays/own.yml", *options],
            cwd=self.folder,
            env={**environment(self.folder), **env},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return Outcome(result.returncode, result.stdout + result.stderr)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    found = Clusters(tmp_path_factory.mktemp("two"))
    yield found
    found.east.stop()
    found.west.stop()


def apply(**options: Any) -> dict[str, Any]:
    return {
        "name": "Apply",
        "alauda.ambient.apply": {"objects": [CONFIG_MAP], "inventory_namespace": "default", **options},
    }


def test_roles_used_alone_go_to_the_named_context(clusters: Clusters) -> None:
    tasks = []
    for role in ROLES:
        include = {"ansible.builtin.include_role": {"name": f"alauda.ambient.{role}"}}
        tasks.append({"block": [include], "rescue": [{"ansible.builtin.debug": {"msg": f"{role} has failed"}}]})
    others = {"K8S_AUTH_HOST": clusters.west.url, "K8S_AUTH_API_KEY": "token-of-west", "K8S_AUTH_CONTEXT": "west"}
    outcome = clusters.run(
        tasks,
        env=others,
        ambient_kubeconfig="kube/config",
        ambient_context="east",
        ambient_version="1.31.0",
        verify_settle=0,
    )
    assert outcome.status == 0, outcome.text
    assert clusters.west.requests == [], outcome.text
    assert len(clusters.east.requests) > len(ROLES), outcome.text
    assert (clusters.folder / "work/objects").is_dir() and not (clusters.folder / "plays/work").exists()


def test_a_task_of_a_user_goes_there_too(clusters: Clusters) -> None:
    kubeconfig = str(clusters.folder / "kube/config")
    outcome = clusters.run(
        [apply()], env={"KUBECONFIG": kubeconfig}, ambient_context="{{ {'a': 'east'}.a }}", ambient_host="{{ omit }}"
    )
    assert outcome.status == 0, outcome.text
    assert [each.name for each in clusters.east.requests if each.writes and each.resource == "configmaps"][-1:]
    assert clusters.west.requests == []


def test_a_task_that_names_a_cluster_goes_to_that_one(clusters: Clusters) -> None:
    named = {"ambient_kubeconfig": "~/kube/config", "ambient_context": "east"}
    assert clusters.run([apply(context="west")], env={}, **named).status == 0
    assert clusters.west.requests and not clusters.east.requests
    whole = yaml.safe_load((clusters.folder / "kube/config").read_text())
    outcome = clusters.run([apply(kubeconfig=whole, context="west")], env={}, **named)
    assert outcome.status == 0, outcome.text
    assert clusters.west.requests and not clusters.east.requests


def test_a_task_that_names_another_kubeconfig_alone_is_refused(clusters: Clusters) -> None:
    outcome = clusters.run([apply(kubeconfig="other")], env={}, ambient_context="east")
    (error,) = outcome.errors
    assert "the task names other and no context, while the host's ambient_context is east" in error
    assert not clusters.west.requests and not clusters.east.requests


def test_a_token_is_shown_nowhere(clusters: Clusters) -> None:
    named = {"ambient_host": clusters.east.url, "ambient_api_key": TOKEN, "ambient_impersonate_user": "bob"}
    tasks = [apply(), apply(files=["missing"]) | {"ignore_errors": True}]
    outcome = clusters.run(tasks, "-vvvv", env={"ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1"}, **named)
    assert outcome.status == 0 and outcome.text.count('"impersonate_user": "bob"') == 2, outcome.text
    assert TOKEN not in outcome.text


def test_a_missing_file_is_named_with_its_whole_path(clusters: Clusters) -> None:
    outcome = clusters.run(
        [apply(files=["missing.yaml"], objects=[])], env={}, ambient_host=clusters.east.url, ambient_api_key=TOKEN
    )
    (error,) = outcome.errors
    assert f"{clusters.folder}/missing.yaml: no such file" in error
