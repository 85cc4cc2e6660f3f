# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase policies on a real API server: the ill is found, what is well passes, and nothing but reading is asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_table import POLICY_CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.checks.rights import needed
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from check_plants import Object, bind_published_role, crd, is_settled, wait_until
from policy_cases import CASES, Case
from policy_mesh import VERSIONS, changed, mesh, policy, rule, selected
from requests_seen import Requests

OWN_APISERVER = True  # the checks look at the whole cluster

Run = Callable[..., dict[str, Any]]

BASE = {"phase": ["policies"], "fail_on": "never"}
GATEWAY_API = {
    "api-approved.kubernetes.io": "unapproved, a test",
    "gateway.networking.k8s.io/bundle-version": "v1.4.1",
}
CLOSED = policy(selector=selected(app="db"), rules=[rule({"methods": ["GET"]})])


def definitions() -> Iterator[Object]:
    """The CRDs that this mesh needs, without their schemas."""
    for kind, api_version in VERSIONS.items():
        group, _slash, version = api_version.partition("/")
        if not group.endswith((".io", ".k8s.io")) or group == "networking.k8s.io":
            continue
        word = kind.lower()
        plural = f"{word[:-1]}ies" if word.endswith(("cy", "ry")) else f"{word}s"
        annotations = {"annotations": GATEWAY_API} if group.endswith(".k8s.io") else {}
        found = crd(plural, group, kind, version, **annotations)
        found["spec"]["scope"] = "Namespaced"
        yield found


@pytest.fixture(scope="module", autouse=True)
def _mesh(client: Client) -> None:
    for definition in definitions():
        client.apply(definition, "tests")
        wait_until(lambda definition=definition: is_settled(client, definition))  # type: ignore[misc]
    for obj in mesh():
        client.apply(obj, "tests")


@contextmanager
def there(client: Client, objects: Sequence[Object], without: Sequence[Object] = ()) -> Iterator[None]:
    """The mesh with these objects over it; then as it was."""
    well = {str(Identity.of(obj)): obj for obj in mesh()}
    try:
        for obj in without:
            client.delete(Identity.of(obj))
        for obj in objects:
            client.apply(copy.deepcopy(obj), "tests")
        yield
    finally:
        for obj in objects:
            if str(Identity.of(obj)) not in well:
                client.delete(Identity.of(obj))
        for obj in [*objects, *without]:
            if str(Identity.of(obj)) in well:
                client.apply(copy.deepcopy(well[str(Identity.of(obj))]), "tests")


def told(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(finding["code"], finding["severity"], finding["object"]) for finding in result["findings"]]


def test_every_check_is_shown() -> None:
    assert {case.code for case in CASES if case.good} == {check.code for check in POLICY_CHECKS}


def test_a_mesh_that_is_well_passes_and_nothing_is_written(
    run_module: Run, writes: Callable[[], list[dict[str, str]]]
) -> None:
    result = run_module("check", BASE)

    assert told(result) == []
    assert {check["status"] for check in result["checks"]} == {"pass"}
    assert writes() == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code} {case.words[:20]}")
def test_the_bad_is_found_and_the_good_passes(run_module: Run, client: Client, case: Case) -> None:
    only = {**BASE, "only": [case.code]}
    with there(client, case.bad, case.without):
        bad = run_module("check", only)
    with there(client, case.good, case.without):
        good = run_module("check", only)

    found = [each for each in bad["findings"] if case.words in each["message"]]
    assert (case.code, case.severity, case.object) in told({"findings": found}), bad
    assert [check["status"] for check in good["checks"]] == ["pass"], good


def test_the_published_cluster_role_is_enough_and_nothing_but_reading_is_asked(
    run_module: Run, client: Client, apiserver: Any
) -> None:
    bind_published_role(client, "checker")

    with there(client, [CLOSED]):
        requests = Requests(apiserver)
        result = run_module("check", {**BASE, "impersonate_user": "checker"})
        seen = requests.new()

    assert [check for check in result["checks"] if check["status"] == "skipped"] == []
    assert ("AMB0701", "error", "AuthorizationPolicy shop/it") in told(result)
    assert {request.verb for request in seen} <= {"get", "list"}


def test_whoever_has_the_rights_of_a_declaration_sees_all(run_module: Run, client: Client) -> None:
    rbac = "rbac.authorization.k8s.io"
    declared = {"namespaces": [{"name": "shop", "state": "l4"}]}
    role = {"kind": "ClusterRole", "metadata": {"name": "runner"}, "rules": [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}
        for right in needed(parse_mesh(declared)) if right.namespace is None
    ]}  # fmt: skip
    reference = {"kind": "ClusterRole", "name": "runner", "apiGroup": rbac}
    subject = {"kind": "User", "name": "runner", "apiGroup": rbac}
    binding = {"kind": "ClusterRoleBinding", "metadata": {"name": "runner"}, "roleRef": reference}
    client.apply({"apiVersion": f"{rbac}/v1", **role}, "tests")
    client.apply({"apiVersion": f"{rbac}/v1", **binding, "subjects": [subject]}, "tests")

    result = run_module("check", {**BASE, "mesh": declared, "impersonate_user": "runner"})

    assert {check["status"] for check in result["checks"]} == {"pass"}, result["checks"]


def test_whoever_may_not_look_passes_nothing(run_module: Run, apiserver: Any) -> None:
    result = run_module("check", {**BASE, "kubeconfig": apiserver.nobody_kubeconfig})

    status = {check["code"]: check["status"] for check in result["checks"]}
    assert status.pop("AMB0101") == "pass"
    assert set(status.values()) == {"skipped"}


def test_what_a_run_brings_is_refused_and_what_is_there_is_a_warning(
    run_module: Run, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"role": "policies", "items": [{"object": CLOSED}]}))
    run = {**BASE, "fail_on": "error", "files": [str(file)], "known_errors": "warn", "only": ["AMB0701"]}

    brought = run_module("check", run)
    with there(client, [CLOSED]):
        known = run_module("check", run)
        refused = run_module("check", {**run, "known_errors": "refuse"})

    assert (brought["failed"], brought["refused"]) == (True, True)
    assert brought["msg"].startswith("AMB0701 AuthorizationPolicy shop/it: ztunnel enforces it and knows no HTTP")
    assert (known.get("failed", False), told(known)) == (False, [("AMB0701", "warning", "AuthorizationPolicy shop/it")])
    assert refused["refused"]


def test_a_tree_needs_no_cluster(run_module: Run, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    for number, obj in enumerate(changed(mesh(), [CLOSED])):
        (folder / f"{number}.yaml").write_text(yaml.safe_dump({k: v for k, v in obj.items() if k != "status"}))

    result = run_module("check", {**BASE, "source": "tree", "tree": [str(folder)], "host": "https://127.0.0.1:1"})

    assert told(result) == [("AMB0701", "error", "AuthorizationPolicy shop/it")]
    wrong = run_module("check", {"source": "tree", "tree": [str(folder)], "host": "https://127.0.0.1:1"})
    assert wrong["msg"] == "phase: a tree tells about policies only. Set phase: [policies]"
