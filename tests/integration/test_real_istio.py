# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio by its own charts, as Helm brings it for somebody else, in a real API server: other meshes look less alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import toolchain
from ansible_collections.alauda.ambient.plugins.module_utils.checks import versions
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from devcluster import assets, golang
from real_charts import NAMESPACE, Object, rendered, there

OWN_APISERVER = True  # the checks look at the whole cluster

Run = Callable[..., dict[str, Any]]
BASE = {"version": "1.31.0", "gateway_api": "install", "fail_on": "never", "phase": ["pre"]}
ISTIO = ("base", "istio-control/istio-discovery")
AMBIENT = (*ISTIO, "istio-cni", "ztunnel")
TAG = toolchain.ISTIO_VERSION


def istio(folders: tuple[str, ...], *options: str) -> list[Object]:
    """Istio as `helm install` brings it for somebody else: without our label. The CRDs are there already."""
    values = (f"--set=global.tag={TAG},tag={TAG},global.hub=r.invalid,hub=r.invalid", *options)
    every = [obj for folder in folders for obj in rendered(assets.charts() / folder, *values)]
    return [obj for obj in every if obj["kind"] != "CustomResourceDefinition"]


@pytest.fixture(scope="module", autouse=True)
def _crds(client: Client) -> None:
    definitions = [obj for obj in rendered(assets.charts() / "base") if obj["kind"] == "CustomResourceDefinition"]
    assert definitions
    for obj in definitions:
        client.apply(obj, "helm")


def test_the_bundles_from_which_istio_reads_each_kind_are_those_of_its_source() -> None:
    module = golang.module_directory(assets.ISTIO, "istio.io/istio")
    text = (module / "pkg/config/schema/gatewayapi/minimumversions.go").read_text()
    found = re.findall(r'"(\w+)\.gateway\.networking\.k8s\.io": +semver\.New\((\d+), (\d+), (\d+),', text)
    least = {plural: tuple(map(int, version)) for plural, *version in found}
    needs = versions.needs_of(toolchain.ISTIO_VERSION)

    assert least and needs
    assert needs.gateway_api == {**least, "listenersets": (1, 5, 0)}


@pytest.mark.parametrize("revision", ["", "1-30"])
def test_an_istio_with_sidecars_by_helm(run_module: Run, client: Client, revision: str) -> None:
    with there(client, istio(ISTIO, f"--set=revision={revision}")):
        result = run_module("check", BASE)

    said = {finding["code"]: finding["object"] for finding in result["findings"] if finding["severity"] == "error"}
    assert set(said) == {"AMB0203", "AMB0204"}
    assert said["AMB0204"].startswith("MutatingWebhookConfiguration istio-sidecar-injector")
    everything = {(finding["code"], finding["object"]) for finding in result["findings"]}
    name = f"istiod-{revision}" if revision else "istiod"
    assert ("AMB0203", f"Deployment {NAMESPACE}/{name}") in everything
    assert {finding["code"] for finding in result["findings"]} == {"AMB0203", "AMB0204", "AMB0210"}


def test_an_ambient_istio_by_helm_is_foreign_before_an_installation_and_judged_as_a_mesh(
    run_module: Run, client: Client
) -> None:
    with there(client, istio(AMBIENT, f"--set=profile=ambient,trustedZtunnelNamespace={NAMESPACE}")):
        before = run_module("check", BASE)
        mesh = run_module("check", {**BASE, "phase": ["mesh"]})

    assert {finding["code"] for finding in before["findings"]} == {"AMB0203", "AMB0204", "AMB0205", "AMB0210"}
    foreign = {finding["object"] for finding in before["findings"] if finding["code"] == "AMB0205"}
    assert foreign == {f"DaemonSet {NAMESPACE}/istio-cni-node", f"DaemonSet {NAMESPACE}/ztunnel"}
    status = {check["code"]: (check["status"], check["detail"]) for check in mesh["checks"]}
    assert status["AMB0501"] == ("error", f"{NAMESPACE}/istiod by Helm: 0 of 1 ready")
    assert status["AMB0504"] == ("pass", f"istiod {TAG}")
    assert [status[code][0] for code in ("AMB0505", "AMB0506", "AMB0507")] == ["pass"] * 3
    assert status["AMB0507"][1] == "", "the variable of istiod that says whom it trusts was found"
