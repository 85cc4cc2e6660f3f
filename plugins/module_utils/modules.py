# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules share, also those without a cluster: options (the twins of doc fragments), and how they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .errors import AmbientError

Spec = dict[str, dict[str, Any]]

DECLARED_MESH: Spec = {"mesh": {"type": "raw", "required": True}}
MESH_NAME: Spec = {"mesh": {"type": "str", "default": "default"}}
TRUST_DOMAIN: Spec = {"trust_domain": {"type": "str", "default": "cluster.local"}}
DISCOVERY_SELECTORS: Spec = {"discovery_selectors": {"type": "raw", "default": []}}
MANIFESTS: Spec = {"manifests": {"type": "path"}}
INVENTORY: Spec = {"inventory_namespace": {"type": "str", "default": "istio-system"}}
DEST: Spec = {"dest": {"type": "path", "required": True}}


def run_and_exit(module: AnsibleModule, run: Callable[[AnsibleModule], Mapping[str, Any]]) -> None:
    """Exit with the result of `run`, as unchanged where that does not say; AmbientError fails the module."""
    try:
        result = run(module)
    except AmbientError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**{"changed": False, **result})
