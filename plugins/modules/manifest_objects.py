#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest_objects
short_description: Read plain manifests of Istio and the Gateway API, each for its wave
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Reads manifests as they are (routes, policies, ServiceEntries, EnvoyFilters and so on) and writes them to one file
    that M(alauda.ambient.apply) and M(alauda.ambient.render) read, so that they come in the wave of their kind and are
    remembered with the rest of the mesh.
  - What narrows (STRICT, DENY, an ALLOW without rules) comes after the namespaces have been enrolled, all else before.
  - No cluster is involved. The same input gives the same file.
extends_documentation_fragment:
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.mesh.name
  - alauda.ambient.objects
options:
  manifests:
    description: Files (YAML, JSON), or directories of these.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Read the routes and policies of a team
  alauda.ambient.manifest_objects:
    manifests: [mesh/routes.yaml, mesh/policies/]
    dest: /tmp/objects/policies.json
"""

RETURN = r"""
file:
  description: The file with the objects.
  type: str
  returned: success
count:
  description: How many objects are in it.
  type: int
  returned: success
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import AmbientError
from ..module_utils.manifests.dest import write_items
from ..module_utils.manifests.items import Item, load_items
from ..module_utils.manifests.labels import own
from ..module_utils.modules import DEST, MESH_NAME, Module, Spec, run_and_exit

ROLE = "policies"
GROUPS = ("istio.io", "gateway.networking.k8s.io", "gateway.networking.x-k8s.io")
SPEC: Spec = {"manifests": {"type": "list", "elements": "path", "required": True}, **MESH_NAME, **DEST}


def items_of(manifests: Sequence[str], mesh: str) -> list[Item]:
    """The objects of the files, labelled as ours. AmbientError for what is neither Istio's nor the Gateway API's."""
    items = load_items([Path(path) for path in manifests], inventory=ROLE).items if manifests else []
    for item in items:
        group = item.identity.group
        if not any(group == known or group.endswith(f".{known}") for known in GROUPS):
            raise AmbientError(
                "is neither of Istio nor of the Gateway API",
                path=f"ambient_manifests, {item.identity}",
                hint="Deploy it with the application that it belongs to, or with the module apply",
            )
    return [replace(item, object=own(item.object, mesh), role=ROLE) for item in items]


def run(module: AnsibleModule) -> dict[str, Any]:
    """Write the file, or only compare it, and say how much is in it."""
    return write_items(module, ROLE, items_of(module.params["manifests"], module.params["mesh"]))


def main() -> None:
    """Entry point."""
    run_and_exit(Module(SPEC), run)


if __name__ == "__main__":
    main()
