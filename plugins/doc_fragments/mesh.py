# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options about the mesh; the twins of those in module_utils/modules.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Each option for itself: modules need different ones."""

    DECLARED = r"""
options:
  mesh:
    description:
      - The declared mesh, as in the variable C(ambient_mesh).
      - A bare V(off) is a boolean in YAML 1.1; it is read as the state all the same.
    type: raw
    required: true
"""

    NAME = r"""
options:
  mesh:
    description: Name of the mesh, the value of the label C(ambient.alauda.io/mesh) of its objects.
    type: str
    default: default
"""

    TRUST_DOMAIN = r"""
options:
  trust_domain:
    description: The trust domain of the mesh, as in C(meshConfig.trustDomain).
    type: str
    default: cluster.local
"""

    DISCOVERY_SELECTORS = r"""
options:
  discovery_selectors:
    description:
      - The discovery selectors of istiod, as in C(ambient_discovery_selectors). Without any, all namespaces are seen.
    type: raw
    default: []
"""

    MANIFESTS = r"""
options:
  manifests:
    description: The file of M(alauda.ambient.manifest_objects), whose policies come in the same run.
    type: path
"""

    INVENTORY = r"""
options:
  inventory_namespace:
    description:
      - The namespace that holds the record of what was applied. M(alauda.ambient.apply) creates it where it is missing.
    type: str
    default: istio-system
"""
