# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each broken input ends in one clear error: what, where, what to do; no traceback, and nothing written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from world import Outcome, World, play, task

GONE = object()  # a variable that is taken out
Changes = Callable[[World], dict[str, Any]]
SENTENCE = re.compile(r"\[ERROR\]: Task failed: (Module failed: |Action failed: )?(?P<where>\S[^:]*): .+\. [A-Z].+")


@dataclass(frozen=True)
class Broken:
    """One broken input: a playbook or `task MODULE`, what the first line must say, and what is given otherwise."""

    id: str
    run: str
    says: str
    changes: Changes


def mesh(*namespaces: Any, **more: Any) -> Changes:
    return lambda world: {"ambient_mesh": {"name": "default", "namespaces": list(namespaces), **more}}


def variables(**changes: Any) -> Changes:
    return lambda world: changes


SHOP = {"name": "shop", "state": "l4"}
NOWHERE = "https://127.0.0.1:1"
FILES = "files:\n  - {source: binary, target: /binary, mode: '0755'}\n"


def image(world: World, text: str, sources: dict[str, Any] | None = None) -> dict[str, Any]:
    definition = world.file("image.yml", f"base: scratch\n{text}")
    dest = str(world.folder / "layout")
    return {"images": [{"definition": definition, "ref": "a.example/b", "dest": dest, "sources": sources or {}}]}


def objects(world: World, path: str) -> dict[str, Any]:
    return {"kubeconfig": world.api.kubeconfig, "files": [path], "work_dir": str(world.folder / "work")}


BROKEN = [
    # wrong types, unknown keys and values
    Broken("version-number", "site", r"ambient_version: is the number 1\.31", variables(ambient_version=1.31)),
    Broken("version-shape", "render", r"ambient_version: .*1\.31", variables(ambient_version="1.31")),
    Broken("misspelt", "site", "ambient_plattform: .*ambient_platform", variables(ambient_plattform="kind")),
    Broken("platform", "render", "ambient_platform: .*aks.*acp.*openshift", variables(ambient_platform="aks")),
    Broken("gateway-api", "site", "ambient_gateway_api: .*install", variables(ambient_gateway_api="maybe")),
    Broken("mesh-text", "site", "ambient_mesh: is a text", variables(ambient_mesh="default")),
    Broken("mesh-key", "check", "ambient_mesh.*waypoint.*Did you mean waypoints", mesh(waypoint={})),
    Broken("mesh-name", "render", r"ambient_mesh\.name: ", variables(ambient_mesh={"name": "No Name"})),
    Broken("namespace-key", "site", r"ambient_mesh\.namespaces\[0\].*stat", mesh({"name": "shop", "stat": "l4"})),
    Broken("namespace-unnamed", "check", r"ambient_mesh\.namespaces\[1\]", mesh(SHOP, {"state": "l4"})),
    Broken("namespace-name", "render", r"ambient_mesh\.namespaces\[0\].*Shop", mesh({"name": "Shop_1", "state": "l4"})),
    Broken("namespace-twice", "render", r"ambient_mesh\.namespaces\[1\].*shop", mesh(SHOP, SHOP)),
    Broken(
        "state-unknown", "site", r"ambient_mesh\.namespaces\[0\]\.state: .*l5", mesh({"name": "shop", "state": "l5"})
    ),
    Broken(
        "no-waypoint", "site", r"ambient_mesh\.namespaces\[0\]\.waypoint: .*l7", mesh({"name": "shop", "state": "l7"})
    ),
    Broken("selectors", "render", "ambient_discovery_selectors", variables(ambient_discovery_selectors=["mesh"])),
    # paths that are empty, and places where no tree belongs
    Broken("work-dir-empty", "site", "ambient_work_dir: is empty", variables(ambient_work_dir="")),
    Broken(
        "render-dir-system", "render", "/etc/mesh: belongs to the system", variables(ambient_render_dir="/etc/mesh")
    ),
    # charts, Helm, values, images
    Broken("charts-missing", "site", "ambient_charts: is required", variables(ambient_charts=GONE)),
    Broken("charts-key", "site", r"ambient_charts\.directroy: ", variables(ambient_charts={"directroy": "/charts"})),
    Broken(
        "charts-nowhere", "render", "ambient_charts.*/no/charts", variables(ambient_charts={"directory": "/no/charts"})
    ),
    Broken(
        "charts-twice",
        "render",
        "ambient_charts: ",
        variables(ambient_charts={"directory": "/charts", "archive": "/charts.tgz", "sha256": "0" * 64}),
    ),
    Broken(
        "charts-digest",
        "render",
        "ambient_charts.*sha256",
        lambda world: {"ambient_charts": {"archive": world.file("charts.tgz", "no archive"), "sha256": "0" * 64}},
    ),
    Broken(
        "charts-no-digest",
        "render",
        "ambient_charts.*sha256",
        lambda world: {"ambient_charts": {"archive": world.file("charts.tgz", "no archive")}},
    ),
    Broken("helm-missing", "render", "ambient_helm: .*/no/helm", variables(ambient_helm="/no/helm")),
    Broken(
        "helm-4",
        "render",
        r"helm4: .*4\.0\.1.*Helm 3",
        lambda world: {"ambient_helm": world.file("helm4", "#!/bin/sh\necho v4.0.1+g1234567\n", 0o755)},
    ),
    Broken("values-key", "render", r"ambient_values\.istoid", variables(ambient_values={"istoid": {}})),
    Broken("values-shape", "render", "istiod", variables(ambient_values={"istiod": {"pilot": "x"}})),
    Broken(
        "image-tag", "render", r"ambient_images\.pilot: .*digest", variables(ambient_images={"pilot": "a.b/pilot:1"})
    ),
    Broken(
        "image-digest",
        "render",
        r"ambient_images\.pilot: ",
        variables(ambient_images={"pilot": "a.b/pilot@sha256:12ab"}),
    ),
    Broken(
        "crds-nowhere", "render", "ambient_gateway_api_crds.*/no/crds", variables(ambient_gateway_api_crds="/no/crds")
    ),
    Broken(
        "crds-digest",
        "render",
        "ambient_gateway_api_sha256|ambient_gateway_api_crds.*sha256",
        lambda world: {
            "ambient_gateway_api_crds": world.file("crds.yaml", "kind: CustomResourceDefinition\n"),
            "ambient_gateway_api_sha256": "0" * 64,
        },
    ),
    Broken(
        "render-dir",
        "render",
        "taken",
        lambda world: {"ambient_render_dir": world.file("taken", "a file where the tree should be")},
    ),
    # the way to the cluster
    Broken(
        "unreachable",
        "check",
        "127.0.0.1:1",
        lambda world: {"ambient_kubeconfig": world.kubeconfig("k1", server=NOWHERE)},
    ),
    Broken("no-kubeconfig", "check", "/no/kubeconfig", variables(ambient_kubeconfig="/no/kubeconfig")),
    Broken("bad-kubeconfig", "site", "k2", lambda world: {"ambient_kubeconfig": world.file("k2", "{ no: [yaml")}),
    Broken("no-context", "check", "nowhere", variables(ambient_context="nowhere")),
    Broken(
        "wrong-token",
        "check",
        "(?i)token|credentials|401|unauthorized",
        lambda world: {"ambient_kubeconfig": world.kubeconfig("k3", token="not-a-token")},
    ),
    Broken(
        "expired-token",
        "site",
        "(?i)token|credentials|401|unauthorized",
        lambda world: {"ambient_kubeconfig": world.kubeconfig("k4", token=world.expired_token())},
    ),
    Broken("no-rights", "site", "(?i)right|cannot", lambda world: {"ambient_kubeconfig": world.api.nobody_kubeconfig}),
    Broken(
        "wrong-ca",
        "check",
        "(?i)certificate",
        lambda world: {
            "ambient_kubeconfig": world.kubeconfig("k5", certificate_authority=world.file("ca.crt", "no certificate"))
        },
    ),
    # modules
    Broken("image-key", "task image_build", "entry_point", lambda world: image(world, "entry_point: [/x]\n")),
    Broken("image-file", "task image_build", "/no/binary", lambda world: image(world, FILES, {"binary": "/no/binary"})),
    Broken(
        "image-sum",
        "task image_build",
        "sha256|digest",
        lambda world: image(world, FILES, {"binary": {"path": world.file("binary", "x"), "sha256": "0" * 64}}),
    ),
    Broken("apply-nowhere", "task apply", "/no/objects.yaml", lambda world: objects(world, "/no/objects.yaml")),
    Broken("apply-no-yaml", "task apply", "o1.yaml", lambda world: objects(world, world.file("o1.yaml", "a: [b"))),
    Broken(
        "apply-no-kind",
        "task apply",
        "o2.yaml",
        lambda world: objects(world, world.file("o2.yaml", "metadata: {name: a}")),
    ),
    Broken(
        "apply-unknown-kind",
        "task apply",
        "Unheard",
        lambda world: objects(
            world, world.file("o3.yaml", "apiVersion: a.example/v1\nkind: Unheard\nmetadata: {name: a}\n")
        ),
    ),
    Broken("check-code", "task check", "AMB9", lambda world: {"kubeconfig": world.api.kubeconfig, "only": ["AMB9999"]}),
]


