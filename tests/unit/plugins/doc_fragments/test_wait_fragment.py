# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options about waiting, and their documentation."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.doc_fragments.wait import ModuleDocFragment
from ansible_collections.alauda.ambient.plugins.module_utils.kube.conditions import WAIT_OPTIONS
from ansible_collections.alauda.ambient.plugins.module_utils.manifests import yaml

SHAPE = ("type", "elements", "required", "default")


def shape(options: dict[str, Any], below: str) -> dict[str, Any]:
    """What a user must know of each option, and of those below."""
    return {
        name: ([option.get(key) for key in SHAPE], shape(option.get(below, {}), below))
        for name, option in options.items()
    }


def test_the_fragment_is_the_twin_of_the_spec() -> None:
    (documented,) = yaml.load_all(ModuleDocFragment.DOCUMENTATION)
    assert shape(documented["options"], "suboptions") == shape(WAIT_OPTIONS, "options")
