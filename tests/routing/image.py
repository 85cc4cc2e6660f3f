# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test client's image, on the nodes of a kind cluster.

It is built here and not by the role `images`: that one is for users, and what it has built is what their mesh runs.
"""

from __future__ import annotations

import json
from pathlib import Path

from devcluster import assets
from unit.plugins.modules.image_modules import run_module

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = "routing-test-client"


def ensure(directory: Path) -> str:
    """The image's reference by digest; built and loaded onto the nodes of the directory's cluster if need be."""
    facts = json.loads((directory / "environment.json").read_text())
    if not facts["source"].startswith("kind"):
        raise AssertionError(
            f"the cluster's source is {facts['source']}: the test client is loaded onto kind nodes only"
        )
    image = {
        "definition": str(assets.ROUTING_CLIENT_IMAGE),
        "ref": f"ambient.local/{NAME}",
        "dest": str(CHECKOUT / "build/images" / NAME),
        "sources": {NAME: str(assets.routing_client())},
    }
    built = run_module("image_build", images=[image])
    assert not built.get("failed"), built
    (found,) = built["images"]
    shipment = {"layout": found["layout"], "ref": found["ref"]}
    sent = run_module(
        "image_publish", kind_cluster=facts["cluster"], docker_host=facts["docker_host"], images=[shipment]
    )
    assert not sent.get("failed"), sent
    return str(found["ref"])
