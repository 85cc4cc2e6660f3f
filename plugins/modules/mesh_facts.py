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
  - alauda.ambient.attributes
  - alauda.ambient.attributes.action_group
attributes:
  diff_mode:
    support: none
options:
  mesh:
    description: The declared mesh, as in the variable C(ambient_mesh).
    type: raw
    required: true
  dest:
    description: The file to write.
    type: path
    required: true
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

from ..module_utils.argspec import ambient_module
from ..module_utils.errors import AmbientError
from ..module_utils.kube.connection import connect
from ..module_utils.manifests.files import read_text, write_if_changed
from ..module_utils.mesh.facts import Facts
from ..module_utils.mesh.parse import parse_mesh
from ..module_utils.mesh.survey import needs_facts, survey

OPTIONS: dict[str, dict[str, t.Any]] = {
    "mesh": {"type": "raw", "required": True},
    "dest": {"type": "path", "required": True},
}


def run(params: t.Mapping[str, t.Any], check: bool) -> tuple[bool, Facts]:
    """Whether the file differs, and what was seen; no connection is made where nothing has to be looked at."""
    mesh = parse_mesh(params["mesh"])
    facts = survey(connect(params), mesh) if needs_facts(mesh) else Facts()
    file, text = Path(params["dest"]), facts.to_json()
    if check:
        return not file.is_file() or read_text(file) != text, facts
    return write_if_changed(file, text), facts


def main() -> None:
    """Run the module."""
    module = ambient_module(OPTIONS)
    try:
        changed, facts = run(module.params, module.check_mode)
    except AmbientError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, file=module.params["dest"], namespaces=sorted(facts.namespaces))


if __name__ == "__main__":
    main()
