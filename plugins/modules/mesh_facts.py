#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_facts
short_description: Read what a declared mesh needs to know of its cluster
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Reads, for the namespaces whose traffic goes through waypoints or that declare C(access), the AuthorizationPolicies
    that ztunnel enforces, and where single Services or service accounts are bound or C(access) is declared, the
    Services and what makes their pods. Namespaces whose Services are named as callers are read, too. Where a waypoint
    locks pods down, the Services are read for those that are headless.
  - Writes that to a file for M(alauda.ambient.namespace_objects) and M(alauda.ambient.adoption). Sends no request but
    LISTs, and none at all where nothing is bound to a waypoint and no access is declared.
extends_documentation_fragment:
  - alauda.ambient.auth
  - alauda.ambient.auth.requirements
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.attributes.action_group
  - alauda.ambient.mesh.declared
  - alauda.ambient.objects
"""

EXAMPLES = r"""
- name: Look at the Services that are to be bound
  alauda.ambient.mesh_facts:
    kubeconfig: ~/.kube/config
    mesh: "{{ ambient_mesh }}"
    dest: /tmp/objects/facts.json
"""

RETURN = r"""
file:
  description: The file with the facts.
  type: str
  returned: success
namespaces:
  description: The namespaces that were looked at.
  type: list
  elements: str
  returned: success
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.argspec import ambient_module
from ..module_utils.kube.connection import connect
from ..module_utils.manifests.files import would_write, write_if_changed
from ..module_utils.mesh.facts import Facts
from ..module_utils.mesh.parse import parse_mesh
from ..module_utils.mesh.survey import needs_facts, survey
from ..module_utils.modules import DECLARED_MESH, DEST, Spec, run_and_exit

OPTIONS: Spec = {**DECLARED_MESH, **DEST}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Write what was seen, or only compare it; no connection is made where nothing has to be looked at."""
    mesh = parse_mesh(module.params["mesh"])
    facts = survey(connect(module.params), mesh) if needs_facts(mesh) else Facts()
    file, text = Path(module.params["dest"]), facts.to_json()
    write = would_write if module.check_mode else write_if_changed
    return {"changed": write(file, text), "file": module.params["dest"], "namespaces": sorted(facts.namespaces)}


def main() -> None:
    """Run the module."""
    run_and_exit(ambient_module(OPTIONS), run)


if __name__ == "__main__":
    main()
