#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: leftovers
short_description: Remove what istiod has made at run time
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Removes what no manifest names and nobody else would remove once istiod is gone. These are the ConfigMap
    C(istio-ca-root-cert) in every namespace, the leases of its leader elections, and its GatewayClasses.
  - Refuses while an istiod runs, because it would make them again.
extends_documentation_fragment:
  - alauda.ambient.auth
  - alauda.ambient.auth.requirements
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.attributes.action_group
options:
  ca_secret:
    description: Whether the Secret with the mesh's root key goes too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Remove what istiod has made
  alauda.ambient.leftovers:
    kubeconfig: ~/.kube/config
"""

RETURN = r"""
removed:
  description: The objects that were removed, or would be.
  type: list
  elements: str
  returned: success
  sample: [ConfigMap default/istio-ca-root-cert]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.argspec import ambient_module
from ..module_utils.errors import AmbientError
from ..module_utils.kube.connection import connect
from ..module_utils.manifests.identity import Identity
from ..module_utils.modules import run_and_exit
from ..module_utils.removal.live import ca_secret, istiod_is_there, made_by_istiod


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Remove everything, in check mode nothing, and name the objects."""
    client = connect(module.params)
    if not module.check_mode and istiod_is_there(client):
        raise AmbientError(
            "istiod is still there and would make everything again",
            path="Deployment istio-system/istiod",
            hint="Remove it first",
        )
    leaving = [*made_by_istiod(client), *(ca_secret(client) if module.params["ca_secret"] else [])]
    removed = []
    for obj in leaving:
        identity = Identity.of(obj)
        if module.check_mode or client.delete(identity, uid=obj["metadata"]["uid"]):
            removed.append(identity.short)
    return {"changed": bool(removed), "removed": removed}


def main() -> None:
    """Run the module."""
    run_and_exit(ambient_module({"ca_secret": {"type": "bool", "default": False}}), run)


if __name__ == "__main__":
    main()
