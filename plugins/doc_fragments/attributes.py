# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection promises."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes: the default for modules that change something, and variants."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and says what it would change.
    support: full
  diff_mode:
    description: Returns what has changed, or would change, when in diff mode.
    support: full
  idempotent:
    description: A second run in the same situation reports no change and writes nothing.
    support: full
"""

    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode; the module never changes anything.
    support: full
  diff_mode:
    description: Returns what has changed, or would change, when in diff mode.
    support: N/A
    details: The module never changes anything.
  idempotent:
    description: A second run in the same situation reports no change and writes nothing.
    support: N/A
    details: The module never changes anything.
"""

    WITHOUT_DIFF = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and says what it would change.
    support: full
  diff_mode:
    description: Returns what has changed, or would change, when in diff mode.
    support: none
  idempotent:
    description: A second run in the same situation reports no change and writes nothing.
    support: full
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/alauda.ambient.ambient) in C(module_defaults) to set the connection once. The host's variables,
        such as C(ambient_context), serve as well.
    support: full
    membership:
      - alauda.ambient.ambient
"""
