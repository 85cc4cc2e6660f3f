# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each check has its page, and the pages say what the table says.

AMBIENT_UPDATE=1 writes the head of each page and the index anew from the table.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Check
from ansible_collections.alauda.ambient.plugins.module_utils.checks.signals import MESHES
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS

PAGES = Path(__file__).parents[5] / "docs" / "checks"
LICENCE = """<!--
GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->
"""
SECTIONS = ["Cause", "Risk", "Fix", "How it is found"]


def phases(check: Check) -> str:
    return ", ".join(phase.value for phase in check.phases)


def head(check: Check) -> str:
    return f"""{LICENCE}
# {check.code}: {check.title}

| category | phase | severity |
|---|---|---|
| {check.category} | {phases(check)} | {check.severity.value} |
"""


def index() -> str:
    rows = [
        " | ".join(
            [f"| [{check.code}]({check.code}.md)", check.title, check.category, phases(check), check.severity.value]
        )
        + " |\n"
        for check in CHECKS
    ]
    return f"""{LICENCE}
# All checks

`ansible-playbook -i hosts.yml alauda.ambient.check` runs the phases `pre`, `namespaces` and `policies`, and only reads.
Others: `-e '{{"ambient_guard_phases": ["mesh"]}}'`. `ambient_guard_only` and `ambient_guard_skip` take codes and
categories, `ambient_guard_fail_on` is `error`, `warning` or `never`, `ambient_guard_report` names a file for the
report as JSON.
`site.yml` runs those three phases before it changes anything, `uninstall.yml` the phase `uninstall`.

The phase `policies` looks at AuthorizationPolicies, routes and the labels of waypoints. In `site.yml` it sees them as
they are once the run is through: an error that the run would bring is refused, and one that is there already is a
warning. Policies and labels of ours that the run lets go do not count. `check.yml` looks at what is there, and refuses
all errors (`ambient_guard_policies`). It works without a cluster, too, on manifests in a file or a folder, such as a
rendered tree:

```sh
ansible-playbook -i hosts.yml alauda.ambient.check -e ambient_check_tree=deploy/
```

Every playbook needs an inventory with a host, or fails; here, too, where no cluster is looked at.
What a tree does not hold may be in the cluster, so that what is missing there is a warning at most.

The title says what holds when the check passes. The severity is that of most of its findings.
A check that could not look is `skipped`, with the reason, and never passes.
[This ClusterRole](../check-clusterrole.yaml) is all that the checks need.

| code | title | category | phase | severity |
|---|---|---|---|---|
{"".join(rows)}"""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_page_has_the_head_and_the_sections(check: Check) -> None:
    path = PAGES / f"{check.code}.md"
    text = path.read_text()
    if os.environ.get("AMBIENT_UPDATE"):
        text = head(check) + "\n" + text[text.index("## Cause") :]
        path.write_text(text)

    assert text.startswith(head(check))
    sections = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert sections == SECTIONS
    assert all(part.strip() for part in text.split("## ")[1:])


@pytest.mark.parametrize("mesh", MESHES, ids=lambda mesh: mesh.code)
def test_the_page_of_a_mesh_names_every_signal(mesh: object) -> None:
    text = (PAGES / f"{mesh.code}.md").read_text()  # type: ignore[attr-defined]
    signals = [*mesh.groups, *mesh.crds, *mesh.webhooks, *mesh.validators, *mesh.packages]  # type: ignore[attr-defined]
    for workload in mesh.workloads:  # type: ignore[attr-defined]
        signals += [*workload.names, *(f"{key}={value}" for key, value in workload.labels.items())]

    assert [signal for signal in signals if f"`{signal}`" not in text] == []


#: Those whose own charts a test renders and finds, in tests/integration/test_real_charts.py and test_real_istio.py.
REAL = {"AMB0203", "AMB0204", "AMB0205", "AMB0210", "AMB0209", "AMB0215", "AMB0216"}


@pytest.mark.parametrize("mesh", MESHES, ids=lambda mesh: mesh.code)
def test_the_page_of_a_mesh_that_no_chart_has_proven_says_so(mesh: object) -> None:
    code = mesh.code  # type: ignore[attr-defined]
    text = (PAGES / f"{code}.md").read_text()

    assert ("unverified against a real installation" in text) is (code not in REAL)


def test_there_is_no_page_without_a_check_and_the_index_is_complete() -> None:
    path = PAGES / "README.md"
    if os.environ.get("AMBIENT_UPDATE"):
        path.write_text(index())

    assert {page.stem for page in PAGES.glob("AMB*.md")} == {check.code for check in CHECKS}
    assert path.read_text() == index()
