#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: uninstall_objects
short_description: Find what an uninstall of the mesh has to remove
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Looks in the cluster for every object that carries the label of the mesh, whoever applied it, for the fields that
    the mesh holds on namespaces, and for what istiod has made at run time, and writes them to a file that
    M(alauda.ambient.apply) with O(alauda.ambient.apply#module:state=absent) removes.
  - Says what stays, and which option would let it go. Neither charts nor Helm are needed.
  - Objects that were there before the first run are never removed, only what the mesh has set on them is.
extends_documentation_fragment:
  - alauda.ambient.auth
  - alauda.ambient.auth.requirements
  - alauda.ambient.attributes.read_only
  - alauda.ambient.attributes.action_group
  - alauda.ambient.mesh.name
  - alauda.ambient.mesh.inventory
  - alauda.ambient.objects
options:
  remove_crds:
    description: Whether Istio's CRDs go, and with them every object of these kinds.
    type: bool
    default: false
  remove_gateway_api:
    description: Whether the Gateway API's CRDs go if they are ours, and with them every Gateway and route.
    type: bool
    default: false
  remove_namespaces:
    description: Whether the components' namespaces go. One that holds something that is not ours stays.
    type: bool
    default: false
  remove_ca_secret:
    description: Whether the Secret with the mesh's root key goes.
    type: bool
    default: false
  show:
    description: Whether the terminal says what stays.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Find what has to go
  alauda.ambient.uninstall_objects:
    dest: /tmp/mesh/uninstall.json
    remove_crds: true
  register: found
"""

RETURN = r"""
file:
  description: The file with the objects.
  type: str
  returned: success
count:
  description: How many objects and patches it holds.
  type: int
  returned: success
enrolled_by_others:
  description: Namespaces that are enrolled, but not by this collection.
  type: list
  elements: str
  returned: success
kept:
  description: What stays.
  type: list
  elements: dict
  returned: success
  contains:
    object:
      description: The object.
      type: str
    reason:
      description: Why it stays, or the variable that would let it go.
      type: str
summary:
  description: What stays, a few lines for people.
  type: list
  elements: str
  returned: success
"""

import dataclasses
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.argspec import ambient_module
from ..module_utils.kube.connection import connect
from ..module_utils.kube.inventory import Inventory
from ..module_utils.manifests.items import dump_role
from ..module_utils.modules import DEST, INVENTORY, MESH_NAME, Spec, run_and_exit
from ..module_utils.removal.live import enrolled_by_others
from ..module_utils.removal.plan import Wishes, plan_removal, summary

OPTIONS: Spec = {
    **DEST,
    **MESH_NAME,
    **INVENTORY,
    "remove_crds": {"type": "bool", "default": False},
    "remove_gateway_api": {"type": "bool", "default": False},
    "remove_namespaces": {"type": "bool", "default": False},
    "remove_ca_secret": {"type": "bool", "default": False},
    "show": {"type": "bool", "default": False},
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the module's result."""
    params = module.params
    client = connect(params)
    inventory = Inventory(client, params["inventory_namespace"], params["mesh"])
    existed = {record.identity.key for record in inventory.all().values() if record.existed and not record.patch}
    wishes = Wishes(
        crds=params["remove_crds"],
        gateway_api=params["remove_gateway_api"],
        namespaces=params["remove_namespaces"],
        ca_secret=params["remove_ca_secret"],
    )
    removal = plan_removal(client, params["mesh"], wishes, existed)
    if not module.check_mode:
        dump_role(Path(params["dest"]), "uninstall", removal.items)
    return {
        "file": params["dest"],
        "count": len(removal.items),
        "enrolled_by_others": enrolled_by_others(client),
        "kept": [dataclasses.asdict(kept) for kept in removal.kept],
        "summary": summary(removal),
    }


def main() -> None:
    """Run the module."""
    run_and_exit(ambient_module(OPTIONS), run)


if __name__ == "__main__":
    main()
