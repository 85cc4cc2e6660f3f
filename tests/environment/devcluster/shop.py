# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application of an imaginary user: a namespace, two Deployments and a Service that the mesh did not make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .errors import SetupError
from .kubectl import Kubectl
from .progress import progress

MANIFEST = Path(__file__).resolve().parents[1] / "shop.yml"
NAMESPACE = "shop"


def objects(echo_image: str) -> list[dict[str, Any]]:
    """The shop's objects with this image in its containers."""
    text = MANIFEST.read_text().replace("ECHO_IMAGE", echo_image)
    return [item for item in yaml.safe_load_all(text) if item]


def open_shop(directory: Path) -> None:
    """Apply the shop to the cluster of a directory and wait until it is there; unchanged, it is left alone."""
    description, images = directory / "environment.json", directory / "images.json"
    for file in (description, images):
        if not file.exists():
            raise SetupError(f"{file} is missing", hint="Bring the cluster up and build the images first")
    facts = json.loads(description.read_text())
    built = json.loads(images.read_text()).get("echo", {})
    image = built.get("ref") or f"docker.io/istio/app:{facts['istio_version']}"
    kubectl = Kubectl(directory / "kubeconfig", facts["context"])
    with progress.step("open the shop"):
        kubectl.apply({"apiVersion": "v1", "kind": "List", "items": objects(image)}, manager="shopkeeper")
        for name in ("front", "stock"):
            kubectl.run(
                "rollout", "status", f"deployment/{name}", f"--namespace={NAMESPACE}", "--timeout=90s", timeout=100
            )
