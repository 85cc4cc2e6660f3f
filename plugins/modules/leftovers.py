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
  - alauda.ambient.attributes
  - alauda.ambient.attributes.action_group
attributes:
  diff_mode:
    support: none
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

from ..module_utils.argspec import ambient_module
from ..module_utils.errors import AmbientError
from ..module_utils.kube.connection import connect
from ..module_utils.manifests.identity import Identity
from ..module_utils.removal.live import ca_secret, istiod_is_there, made_by_istiod


def run(params: t.Mapping[str, t.Any], check: bool) -> list[str]:
    """Remove everything, in check mode nothing, and return the objects in words."""
    client = connect(params)
    if not check and istiod_is_there(client):
        raise AmbientError(
            "istiod is still there and would make everything again",
            path="Deployment istio-system/istiod",
            hint="Remove it first",
        )
    leaving = [*made_by_istiod(client), *(ca_secret(client) if params["ca_secret"] else [])]
    removed = []
    for obj in leaving:
        identity = Identity.of(obj)
        if check or client.delete(identity, uid=obj["metadata"]["uid"]):
            removed.append(identity.short)
    return removed


def main() -> None:
    """Run the module."""
    module = ambient_module({"ca_secret": {"type": "bool", "default": False}})
    try:
        removed = run(module.params, module.check_mode)
    except AmbientError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(removed), removed=removed)


if __name__ == "__main__":
    main()
