#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_objects
short_description: Compute the patches and policies of the declared namespaces
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Reads the declared mesh and writes the patches on what belongs to the users, and the policies beside them, to one
    file that M(alauda.ambient.apply) and M(alauda.ambient.render) read.
  - Every namespace that is not V(off) gets the label V(istio.io/dataplane-mode=ambient) under the field manager
    V(alauda.ambient/enrolment), and the labels that make istiod discover it under V(alauda.ambient/discovery).
    A namespace that is V(off) is released. The manager V(alauda.ambient/enrolment) lets go of its labels, and the
    label V(istio.io/dataplane-mode) has to be gone then.
  - Namespaces, Services and workloads that are bound to a waypoint get the labels V(istio.io/use-waypoint) and
    V(istio.io/use-waypoint-namespace). The pods behind it are locked down to it by an AuthorizationPolicy.
  - What C(access) says comes to AuthorizationPolicies at the pods and at their waypoints, and to
    RequestAuthentications. M(alauda.ambient.policy_objects) shows them.
  - No cluster is involved. The same input gives the same file. What only a cluster knows comes from O(facts).
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
    description:
      - The declared mesh, as in the variable C(ambient_mesh).
      - A bare V(off) is a boolean in YAML 1.1; it is read as the state all the same.
    type: raw
    required: true
  discovery_selectors:
    description:
      - The discovery selectors of istiod, as in C(ambient_discovery_selectors). Without any, all namespaces are seen.
    type: raw
    default: []
  facts:
    description:
      - The file of M(alauda.ambient.mesh_facts). Without it the declaration has to say all that its bindings and its
        access need, and the policies of others are not looked at.
    type: path
  manifests:
    description: The file of M(alauda.ambient.manifest_objects), whose policies come in the same run.
    type: path
  trust_domain:
    description: The trust domain of the mesh, as in C(meshConfig.trustDomain).
    type: str
    default: cluster.local
  dest:
    description: The file to write.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Compute the labels and policies of two namespaces
  alauda.ambient.namespace_objects:
    mesh:
      name: default
      namespaces:
        - {name: shop, state: l7}
        - {name: legacy, state: "off"}
      waypoints:
        - {name: waypoint, namespace: shop}
    discovery_selectors:
      - matchLabels: {istio-discovery: enabled}
    dest: /tmp/objects/namespaces.json
"""

RETURN = r"""
file:
  description: The file with the patches and policies.
  type: str
  returned: success
count:
  description: How many patches and policies are in it.
  type: int
  returned: success
enrolled:
  description: The namespaces that shall be in the mesh.
  type: list
  elements: str
  returned: success
released:
  description: The namespaces that shall not.
  type: list
  elements: str
  returned: success
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import AmbientError
from ..module_utils.manifests.items import dump_role, would_change
from ..module_utils.mesh.beside import policies_beside
from ..module_utils.mesh.facts import Facts
from ..module_utils.mesh.objects import namespace_items
from ..module_utils.mesh.parse import parse_mesh
from ..module_utils.mesh.patches import ROLE
from ..module_utils.mesh.selectors import check_selectors
from ..module_utils.mesh.trust import check_trust_domain

SPEC: dict[str, dict[str, Any]] = {
    "mesh": {"type": "raw", "required": True},
    "discovery_selectors": {"type": "raw", "default": []},
    "facts": {"type": "path"},
    "manifests": {"type": "path"},
    "trust_domain": {"type": "str", "default": "cluster.local"},
    "dest": {"type": "path", "required": True},
}


def run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write the file, or only compare it, and say what is in it."""
    mesh = parse_mesh(params["mesh"])
    facts = Facts.from_file(params["facts"]) if params["facts"] else None
    items = namespace_items(
        mesh,
        check_selectors(params["discovery_selectors"]),
        facts,
        check_trust_domain(params["trust_domain"]),
        policies_beside(params["manifests"]),
    )
    write = would_change if check_mode else dump_role
    return {
        "changed": write(params["dest"], ROLE, items),
        "count": len(items),
        "enrolled": [namespace.name for namespace in mesh.enrolled()],
        "released": [namespace.name for namespace in mesh.released()],
    }


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