@pytest.fixture(scope="module")
def running(world: World, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Outcome]]]:
    """The chosen broken inputs, under way, as many at a time as there are processors."""
    params = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    chosen = [value for param in params for value in param.values() if isinstance(value, Broken)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {broken.id: pool.submit(run, broken, world.part(broken.id)) for broken in chosen}


def run(broken: Broken, world: World) -> Outcome:
    changes = broken.changes(world)
    kind, dummy, module = broken.run.partition(" ")
    if kind == "task":
        return play(world, task(world, module, changes), {})
    given = {name: value for name, value in {**world.good, **changes}.items() if value is not GONE}
    return play(world, f"alauda.ambient.{broken.run}", given)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.id)
def test_first_line_says_what_where_and_what_to_do(broken: Broken, running: dict[str, Future[Outcome]]) -> None:
    outcome = running[broken.id].result()
    assert outcome.status not in (0, 4), outcome.text  # 4: ansible-playbook itself could not read something
    assert "Traceback" not in outcome.text, outcome.text
    assert len(outcome.errors) == 1, outcome.text
    assert re.search(broken.says, outcome.errors[0]), outcome.errors[0]
    assert SENTENCE.match(outcome.errors[0]), f"not 'where: what. What to do': {outcome.errors[0]}"
    assert len(outcome.errors[0]) < 600, outcome.errors[0]


def test_nothing_was_written(world: World, running: dict[str, Future[Outcome]]) -> None:
    assert len(running) == len([future for future in running.values() if future.result()])
    assert world.api.writes() == []
