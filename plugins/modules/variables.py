#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: variables
short_description: Refuse variables that the collection's roles would not understand
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Compares the host's C(ambient_*) variables with the argument specs of the given roles, before any of them runs. Each
    problem is one line that says which variable, what is wrong with it and what to do.
  - A variable that no role of the collection knows, but that is spelt almost like one that does, is refused as well.
  - Runs on the controller, reads files of the collection only, and never repeats the value of a secret.
extends_documentation_fragment:
  - alauda.ambient.attributes.read_only
options:
  roles:
    description: Names of the roles whose variables count, such as V(control_plane).
    type: list
    elements: str
    required: true
  extra:
    description:
      - Names of the other variables that the playbook takes by C(-e). One that is spelt almost like these is refused,
        and of any other that is given there a warning says that nothing looks at it. Not looked at without this option.
    type: list
    elements: str
  whole_play:
    description:
      - Whether the play runs as a whole or not at all. Then C(--tags) and C(--skip-tags) that leave nothing of it but
        this task are refused, unless the play itself was given tags. The task needs the tag V(always).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look whether the variables are understood
  alauda.ambient.variables:
    roles: [control_plane, cni, ztunnel, namespaces, guard]
"""

RETURN = r"""
checked:
  description: Names of the variables that were looked at.
  returned: success
  type: list
  elements: str
  sample: [ambient_mesh, ambient_version]
"""
