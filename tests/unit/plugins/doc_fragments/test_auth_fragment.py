# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented connection options are the ones that the modules take."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.doc_fragments.auth import ModuleDocFragment
from ansible_collections.alauda.ambient.plugins.module_utils.argspec import auth_argument_spec
from ansible_collections.alauda.ambient.plugins.module_utils.manifests import yaml


def shape(options: dict[str, Any], below: str) -> dict[str, Any]:
    """Type, aliases and options below, of each option."""
    return {
        name: (
            option.get("type", "str"),
            option.get("elements"),
            option.get("aliases"),
            shape(option[below], below) if below in option else None,
        )
        for name, option in options.items()
    }


def test_the_fragment_is_the_twin_of_the_spec() -> None:
    (documented,) = yaml.load_all(ModuleDocFragment.DOCUMENTATION)
    assert shape(documented["options"], "suboptions") == shape(auth_argument_spec(), "options")
