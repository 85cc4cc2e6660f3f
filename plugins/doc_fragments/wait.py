# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module waits for; the twin of WAIT_OPTIONS in module_utils/kube/conditions.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The options about waiting."""

    DOCUMENTATION = r"""
options:
  wait:
    description: Whether to wait until objects are ready, or gone.
    type: bool
    default: true
  wait_timeout:
    description: How many seconds each wave may take to become ready.
    type: int
    default: 300
  wait_for:
    description:
      - What else to wait for after the last wave, also of objects that others make. At most O(wait_timeout) seconds.
      - Holds whatever O(wait) says. Not in check mode, with O(state=absent), or where something has failed before.
    type: list
    elements: dict
    suboptions:
      api_version:
        description: The C(apiVersion) of the object.
        type: str
        required: true
      kind:
        description: The kind of the object.
        type: str
        required: true
      namespace:
        description: The namespace of the object; none for a kind without.
        type: str
      name:
        description: The name of the object.
        type: str
        required: true
      condition:
        description: A condition in its C(status). Exactly one of O(wait_for[].condition) and O(wait_for[].jsonpath).
        type: dict
        suboptions:
          type:
            description: The type of the condition.
            type: str
            required: true
          status:
            description: V(True), V(False) or V(Unknown).
            type: str
            default: 'True'
          reason:
            description: The reason that the condition must have too.
            type: str
      jsonpath:
        description:
          - A JSON path into the object, such as V({.status.phase}) or
            V({.status.conditions[?(@.type=="Ready")].status}). Something must be there.
          - Needs the Python library C(jsonpath-ng).
        type: str
      value:
        description: What each value at O(wait_for[].jsonpath) must be.
        type: raw
"""
