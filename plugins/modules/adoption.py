#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: adoption
short_description: Plan in which steps declared namespaces change, and say what that means
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Takes the plan of M(alauda.ambient.apply) in check mode and groups the declared namespaces in which something is to
    be done into batches, each with the files of its steps and a file that brings back what was there before.
  - Says for people what changes, such as which namespace joins the mesh, whose traffic goes through which waypoint,
    and who would be refused. Who speaks plain text is taken from ztunnel's telemetry where there is one. Else the
    namespaces outside the mesh are named.
  - Only reads the cluster, and nothing at all where no declared namespace changes.
  - Fails where istiod has another trust domain than O(trust_domain), unless the plan writes istiod's configuration.
extends_documentation_fragment:
  - alauda.ambient.auth
  - alauda.ambient.auth.requirements
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.attributes.action_group
  - alauda.ambient.mesh.declared
  - alauda.ambient.mesh.manifests
  - alauda.ambient.mesh.discovery_selectors
  - alauda.ambient.mesh.trust_domain
  - alauda.ambient.mesh.inventory
options:
  plan:
    description: The RV(alauda.ambient.apply#module:report_file) of a run in check mode over all files.
    type: path
    required: true
  facts:
    description: The file of M(alauda.ambient.mesh_facts); not needed where nothing is bound to a waypoint.
    type: path
  batch_size:
    description: How many namespaces change at a time.
    type: int
    default: 10
  work_dir:
    description: Directory for the files of the steps.
    type: path
    default: ~/.ansible/alauda.ambient
"""

EXAMPLES = r"""
- name: Ask what would be written
  alauda.ambient.apply:
    files: [/tmp/objects/namespaces.json, /tmp/objects/waypoints.json]
  check_mode: true
  register: plan

- name: Plan the steps of the namespaces
  alauda.ambient.adoption:
    mesh: "{{ ambient_mesh }}"
    plan: "{{ plan.report_file }}"
    facts: /tmp/objects/facts.json
"""

RETURN = r"""
batches:
  description:
    - The namespaces that change together, in the order of the declaration. Those that are no longer declared come last,
      where the plan takes away what is ours there.
  type: list
  elements: dict
  returned: success
  contains:
    namespaces:
      description: Their names.
      type: list
      elements: str
    steps:
      description: The files to apply one after the other, limited to these namespaces and with prune.
      type: list
      elements: str
    undo_steps:
      description: The files that bring back what was there before, applied one after the other in the same way.
      type: list
      elements: str
waves:
  description: The waves before the namespaces in which objects of other roles are to be written.
  type: list
  elements: int
  returned: success
late_waves:
  description: The waves after the namespaces in which objects of other roles are to be written.
  type: list
  elements: int
  returned: success
admits:
  description:
    - The file of policies that have to be applied before the waves. They let waypoints in that would be refused beside
      policies which come in those. Empty where there are none.
  type: str
  returned: success
file:
  description:
    - The file of all patches and policies of the namespaces once the policies are gone that the plan deletes. To be
      applied with prune in place of the one of M(alauda.ambient.namespace_objects). Empty where none goes.
  type: str
  returned: success
summary:
  description: What changes, in lines for people.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.adoption.callers import callers_of
from ..module_utils.adoption.planning import Steps, Wanted, plan_steps
from ..module_utils.argspec import ambient_module
from ..module_utils.kube.connection import connect
from ..module_utils.modules import (
    DECLARED_MESH,
    DISCOVERY_SELECTORS,
    INVENTORY,
    MANIFESTS,
    TRUST_DOMAIN,
    Spec,
    run_and_exit,
)
from ..module_utils.verify.live import LiveCluster

OPTIONS: Spec = {
    **DECLARED_MESH,
    "plan": {"type": "path", "required": True},
    "facts": {"type": "path"},
    **MANIFESTS,
    **DISCOVERY_SELECTORS,
    **TRUST_DOMAIN,
    **INVENTORY,
    "batch_size": {"type": "int", "default": 10},
    "work_dir": {"type": "path", "default": "~/.ansible/alauda.ambient"},
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """The plan as the result of the module."""
    wanted = Wanted.of(module.params)
    if not wanted.changing:
        return wanted.result(Steps())
    client = connect(module.params)
    steps = plan_steps(wanted, client)
    steps.lines.extend(callers_of(LiveCluster(client), wanted.mesh, steps.narrowed))
    return wanted.result(steps)


def main() -> None:
    """Run the module."""
    run_and_exit(ambient_module(OPTIONS), run)


if __name__ == "__main__":
    main()
