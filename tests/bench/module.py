# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module `apply` in this process, as Ansible's wrapper does. Argument: a file with its options as JSON.

The largest resident size of the process, in kB, is left in a file beside it.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from ansible.module_utils.testing import patch_module_args


def main(file: str) -> None:
    """Run it; it prints its result and ends the program."""
    try:
        with patch_module_args(json.loads(Path(file).read_text())):
            importlib.import_module("ansible_collections.alauda.ambient.plugins.modules.apply").main()
    finally:
        # What getrusage tells includes the parent before exec.
        status = Path("/proc/self/status").read_text()
        Path(f"{file}.peak").write_text(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main(sys.argv[1])
