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
  - alauda.ambient.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  mesh:
    description: The declared mesh, as in the variable C(ambient_mesh).
    type: raw
    required: true
  dest:
    description: The file to write.
    type: path
    required: true
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

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import AmbientError
from ..module_utils.manifests.items import dump_role, would_change
from ..module_utils.mesh.parse import parse_mesh
from ..module_utils.mesh.waypoints import ROLE, waypoint_items

SPEC: dict[str, dict[str, Any]] = {
    "mesh": {"type": "raw", "required": True},
    "dest": {"type": "path", "required": True},
}


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write the file, or only compare it, and say how much is in it."""
    items = waypoint_items(parse_mesh(params["mesh"]))
    write = would_change if check_mode else dump_role
    return {"changed": write(params["dest"], ROLE, items), "count": len(items)}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = run(module.params, module.check_mode)
    except AmbientError as error:
        module.fail_json(msg=str(error))
    module.exit_json(file=module.params["dest"], **result)


if __name__ == "__main__":
    main()
