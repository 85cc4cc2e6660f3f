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
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.mesh.declared
  - alauda.ambient.mesh.manifests
  - alauda.ambient.mesh.discovery_selectors
  - alauda.ambient.mesh.trust_domain
  - alauda.ambient.objects
options:
  facts:
    description:
      - The file of M(alauda.ambient.mesh_facts). Without it the declaration has to say all that its bindings and its
        access need, and the policies of others are not looked at.
    type: path
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.manifests.dest import write_items
from ..module_utils.mesh.beside import policies_beside
from ..module_utils.mesh.facts import Facts
from ..module_utils.mesh.objects import namespace_items
from ..module_utils.mesh.parse import parse_mesh
from ..module_utils.mesh.patches import ROLE
from ..module_utils.mesh.selectors import check_selectors
from ..module_utils.mesh.trust import check_trust_domain
from ..module_utils.modules import (
    DECLARED_MESH,
    DEST,
    DISCOVERY_SELECTORS,
    MANIFESTS,
    TRUST_DOMAIN,
    Module,
    Spec,
    run_and_exit,
)

SPEC: Spec = {
    **DECLARED_MESH,
    **DISCOVERY_SELECTORS,
    "facts": {"type": "path"},
    **MANIFESTS,
    **TRUST_DOMAIN,
    **DEST,
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Write the file, or only compare it, and say what is in it."""
    params = module.params
    mesh = parse_mesh(params["mesh"])
    facts = Facts.from_file(params["facts"]) if params["facts"] else None
    items = namespace_items(
        mesh,
        check_selectors(params["discovery_selectors"]),
        facts,
        check_trust_domain(params["trust_domain"]),
        policies_beside(params["manifests"], facts),
    )
    return {
        **write_items(module, ROLE, items),
        "enrolled": [namespace.name for namespace in mesh.enrolled()],
        "released": [namespace.name for namespace in mesh.released()],
    }


def main() -> None:
    """Entry point."""
    run_and_exit(Module(SPEC), run)


if __name__ == "__main__":
    main()
