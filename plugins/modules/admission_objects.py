#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: admission_objects
short_description: Compute the admission policies that guard an ambient mesh
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Writes ValidatingAdmissionPolicies and their bindings to one file that M(alauda.ambient.apply) and
    M(alauda.ambient.render) read. The API server itself enforces them, without a webhook.
  - No sidecars in ambient namespaces and no ambient mode among sidecars, no other mesh beside this one, no platform
    namespace in the mesh, and istio-cni stays while a namespace is enrolled.
  - No cluster is involved. The same input gives the same file.
extends_documentation_fragment:
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.mesh.name
  - alauda.ambient.objects
options:
  mode:
    description:
      - What the API server does with what a rule does not let pass. V(deny) refuses it, V(warn) lets it pass with a
        warning to whoever asked, V(audit) only writes it into the audit log of the cluster, V(disabled) gives no
        policies.
    type: str
    choices: [deny, warn, audit, disabled]
    required: true
"""

EXAMPLES = r"""
- name: Compute admission policies that only warn
  alauda.ambient.admission_objects:
    mode: warn
    dest: /tmp/objects/guard.json
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

from ..module_utils.admission.objects import MODES, ROLE, admission_items
from ..module_utils.manifests.dest import write_items
from ..module_utils.mesh.parse import parse_mesh
from ..module_utils.modules import DEST, MESH_NAME, Module, Spec, run_and_exit

SPEC: Spec = {"mode": {"type": "str", "choices": list(MODES), "required": True}, **MESH_NAME, **DEST}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Write the file, or only compare it, and say how much is in it."""
    mesh = parse_mesh({"name": module.params["mesh"]}).name
    return write_items(module, ROLE, admission_items(module.params["mode"], mesh))


def main() -> None:
    """Entry point."""
    run_and_exit(Module(SPEC), run)


if __name__ == "__main__":
    main()
