# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a play that must not be green without a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: The hosts of the inventory, of which there must be one
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Returns V(all), the pattern for the C(hosts) of a play, where the inventory has a host, and is an error where it has
    none. A play that works on V(localhost) needs no inventory.
  - Ansible itself skips a play without hosts and ends with 0, so that a check of no cluster looks like a check that has
    passed.
  - C(--skip-tags always) is an error, too, because it takes out the tasks that refuse mistakes.
  - C(--syntax-check), C(--list-hosts), C(--list-tags) and C(--list-tasks) need no inventory.
options:
  _terms:
    description: The pattern, where it is another one than V(all).
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Check each cluster
  hosts: "{{ lookup('alauda.ambient.hosts') }}"
  gather_facts: false
  roles: [alauda.ambient.guard]
"""

RETURN = r"""
_raw:
  description: The pattern V(all).
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..module_utils.errors import AmbientError

ONLY_LISTING = ("syntax", "listhosts", "listtags", "listtasks")


class LookupModule(LookupBase):
    """The lookup `alauda.ambient.hosts`."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """The pattern of the play's hosts."""
        pattern = terms or ["all"]
        if not any(context.CLIARGS.get(option) for option in ONLY_LISTING):
            try:
                refuse(pattern, variables or {})
            except AmbientError as error:
                raise AnsibleError(str(error)) from None
        return pattern


def refuse(pattern: list[str], variables: dict[str, Any]) -> None:
    """Raise AmbientError where the play would have no host, or none of its tasks that refuse mistakes."""
    if pattern != ["localhost"] and not (variables.get("groups") or {}).get("all"):
        raise AmbientError(
            "the inventory has no hosts, so there is no cluster to work on",
            hint="Give one with -i, such as: ansible-playbook -i hosts.yml …",
        )
    if "always" in variables.get("ansible_skip_tags", ()):
        raise AmbientError("takes out the tasks that refuse mistakes", path="--skip-tags always", hint="Leave it out")
