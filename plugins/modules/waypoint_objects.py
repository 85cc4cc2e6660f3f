#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: waypoint_objects
short_description: Compute the Gateways of the declared waypoints
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Reads the declared mesh and writes a Gateway for each of its waypoints, and the ConfigMap by which istiod sizes what
    it makes of that Gateway, to one file that M(alauda.ambient.apply) and M(alauda.ambient.render) read.
  - A waypoint with C(existing) is somebody else's and left out.
  - No cluster is involved. The same input gives the same file.
extends_documentation_fragment:
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.mesh.declared
  - alauda.ambient.objects
seealso:
  - module: alauda.ambient.namespace_objects
"""

EXAMPLES = r"""
- name: Compute a waypoint with two pods, which stay one at least
  alauda.ambient.waypoint_objects:
    mesh:
      name: default
      waypoints:
        - name: waypoint
          namespace: shop
          replicas: 2
          disruption_budget: {min_available: 1}
    dest: /tmp/objects/waypoints.json
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.manifests.dest import write_items
from ..module_utils.mesh.parse import parse_mesh
from ..module_utils.mesh.waypoints import ROLE, waypoint_items
from ..module_utils.modules import DECLARED_MESH, DEST, Module, Spec, run_and_exit

SPEC: Spec = {**DECLARED_MESH, **DEST}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Write the file, or only compare it, and say how much is in it."""
    return write_items(module, ROLE, waypoint_items(parse_mesh(module.params["mesh"])))


def main() -> None:
    """Entry point."""
    run_and_exit(Module(SPEC), run)


if __name__ == "__main__":
    main()
