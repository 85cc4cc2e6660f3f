# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of the collection in the process of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unit.plugins.modules.image_modules import run_module

Result = dict[str, Any]


def run_in_process(name: str, args: Mapping[str, Any], check: bool = False, diff: bool = False) -> Result:
    """Run a module of the collection in this process and return its result; what is None is not given."""
    return run_module(name, check, diff, **{key: value for key, value in args.items() if value is not None})
