# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/ambient_mesh.schema.json and the parser agree: the same keys, the same words, the same shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh import parse_namespace, parse_waypoint
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.spec import Allow, Serves, State
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from unit.plugins.module_utils.adoption.test_adoption_properties import declarations
from unit.plugins.module_utils.test_mesh_parse import NEAR

CHECKOUT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((CHECKOUT / "docs/ambient_mesh.schema.json").read_text())
BROKEN = [
    broken
    for name in ("broken_declarations", "broken_access")
    for broken in yaml.safe_load((CHECKOUT / f"tests/unit/plugins/module_utils/mesh/{name}.yml").read_text())
]
VALIDATOR = Draft202012Validator(SCHEMA)
DEFS = SCHEMA["$defs"]
#: What only the parser sees, for one part of the declaration says it of another.
ACROSS = (
    "is declared twice",
    "is not declared",
    "none is declared",
    "several waypoints are declared",
    "stands for no traffic",
    "stands for workloads, not",
    "takes no traffic of other",
    "takes traffic of namespace",
    "takes namespaces by label",
    "differ in lock_down",
    "serves others, too",
    "too, and would refuse all calls to it",
    "is more than max",
    "plain text is not refused here",
    "nothing here stands behind",
    "takes no waypoint",
    "1 is not a label. ",  # JSON has no numbers for keys
    "1 is not the name of a claim. ",
    "needs a waypoint",
    "has other keys in",
    "takes calls to pods by their address",
    "holds a private key",
    "jwt.jwks: is no JSON Web Key Set. ",
    "has a template beside other text",
    "has a template after {**}",
    "has a part that cannot stand beside templates",
    "never matches: ",
)


def accepted(value: Any) -> bool:
    return bool(VALIDATOR.is_valid(value))


def parts(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of the declaration with its schema."""
    if isinstance(schema, dict):
        for key, part in schema.get("properties", {}).items():
            if "if" not in where and "then" not in where and "oneOf" not in where:
                yield f"{where}.{key}", part
        for key, part in schema.items():
            yield from parts(part, f"{where}/{key}")
    elif isinstance(schema, list):
        for part in schema:
            yield from parts(part, where)


def test_the_schema_is_one_and_describes_each_key() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    described = dict(parts(SCHEMA))
    assert len(described) > 40
    assert [where for where, part in described.items() if len(part.get("description", "")) < 10] == []


def test_keys_are_those_of_the_parser() -> None:
    assert list(DEFS["waypoint"]["properties"]) == list(parse_waypoint._KEYS)
    assert list(DEFS["namespace"]["properties"]) == list(parse_namespace._KEYS)


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ({}, ""),
        ({"waypoints": [{"autoscaling": {}}]}, "waypoint/autoscaling"),
        ({"waypoints": [{"resources": {}}]}, "waypoint/resources"),
        ({"waypoints": [{"resources": {"limits": {}}}]}, "resources"),
        ({"waypoints": [{"disruption_budget": {}}]}, "waypoint/disruption_budget"),
        ({"namespaces": [{"services": [{}]}]}, "service"),
        ({"namespaces": [{"service_accounts": [{}]}]}, "serviceAccount"),
        ({"namespaces": [{"exceptions": [{}]}]}, "exception"),
        ({"namespaces": [{"access": [{}]}]}, "intent"),
        ({"namespaces": [{"access": [{"to": {}}]}]}, "target"),
        ({"namespaces": [{"access": [{"from": [{}]}]}]}, "caller"),
        ({"namespaces": [{"access": [{"jwt": {}}]}]}, "jwt"),
    ],
)
def test_keys_deeper_down_are_those_that_the_parser_names(place: dict[str, Any], path: str) -> None:
    """An unknown key makes the parser list all that it knows there."""
    value = json.loads(json.dumps(place).replace("{}", '{"qqqqqqqq": 1}'))
    with pytest.raises(AmbientError) as caught:
        parse_mesh(value)
    told = str(caught.value).partition("'qqqqqqqq'. Known: ")[2].splitlines()[0]
    first, _slash, second = path.partition("/")
    schema = DEFS[first] if first else SCHEMA
    schema = schema["properties"][second] if second else schema
    assert told.split(", ") == sorted(schema["properties"])


def test_words_are_those_of_the_parser() -> None:
    namespace, waypoint = DEFS["namespace"]["properties"], DEFS["waypoint"]["properties"]
    assert namespace["state"]["enum"] == [*(state.value for state in State), False]
    assert namespace["mtls"]["enum"] == [*parse_namespace._MTLS, None]
    assert waypoint["for"]["enum"] == [*(serves.value for serves in Serves), None]
    assert DEFS["exception"]["properties"]["allow"]["enum"] == [allow.value for allow in Allow]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken["given"])
def test_a_broken_shape_is_refused_by_both(broken: dict[str, str]) -> None:
    only_the_parser = any(words in broken["says"] for words in ACROSS)
    assert accepted(yaml.safe_load(broken["given"])) is only_the_parser


@given(declarations())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_valid_is_accepted_by_both(value: dict[str, Any]) -> None:
    parse_mesh(value)
    assert accepted(value)


@pytest.mark.parametrize("name", ["web.v1", "0", "w" * 150])
def test_names_of_service_accounts_may_have_dots_and_be_long(name: str) -> None:
    callers = [{"service_account": name}, {"service_account": f"pay/{name}"}]
    shop = {"name": "shop", "state": "l4", "access": [{"to": {"service_account": name}, "from": callers}]}
    bound = {**shop, "service_accounts": [{"name": name, "waypoint": "waypoint"}]}
    mesh = {"waypoints": [{"name": "waypoint", "namespace": "shop"}], "namespaces": [bound]}
    parse_mesh(mesh)
    assert accepted(mesh)


@given(NEAR | st.builds(dict))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_the_parser_takes_the_schema_takes_too(value: dict[str, Any]) -> None:
    try:
        parse_mesh(value)
    except AmbientError:
        return
    assert accepted(value), [error.message for error in VALIDATOR.iter_errors(value)]


def test_examples_of_the_documents_are_accepted_by_both() -> None:
    shop = (CHECKOUT / "inventories").rglob("*.yml")
    found = [yaml.safe_load(path.read_text()) for path in shop]
    meshes = [value["ambient_mesh"] for value in found if isinstance(value, dict) and "ambient_mesh" in value]
    assert meshes
    for mesh in meshes:
        parse_mesh(mesh)
        assert accepted(mesh)
