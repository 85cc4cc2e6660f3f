# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that modules share are documented as the modules take them."""

from __future__ import annotations

import pytest
from ansible_collections.alauda.ambient.plugins.doc_fragments import mesh, objects
from ansible_collections.alauda.ambient.plugins.module_utils import modules
from ansible_collections.alauda.ambient.plugins.module_utils.manifests import yaml

ABOUT_THE_MESH = mesh.ModuleDocFragment


@pytest.mark.parametrize(
    ("documentation", "spec"),
    [
        (ABOUT_THE_MESH.DECLARED, modules.DECLARED_MESH),
        (ABOUT_THE_MESH.NAME, modules.MESH_NAME),
        (ABOUT_THE_MESH.TRUST_DOMAIN, modules.TRUST_DOMAIN),
        (ABOUT_THE_MESH.DISCOVERY_SELECTORS, modules.DISCOVERY_SELECTORS),
        (ABOUT_THE_MESH.MANIFESTS, modules.MANIFESTS),
        (ABOUT_THE_MESH.INVENTORY, modules.INVENTORY),
        (objects.ModuleDocFragment.DOCUMENTATION, modules.DEST),
    ],
)
def test_the_fragment_is_the_twin_of_the_spec(documentation: str, spec: modules.Spec) -> None:
    (found,) = yaml.load_all(documentation)
    options = found["options"]
    assert all(option.pop("description") for option in options.values())
    assert options == spec
