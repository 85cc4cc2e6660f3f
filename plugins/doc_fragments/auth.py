# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options; the twin of module_utils/argspec.py."""

from __future__ import annotations

from ansible_collections.kubernetes.core.plugins.doc_fragments.k8s_auth_options import (
    ModuleDocFragment as KubernetesAuth,
)


class ModuleDocFragment:
    """The options of kubernetes.core, under this collection's name."""

    DOCUMENTATION = KubernetesAuth.DOCUMENTATION
    REQUIREMENTS = r"""
options: {}
requirements:
  - python >= 3.11
  - kubernetes >= 29 (Python library)
"""
