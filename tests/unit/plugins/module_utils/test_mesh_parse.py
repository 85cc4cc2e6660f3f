# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared mesh: what is read, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.spec import MeshSpec, NamespaceSpec, State
from hypothesis import given
from hypothesis import strategies as st


def test_an_empty_declaration_is_the_default_mesh() -> None:
    assert parse_mesh({}) == MeshSpec(name="default", namespaces=())
    assert parse_mesh({"name": "blue", "namespaces": None}) == MeshSpec(name="blue")


def test_bare_off_of_yaml_is_the_state_off() -> None:
    value = yaml.safe_load("{name: default, namespaces: [{name: shop, state: l4}, {name: old, state: off}]}")

    mesh = parse_mesh(value)

    assert mesh.namespaces == (NamespaceSpec("shop", State.L4), NamespaceSpec("old", State.OFF))
    assert [namespace.name for namespace in mesh.enrolled()] == ["shop"]
    assert [namespace.name for namespace in mesh.released()] == ["old"]
    assert mesh.declares("old")
    assert not mesh.declares("other")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "ambient_mesh: nothing where a mapping is expected. Write name, namespaces under it"),
        (["shop"], "ambient_mesh: a list where a mapping is expected. Write name, namespaces under it"),
        ({"namespace": []}, "ambient_mesh: unknown key 'namespace'. Did you mean namespaces?"),
        ({"name": 7}, "ambient_mesh.name: a number where a string is expected. Quote it: '7'"),
        (
            {"name": "Blue"},
            "ambient_mesh.name: 'Blue' is not a name that Kubernetes takes."
            " Use lower-case letters, digits and '-', at most 63 characters",
        ),
        (
            {"namespaces": {"shop": "l4"}},
            "ambient_mesh.namespaces: a mapping where a list is expected. Write '- name: …, state: …'",
        ),
        (
            {"namespaces": ["shop"]},
            "ambient_mesh.namespaces[0]: a string where a mapping is expected. Write name, state under it",
        ),
        (
            {"namespaces": [{"name": "shop"}]},
            "ambient_mesh.namespaces[0].state: the state is missing. Say off or l4",
        ),
        (
            {"namespaces": [{"state": "l4"}]},
            "ambient_mesh.namespaces[0].name: the name is missing."
            " Use lower-case letters, digits and '-', at most 63 characters",
        ),
        (
            {"namespaces": [{"name": "shop", "state": "L4"}]},
            "ambient_mesh.namespaces[0].state: 'L4' is not a state. Known: l4, off",
        ),
        (
            {"namespaces": [{"name": "shop", "state": True}]},
            "ambient_mesh.namespaces[0].state: True is not a state. Say off or l4",
        ),
        (
            {"namespaces": [{"name": "shop", "state": "l7"}]},
            "ambient_mesh.namespaces[0].state: l7 is reserved for a later version. Say off or l4",
        ),
        (
            {"namespaces": [{"name": "shop", "state": "l4-strict"}]},
            "ambient_mesh.namespaces[0].state: l4-strict is reserved for a later version. Say off or l4",
        ),
        (
            {"namespaces": [{"name": "shop", "state": "l4", "waypoint": "w"}]},
            "ambient_mesh.namespaces[0]: unknown key 'waypoint'. Known: name, state",
        ),
        (
            {"namespaces": [{"name": "shop", "state": "l4"}, {"name": "shop", "state": "off"}]},
            "ambient_mesh.namespaces[1].name: namespace shop is declared twice, first in namespaces[0]. Keep one entry",
        ),
        (
            {"namespaces": [{"name": "istio-system", "state": "l4"}]},
            "ambient_mesh.namespaces[0].name: namespace istio-system may not be declared:"
            " it holds a component of the mesh itself. Remove the entry",
        ),
        (
            {"namespaces": [{"name": "kube-system", "state": "l4"}]},
            "ambient_mesh.namespaces[0].name: namespace kube-system may not be declared:"
            " it belongs to the platform. Remove the entry",
        ),
    ],
)
def test_an_error_says_where_and_what_to_do(value: Any, message: str) -> None:
    with pytest.raises(AmbientError) as caught:
        parse_mesh(value)

    assert str(caught.value) == message


def test_all_errors_are_told_at_once() -> None:
    value = {"nam": "x", "namespaces": [{"name": "a", "state": "on"}, {"name": "A", "state": "l4"}]}

    with pytest.raises(AmbientError) as caught:
        parse_mesh(value)

    first, *others = str(caught.value).splitlines()
    assert first == "3 errors in ambient_mesh; the first: ambient_mesh: unknown key 'nam'. Did you mean name?"
    assert [line.split(": ")[0].strip() for line in others] == [
        "ambient_mesh.namespaces[0].state",
        "ambient_mesh.namespaces[1].name",
    ]


NAMES = st.from_regex(r"ns-[a-z0-9]{1,20}", fullmatch=True)
STATES = st.sampled_from(["off", "l4", False])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "state", "namespaces", "x"]) | st.text(max_size=5), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, STATES, max_size=8))
def test_every_good_declaration_is_read_as_written(states: dict[str, Any]) -> None:
    value = {"namespaces": [{"name": name, "state": state} for name, state in states.items()]}

    mesh = parse_mesh(value)

    assert {spec.name: spec.state.value for spec in mesh.namespaces} == {
        name: state or "off" for name, state in states.items()
    }


@given(JUNK)
def test_junk_is_read_or_refused_with_a_path(value: Any) -> None:
    try:
        mesh = parse_mesh(value)
    except AmbientError as error:
        assert "ambient_mesh" in str(error).splitlines()[0]
    else:
        assert all(spec.name for spec in mesh.namespaces)
