# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/engine.md do what is said beside them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import apiserver as bare
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client

CHECKOUT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (CHECKOUT / "docs/engine.md").read_text(), re.DOTALL | re.MULTILINE)
CHANGED = re.compile(r"changed=(\d+)")
OWN_APISERVER = True  # it leaves istio-system behind
Writes = Callable[[], list[dict[str, str]]]


def test_every_example_does_what_it_says(
    apiserver: bare.ApiServer, client: Client, namespace: str, tmp_path: Path, writes: Writes
) -> None:
    (playbook,) = (text for language, text in BLOCKS if language == "yaml")
    (commands,) = (text for language, text in BLOCKS if language == "sh")
    (tmp_path / "shop.yml").write_text(playbook)
    (tmp_path / "manifests").mkdir()
    for name in ("banner", "prices"):
        metadata = {"name": name, "namespace": namespace}
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": name}}
        (tmp_path / f"manifests/{name}.yml").write_text(yaml.safe_dump(manifest))

    def names() -> set[str]:
        return {each["metadata"]["name"] for each in client.list("v1", "ConfigMap", namespace)}

    seen = []
    for line in commands.splitlines():
        command, _dummy, promise = line.partition("  #")
        writes()
        output = _run(command, tmp_path, apiserver)
        if "changed=" not in promise:
            continue
        assert CHANGED.findall(output)[-1:] == CHANGED.findall(promise), f"{command}\n{output}"
        if "no write" in promise:
            assert writes() == []
        if "candidate" in promise:
            assert f"{namespace}/banner" in output
        seen.append(names())
    both = {"banner", "prices"}
    assert seen == [set(), both, both, both, {"prices"}]


def _run(command: str, folder: Path, apiserver: bare.ApiServer) -> str:
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env=os.environ | {"K8S_AUTH_KUBECONFIG": apiserver.kubeconfig, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
