# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of the collection in the process of the tests."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.testing import patch_module_args

Result = dict[str, Any]


def run_in_process(name: str, args: Mapping[str, Any], check: bool = False, diff: bool = False) -> Result:
    """Run a module of the collection in this process and return its result."""
    module = importlib.import_module(f"ansible_collections.alauda.ambient.plugins.modules.{name}")
    given = {key: value for key, value in args.items() if value is not None}
    output = io.StringIO()
    settings = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
    with patch_module_args({**given, **settings}), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        module.main()
    result: Result = json.loads(output.getvalue().strip().splitlines()[-1])
    return result
