# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few fields that the mesh sets on namespaces that belong to its users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..manifests.items import Item
from .selectors import Selector, discovery_labels
from .spec import MODE_AMBIENT, MODE_LABEL, MeshSpec

DISCOVERY_MANAGER = "alauda.ambient/discovery"
DISCOVERY_WAVE = -30
ENROLMENT_MANAGER = "alauda.ambient/enrolment"
ENROLMENT_WAVE = 50
ROLE = "namespaces"


def namespace_items(mesh: MeshSpec, selectors: Sequence[Selector]) -> list[Item]:
    """The patches that bring about the declaration.

    A released namespace keeps its discovery label: taking it away in the wave that stands before
    the enrolment would cut its pods off while they are still captured.
    """
    discovery = discovery_labels(selectors)
    items = [
        Item(_namespace(namespace.name, discovery), DISCOVERY_WAVE, True, DISCOVERY_MANAGER, ROLE)
        for namespace in mesh.enrolled()
        if discovery
    ]
    items += [
        Item(_namespace(namespace.name, {MODE_LABEL: MODE_AMBIENT}), ENROLMENT_WAVE, True, ENROLMENT_MANAGER, ROLE)
        for namespace in mesh.enrolled()
    ]
    items += [
        Item(_namespace(namespace.name, {}), ENROLMENT_WAVE, True, ENROLMENT_MANAGER, ROLE, gone=(MODE_LABEL,))
        for namespace in mesh.released()
    ]
    return sorted(items, key=Item.order)


def _namespace(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if labels:
        metadata["labels"] = dict(sorted(labels.items()))
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
