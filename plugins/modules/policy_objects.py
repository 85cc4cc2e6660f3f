#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_objects
short_description: Show the policies that a declared mesh comes to
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Reads the declared mesh and gives back all policies that its namespaces come to. These are AuthorizationPolicies and
    RequestAuthentications of C(access), and those by which a state is strict, denies by default or locks pods down.
  - Those that come from C(access) carry the label V(ambient.alauda.io/intent), which says of which target.
  - Changes nothing, and no cluster is involved. M(alauda.ambient.namespace_objects) brings the same policies, together
    with the labels of namespaces and Services.
extends_documentation_fragment:
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.mesh.declared
  - alauda.ambient.mesh.trust_domain
options:
  facts:
    description:
      - The file of M(alauda.ambient.mesh_facts). Without it the declaration has to say the selectors of Services, and
        ports of Services are taken to be those of their pods.
    type: path
seealso:
  - module: alauda.ambient.namespace_objects
"""

EXAMPLES = r"""
- name: Look at the policies of a Service that only the web shop may read
  alauda.ambient.policy_objects:
    mesh:
      waypoints:
        - {name: waypoint, namespace: shop}
      namespaces:
        - name: shop
          state: l7
          access:
            - to: {service: cart, selector: {app: cart}}
              from: [{service_account: web}]
              methods: [GET]
  register: policies

- name: Show them
  ansible.builtin.debug:
    msg: "{{ policies.objects | to_nice_yaml }}"
"""

RETURN = r"""
objects:
  description: The policies, in the order in which they are applied.
  type: list
  elements: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.mesh.facts import Facts
from ..module_utils.mesh.objects import policy_items_of
from ..module_utils.mesh.parse import parse_mesh
from ..module_utils.mesh.trust import check_trust_domain
from ..module_utils.modules import DECLARED_MESH, TRUST_DOMAIN, Module, Spec, run_and_exit

SPEC: Spec = {**DECLARED_MESH, "facts": {"type": "path"}, **TRUST_DOMAIN}


def run(module: AnsibleModule) -> dict[str, Any]:
    """The policies."""
    params = module.params
    facts = Facts.from_file(params["facts"]) if params["facts"] else None
    trust = check_trust_domain(params["trust_domain"])
    items = policy_items_of(parse_mesh(params["mesh"]), facts, trust)
    return {"objects": [dict(item.object) for item in items]}


def main() -> None:
    """Entry point."""
    run_and_exit(Module(SPEC), run)


if __name__ == "__main__":
    main()
