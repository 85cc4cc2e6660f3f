# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules share that write one file; the twin of DEST in module_utils/modules.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that names the file."""

    DOCUMENTATION = r"""
options:
  dest:
    description: The file to write.
    type: path
    required: true
"""
