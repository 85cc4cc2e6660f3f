# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml on a cluster with trouble: it refuses, says why in its first line, and leaves everything as it was.

AMB0102 and AMB0404 need another Kubernetes or another Istio than this cluster's; the unit tests show them.
AMB0210 and AMB0405 warn and never refuse. AMB0601 to AMB0603 belong to the uninstall, see the scenario install.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(Path(__file__).parent), str(CHECKOUT / "molecule" / "install")]
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS  # noqa: E402
from plants import NAMESPACE, Case, cases, namespace  # noqa: E402
from snapshot import DIRECTORY, kubectl, objects  # noqa: E402

IMAGES = json.loads((DIRECTORY / "images.json").read_text())
CASES = cases(IMAGES["echo"]["ref"])
ELSEWHERE = {"AMB0102", "AMB0404", "AMB0210", "AMB0405", "AMB0601", "AMB0602", "AMB0603"}


@pytest.fixture(scope="module", autouse=True)
def _a_namespace_for_plants() -> Iterator[None]:
    kubectl("apply", "--filename=-", text=json.dumps(namespace(NAMESPACE)))
    yield
    kubectl("delete", "namespace", NAMESPACE)


@contextmanager
def planted(case: Case) -> Iterator[None]:
    if not case.objects:
        yield
        return
    listing = json.dumps({"apiVersion": "v1", "kind": "List", "items": case.objects})
    kubectl("apply", "--filename=-", text=listing)
    try:
        if case.ready:
            kubectl("rollout", "status", "--timeout=90s", f"--namespace={NAMESPACE}", f"deployment/{case.ready}")
        else:
            for obj in case.objects:
                if obj["kind"] == "CustomResourceDefinition":
                    kubectl("wait", "--for=condition=Established", f"crd/{obj['metadata']['name']}")
        yield
    finally:
        kubectl("delete", "--filename=-", "--ignore-not-found", text=listing)


def play(host: Host, playbook: str, variables: Any) -> Any:
    command = ["ansible-playbook", f"playbooks/{playbook}", "--extra-vars", json.dumps(variables)]
    environment = {
        "AMBIENT_DIR": str(DIRECTORY),
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
    }
    words = [f"{key}={shlex.quote(value)}" for key, value in environment.items()]
    return host.run(f"cd {shlex.quote(str(CHECKOUT))} && {' '.join(words)} {shlex.join(command)}")


def settled() -> dict[str, dict[str, str]]:
    """All objects, once nothing moves any more that the planting has set off."""
    before = objects()
    while (now := objects()) != before:
        before = now
    return now


def test_every_check_that_refuses_has_a_case() -> None:
    assert {case.code for case in CASES} | ELSEWHERE | {"AMB0301"} == {check.code for check in CHECKS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.words}")
def test_refused_with_the_reason_and_nothing_changed(host: Host, case: Case, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with planted(case):
        before = settled()
        run = play(host, "site.yml", {**case.variables, "ambient_guard_report": str(report)})
        after = objects()

    assert run.rc != 0
    error = next(line for line in (run.stdout + run.stderr).splitlines() if line.startswith("[ERROR]"))
    assert f": {case.code} " in error
    assert error.endswith("Nothing was changed")
    assert case.words in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert after == before
    errors = {
        finding["code"] for finding in json.loads(report.read_text())["findings"] if finding["severity"] == "error"
    }
    assert errors == {case.code}


def test_a_cluster_without_trouble_is_not_refused(host: Host) -> None:
    run = play(host, "check.yml", {"ambient_mesh": {}})

    assert run.rc == 0, run.stdout
    assert os.linesep.join(run.stdout.splitlines()[-3:]).count("failed=0") == 1
