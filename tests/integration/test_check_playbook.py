# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads when the guard lets a cluster pass, and when it refuses one, under the default callback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity

OWN_APISERVER = True  # other tests leave things behind that the checks would find

CHECKOUT = Path(__file__).resolve().parents[2]
URL = "https://github.com/alauda/ansible-collection-ambient/blob/main/docs/checks"
Play = Callable[..., "subprocess.CompletedProcess[str]"]


def due(phases: set[Phase]) -> int:
    """How many checks these phases have."""
    return sum(1 for check in CHECKS if phases & set(check.phases))


ALL = due({Phase.PRE, Phase.NAMESPACES, Phase.POLICIES})


@pytest.fixture
def play(apiserver: Any, tmp_path: Path) -> Play:
    """Run the playbook as a user does who has the collection, an inventory and no ansible.cfg."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        f"""
all:
  hosts:
    east:
      ansible_connection: local
      ansible_python_interpreter: "{sys.executable}"
      ambient_kubeconfig: {apiserver.kubeconfig}
      ambient_version: "1.31.0"
      ambient_gateway_api: install
      ambient_work_dir: {tmp_path}/work
"""
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "K8S_AUTH_"))}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "COLUMNS": "200",
    }
    program = str(Path(sys.executable).parent / "ansible-playbook")

    def run(*arguments: str, playbook: str = "alauda.ambient.check") -> subprocess.CompletedProcess[str]:
        command = [program, "-i", str(inventory), playbook, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_fit_cluster_is_told_line_by_line(play: Play) -> None:
    run = play()

    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert "east:" in lines
    assert "  other-meshes:" in lines
    assert "    pass    AMB0203 No other istiod" in lines
    assert f"  {ALL} checks: {ALL - 2} pass, 2 skipped" in lines


def test_a_refusal_says_what_where_and_what_to_do(play: Play, client: Client) -> None:
    istiod = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": "default", "labels": {"app": "istiod"}},
        "spec": {
            "selector": {"matchLabels": {"app": "istiod"}},
            "template": {
                "metadata": {"labels": {"app": "istiod"}},
                "spec": {"containers": [{"name": "discovery", "image": "none.invalid/pilot"}]},
            },
        },
    }
    client.apply(istiod, "tests")
    run = play("-e", "ambient_guard_show=findings", "-e", "ambient_coexistence=report")
    client.delete(Identity.of(istiod))

    assert run.returncode == 2
    what = "AMB0203 Deployment default/istiod: Another istiod is installed but idle (0 of 1 ready)"
    fix = "Remove it (istioctl uninstall, helm uninstall), or leave this cluster to it"
    text = run.stdout + run.stderr
    errors = [line for line in text.splitlines() if line.startswith("[ERROR]")]
    assert errors == [f"[ERROR]: Task failed: Action failed: {what}. {fix}. Nothing was changed"]
    report = """\
east:
  cluster:
    skipped AMB0112 Images are there: the objects have not been computed yet; site.yml does
  other-meshes:
    error   AMB0203 No other istiod: Deployment default/istiod

  findings:
    error AMB0203 Deployment default/istiod
      Another istiod is installed but idle (0 of 1 ready)
      do: Remove it (istioctl uninstall, helm uninstall), or leave this cluster to it
      see: {url}/AMB0203.md

"""
    assert report.format(url=URL) in run.stdout
    planning = """\
  coexistence (for planning; not validated, site.yml refuses):
    there is: Another istiod (Deployment default/istiod)
"""
    assert planning in run.stdout
    assert f"  {ALL} checks: {ALL - 3} pass, 1 error, 2 skipped\n" in run.stdout
    assert '"findings"' not in text
    assert "Traceback" not in text


def test_a_tree_is_looked_through_without_a_cluster(play: Play, tmp_path: Path) -> None:
    tree = tmp_path / "deploy"
    tree.mkdir()
    (tree / "policy.yaml").write_text("""\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: it, namespace: shop}
spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}
""")
    run = play("-e", f"ambient_check_tree={tree}", "-e", '{"ambient_kubeconfig": "/does/not/exist"}')

    assert run.returncode == 2
    text = run.stdout + run.stderr
    what = "AMB0701 AuthorizationPolicy shop/it: ztunnel enforces it and knows no HTTP"
    (error,) = [line for line in text.splitlines() if line.startswith("[ERROR]")]
    assert error.startswith(f"[ERROR]: Task failed: Action failed: {what}")
    assert "    pass    AMB0702 ztunnel's policies allow or deny: as written" in run.stdout
    assert "    skipped AMB0734 istiod accepts policies and waypoints: manifests have no status" in run.stdout
    assert "AMB0101" not in run.stdout


def test_another_phase_can_be_asked_for(play: Play) -> None:
    run = play("-e", '{"ambient_guard_phases": ["policies"]}')

    assert run.returncode == 0, run.stdout + run.stderr
    count = due({Phase.POLICIES})
    assert f"  {count} checks: {count} pass" in run.stdout.splitlines()


def test_the_guard_judges_what_the_roles_have_computed(play: Play, tmp_path: Path) -> None:
    objects = tmp_path / "work" / "objects"
    objects.mkdir(parents=True)
    label = {"istio.io/dataplane-mode": "ambient"}
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": label}}
    rules = [{"to": [{"operation": {"methods": ["GET"]}}]}]
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "it", "namespace": "default"},
        "spec": {"rules": rules},
    }
    patch = {"object": shop, "patch": True, "manager": "alauda.ambient/enrolment"}
    (objects / "namespaces.json").write_text(json.dumps({"role": "namespaces", "items": [patch]}))
    (objects / "policies.json").write_text(json.dumps({"role": "policies", "items": [{"object": policy}]}))
    playbook = tmp_path / "guard.yml"
    playbook.write_text(
        "- {hosts: all, gather_facts: false, roles: [alauda.ambient.guard], module_defaults: "
        "{group/alauda.ambient.ambient: {kubeconfig: '{{ ambient_kubeconfig }}'}}}"
    )

    refused = play(playbook=str(playbook))
    live = play("-e", "ambient_guard_policies=live", playbook=str(playbook))

    assert refused.returncode == 2, refused.stdout
    assert (
        "error   AMB0701 ztunnel's policies speak of connections only: AuthorizationPolicy default/it" in refused.stdout
    )
    assert live.returncode == 0, live.stdout
