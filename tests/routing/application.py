# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application of these tests: two Deployments under accounts of their own, Services with two ports and headless."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from devcluster.kubectl import Kubectl

MANIFEST = Path(__file__).with_name("application.yaml")
DEPLOYMENTS = ("cart", "stock")


def objects(echo_image: str, namespace: str) -> list[dict[str, Any]]:
    """The application's objects in this namespace, with this image; the Namespace itself is the first."""
    text = MANIFEST.read_text().replace("ECHO_IMAGE", echo_image).replace("NAMESPACE", namespace)
    return [item for item in yaml.safe_load_all(text) if item]


def deploy(kubectl: Kubectl, echo_image: str, namespace: str) -> None:
    """Apply the application under its own field manager and wait until all replicas are ready."""
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": objects(echo_image, namespace)}, manager="developer")
    for name in DEPLOYMENTS:
        words = ("rollout", "status", f"deployment/{name}", f"--namespace={namespace}", "--timeout=120s")
        kubectl.run(*words, timeout=130)


def remove(kubectl: Kubectl, namespace: str) -> None:
    """Delete the application with its namespace and everything in it."""
    kubectl.run("delete", "namespace", namespace, "--ignore-not-found", "--wait", "--timeout=120s", timeout=130)
