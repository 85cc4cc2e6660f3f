# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module in this process, as Ansible would."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from typing import Any

from ansible.module_utils.testing import patch_module_args


def run_module(name: str, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
    """The module's result; whatever else it prints is an error."""
    module = importlib.import_module(f"ansible_collections.alauda.ambient.plugins.modules.{name}")
    settings = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
    output = io.StringIO()
    with (
        patch_module_args({**arguments, **settings}),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        module.main()
    (line,) = output.getvalue().strip().splitlines()
    result: dict[str, Any] = json.loads(line)
    return result


def failure(name: str, **arguments: Any) -> str:
    """The message of a module that fails; it is one line and no traceback."""
    result = run_module(name, **arguments)
    assert result.get("failed") and "exception" not in result and "\n" not in result["msg"], result
    message: str = result["msg"]
    return message
