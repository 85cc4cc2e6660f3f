# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster of AMBIENT_DIR, with a mesh on it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def environment() -> dict[str, Any]:
    """What the environment says about the cluster."""
    file = directory() / "environment.json"
    if not file.exists():
        pytest.fail(f"no cluster in {directory()}: {file.name} is missing. Run `make cluster`, or set AMBIENT_DIR")
    facts: dict[str, Any] = json.loads(file.read_text())
    return facts


@pytest.fixture(scope="session")
def images() -> dict[str, Any]:
    """The images that were built for the cluster, by name: {ref, digest, source}."""
    found: dict[str, Any] = json.loads((directory() / "images.json").read_text())
    return found


@pytest.fixture(scope="session")
def api(environment: dict[str, Any]) -> client.ApiClient:
    """The cluster's API."""
    return config.new_client_from_config(str(directory() / "kubeconfig"), environment["context"])


@pytest.fixture(scope="session")
def core(api: client.ApiClient) -> client.CoreV1Api:
    """The core group of the cluster's API."""
    return client.CoreV1Api(api)


@pytest.fixture(scope="session")
def mesh(api: client.ApiClient, images: dict[str, Any]) -> None:
    """A mesh on the cluster: one that is there with the ztunnel that was built, else by site.yml; it stays."""
    found = client.AppsV1Api(api).list_namespaced_daemon_set("ztunnel", field_selector="metadata.name=ztunnel")
    built = images["ztunnel"]["ref"]
    if any(each.status.number_ready and each.spec.template.spec.containers[0].image == built for each in found.items):
        return
    command = ["ansible-playbook", "playbooks/site.yml"]
    subprocess.run(command, cwd=CHECKOUT, env=os.environ | {"AMBIENT_DIR": str(directory())}, check=True, timeout=600)


def directory() -> Path:
    """The directory that the environment keeps the cluster's files in."""
    return CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test")
