# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/adoption.md are read, come to objects, and are told as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.meaning import told
from ansible_collections.alauda.ambient.plugins.module_utils.adoption.steps import by_namespace
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.facts import Facts
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.waypoints import waypoint_items

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = (CHECKOUT / "docs/adoption.md").read_text()
BESIDE = (CHECKOUT / "docs/policies.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
DECLARATIONS = [yaml.safe_load(text)["ambient_mesh"] for language, text in BLOCKS if language == "yaml"]


@pytest.mark.parametrize("declared", DECLARATIONS)
def test_every_declaration_comes_to_objects(declared: Any) -> None:
    mesh = parse_mesh(declared)

    named = {item.identity.name for item in namespace_items(mesh, [])}
    assert {namespace.name for namespace in mesh.namespaces} <= named
    gateways = [item for item in waypoint_items(mesh) if item.identity.kind == "Gateway"]
    assert len(gateways) == sum(not waypoint.existing for waypoint in mesh.waypoints)


def test_the_first_one_is_told_as_shown() -> None:
    (shown,) = (text for language, text in BLOCKS if language == "text")
    mesh = parse_mesh(DECLARATIONS[0])
    wanted = by_namespace(namespace_items(mesh, []))
    (shop,) = (namespace for namespace in mesh.namespaces if namespace.name == "shop")

    assert told(shop, mesh, [], wanted["shop"], Facts()) == shown.splitlines()


def keys_of(schema: Any) -> Iterator[str]:
    """Every key that the schema knows, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties") or {}
        for below in schema.values():
            yield from keys_of(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from keys_of(below)


def test_every_key_of_the_schema_is_explained() -> None:
    keys = set(keys_of(json.loads((CHECKOUT / "docs/ambient_mesh.schema.json").read_text())))

    assert len(keys) > 20
    assert {key for key in keys if not re.search(rf"\b{key}\b", TEXT + BESIDE)} == set()
