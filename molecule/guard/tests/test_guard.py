# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml on a cluster with trouble: it refuses, says why in its first line, and leaves everything as it was.

Which checks are shown elsewhere: ELSEWHERE in plants.py.
"""

from __future__ import annotations

import itertools
import json
import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(Path(__file__).parent), str(CHECKOUT / "molecule" / "install")]
from ansible_collections.alauda.ambient.plugins.module_utils.checks.run import Request, examine  # noqa: E402
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client  # noqa: E402
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect  # noqa: E402
from ansible_collections.alauda.ambient.plugins.module_utils.kube.discovery import Resource  # noqa: E402
from ansible_collections.alauda.ambient.plugins.modules import check  # noqa: E402
from plants import NAMESPACE, Case, cases, namespace  # noqa: E402
from snapshot import DIRECTORY, kubectl  # noqa: E402

CONTAINERS = ("Namespace", "CustomResourceDefinition")
TICKING = ("ComponentStatus", "Event", "Lease", "Node")
CALM = 2  # looks without a change
LONGEST_END = 60  # seconds that pods of what was planted may take to end
IMAGES = json.loads((DIRECTORY / "images.json").read_text())
CASES = cases(IMAGES["echo"]["ref"])


@pytest.fixture(scope="module", autouse=True)
def _a_namespace_for_plants() -> Iterator[None]:
    kubectl("apply", "--filename=-", text=json.dumps(namespace(NAMESPACE)))
    yield
    kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture(scope="module")
def client() -> Client:
    return connect({"kubeconfig": str(DIRECTORY / "kubeconfig")})


@contextmanager
def planted(case: Case) -> Iterator[None]:
    listings = [listing(case, kinds) for kinds in (CONTAINERS, None)]
    try:
        for text in filter(None, listings):
            kubectl("apply", "--filename=-", text=text)
            for name in established(text):
                kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{name}")
        for path in case.ready:
            where, _slash, name = path.partition("/")
            what = name if "/" in name else f"deployment/{name}"
            kubectl("rollout", "status", "--timeout=90s", f"--namespace={where}", what)
        yield
    finally:
        for text in filter(None, reversed(listings)):
            kubectl("delete", "--filename=-", "--ignore-not-found", text=text)


def listing(case: Case, kinds: tuple[str, ...] | None) -> str:
    """The objects of these kinds, or else those of no such kind; what others stand in or come from goes first."""
    chosen = [obj for obj in case.objects if (obj["kind"] in CONTAINERS) is bool(kinds)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": chosen}) if chosen else ""


def established(text: str) -> list[str]:
    items = json.loads(text)["items"]
    return [obj["metadata"]["name"] for obj in items if obj["kind"] == "CustomResourceDefinition"]


def play(host: Host, playbook: str, variables: Any) -> Any:
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        f"playbooks/{playbook}",
        "--extra-vars",
        json.dumps(variables),
    ]
    environment = {
        "AMBIENT_DIR": str(DIRECTORY),
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "false",  # which molecule sets, and which wins
    }
    words = [f"{key}={shlex.quote(value)}" for key, value in environment.items()]
    return host.run(f"cd {shlex.quote(str(CHECKOUT))} && {' '.join(words)} {shlex.join(command)}")


def objects(client: Client) -> dict[str, str]:
    """The resourceVersion of everything in the cluster that does not tick by itself."""
    client.discover().refresh()
    kinds = {
        (resource.group, resource.name): resource
        for resource in client.discover().kinds().values()
        if {"list", "delete"} <= resource.verbs and resource.kind not in TICKING
    }

    def read(resource: Resource) -> list[tuple[str, str]]:
        api_version = f"{resource.group}/{resource.version}" if resource.group else resource.version
        return [
            (
                f"{api_version} {resource.kind} {found['metadata'].get('namespace', '')}/{found['metadata']['name']}",
                found["metadata"]["resourceVersion"],
            )
            for found in client.list_metadata(api_version, resource.kind)
        ]

    with ThreadPoolExecutor(8) as pool:
        return dict(itertools.chain.from_iterable(pool.map(read, kinds.values())))


def settled(client: Client) -> dict[str, str]:
    """All objects, once nothing moves any more that the planting has set off, twice in a row."""
    before, calm = objects(client), 0
    while calm < CALM:
        time.sleep(0.5)
        now = objects(client)
        calm = calm + 1 if now == before else 0
        before = now
    return before


def errors(kubeconfig: str) -> list[str]:
    """What the guard refuses an installation for, now."""
    options = {option: spec.get("default") for option, spec in check.SPEC.items()}
    options |= {"phase": ["pre"], "version": "1.31.0", "gateway_api": "install", "fail_on": "error"}
    found = examine(Request.of(options), {"kubeconfig": kubeconfig}).result["findings"]
    return [finding["code"] for finding in found if finding["severity"] == "error"]


def gone(kubeconfig: str) -> list[str]:
    """What the guard still refuses an installation for once what was planted has gone, pods last."""
    end = time.monotonic() + LONGEST_END
    while (left := errors(kubeconfig)) and time.monotonic() < end:
        time.sleep(1)
    return left


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_with_the_reason_and_nothing_changed(host: Host, client: Client, case: Case, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with planted(case):
        before = settled(client)
        run = play(host, "site.yml", {**case.variables, "ambient_guard_report": str(report)})
        after = objects(client)

    assert run.rc != 0
    assert sorted(after.items() ^ before.items()) == []
    (error,) = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("[ERROR]")]
    assert f": {min(case.finds)} " in error
    assert error.endswith("Nothing was changed")
    assert "Traceback" not in run.stdout + run.stderr
    findings = json.loads(report.read_text())["findings"]
    assert {finding["code"] for finding in findings if finding["severity"] == "error"} == set(case.finds)
    for code, words in case.finds.items():
        said = [f"{finding['object']}: {finding['message']}" for finding in findings if finding["code"] == code]
        assert any(words in text for text in said), said
        assert code in run.stdout
    assert gone(str(DIRECTORY / "kubeconfig")) == [], "what was planted is gone, and the guard lets pass"


def test_a_cluster_without_trouble_is_not_refused(host: Host) -> None:
    run = play(host, "check.yml", {"ambient_mesh": {}})

    assert run.rc == 0, run.stdout
    assert "failed=0" in run.stdout
