# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enrolling and releasing a user's namespace, from the declaration to the cluster and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client

pytestmark = pytest.mark.usefixtures("istiod")
OWN_APISERVER = True  # the inventory in istio-system belongs to this module's meshes

Bring = Callable[..., dict[str, Any]]
MODE = "istio.io/dataplane-mode"
BLUE = [{"matchLabels": {"mesh": "blue"}}]


@pytest.fixture
def bring(run_module: Callable[..., dict[str, Any]], tmp_path: Path) -> Bring:
    """`bring(namespace, state)`: compute the patches of one namespace and apply them."""

    def run(namespace: str, state: Any, selectors: Any = (), check: bool = False) -> dict[str, Any]:
        file = str(tmp_path / "namespaces.json")
        mesh = {"name": namespace, "namespaces": [{"name": namespace, "state": state}]}
        computed = run_module(
            "namespace_objects",
            {"mesh": mesh, "dest": file, "discovery_selectors": list(selectors), "kubeconfig": None, "host": None},
        )
        assert not computed.get("failed"), computed
        return run_module("apply", {"files": [file], "mesh": namespace, "work_dir": str(tmp_path)}, check)

    return run


def labels(client: Client, namespace: str) -> dict[str, str]:
    found = client.get("v1", "Namespace", namespace)
    assert found is not None
    return {key: value for key, value in found["metadata"]["labels"].items() if key != "kubernetes.io/metadata.name"}


def test_enrol_again_and_release(bring: Bring, client: Client, namespace: str) -> None:
    planned = bring(namespace, "l4", check=True)
    assert planned["changed"]
    assert labels(client, namespace) == {}

    assert bring(namespace, "l4")["changed"]
    assert labels(client, namespace) == {MODE: "ambient"}
    assert not bring(namespace, "l4")["changed"]

    released = bring(namespace, False)
    assert released["changed"]
    assert labels(client, namespace) == {}
    assert not bring(namespace, "off")["changed"]


def test_the_discovery_label_comes_along_and_outlives_the_enrolment(
    bring: Bring, client: Client, namespace: str
) -> None:
    bring(namespace, "l4", BLUE)
    assert labels(client, namespace) == {MODE: "ambient", "mesh": "blue"}
    assert not bring(namespace, "l4", BLUE)["changed"]

    bring(namespace, "off", BLUE)
    assert labels(client, namespace) == {"mesh": "blue"}


def test_releasing_what_somebody_else_holds_fails_and_says_who(bring: Bring, client: Client, namespace: str) -> None:
    bring(namespace, "l4")
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {MODE: "ambient"}}}
    client.apply(theirs, "somebody")

    result = bring(namespace, "off")

    assert result["failed"]
    assert "somebody" in result["msg"]
    assert labels(client, namespace) == {MODE: "ambient"}


def test_a_namespace_that_is_not_there_is_never_made(bring: Bring, client: Client) -> None:
    result = bring("is-not-there", "l4")
    assert result["failed"]
    assert "is-not-there" in result["msg"]

    assert not bring("is-not-there", "off")["changed"]
    assert client.get("v1", "Namespace", "is-not-there") is None
