# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as Kubernetes reads it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests import yaml
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"),
        ("1:30.5", "1:30.5"),
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("0x10", 16),
        ("010", 8),
        ("09", "09"),
        ("1.31.0", "1.31.0"),
        ("12", 12),
        ("-1", -1),
        ("1.5", 1.5),
        ("123e4567", "123e4567"),
        (".inf", ".inf"),
        ("yes", True),
        ("~", None),
    ],
)
def test_plain_values(text: str, value: Any) -> None:
    assert yaml.load_all(f"a: {text}") == [{"a": value}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "f.yaml: not valid YAML: the key 'a' stands twice, line 2, column 1"),
        ("a: [", "f.yaml: not valid YAML: did not find expected node content, line 2, column 1"),
        (
            "a: {{ .Values.a }}\n",
            "f.yaml: not valid YAML: found unhashable key, line 1, column 5. Mend the file at that place; if it is a "
            "template, render it first",
        ),
        ("- a", "f.yaml: document 1 is a list, not a Kubernetes object"),
        ("!!python/object/apply:os.system ['true']", "f.yaml: not valid YAML: could not determine a constructor"),
    ],
)
def test_what_is_no_set_of_objects(text: str, message: str) -> None:
    with pytest.raises(AmbientError) as caught:
        yaml.load_all(text, "f.yaml")
    assert str(caught.value).startswith(message)


def test_merge_keys_are_no_duplicates() -> None:
    assert yaml.load_all("x: {<<: {a: 1}, a: 2}") == [{"x": {"a": 2}}]


TEXTS = st.one_of(
    st.text(),
    st.from_regex(r"[-+0-9.eExX_:nyoftNYOFT]{1,6}", fullmatch=True),
    st.sampled_from(
        ["1e3", "-.0", "on", "y", "No", "null", "~", "", " ", "0o7", "1_0", "=", "<<", "-", "a\nb\n", "a \nb", "#x"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(TEXTS, below, max_size=3)),
    max_leaves=10,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    text = yaml.dump(document)
    assert yaml.load_all(text) == [document]
    assert yaml.dump(document) == text


def test_texts_that_parsers_take_for_something_else_are_quoted() -> None:
    for text in ("1e3", "0o17", "y", "N", "on", "1:30", "2020-01-01", "123e4567", ".5"):
        assert yaml.dump({"a": text}) == f"a: '{text}'\n"


def test_the_head_comes_first_and_the_rest_in_order() -> None:
    document = {
        "spec": {"b": 1, "a": [{"e": 1, "d": 2}]},
        "data": {},
        "metadata": {"name": "x"},
        "kind": "K",
        "apiVersion": "v1",
    }
    assert yaml.dump(document) == (
        "apiVersion: v1\nkind: K\nmetadata:\n  name: x\ndata: {}\nspec:\n  a:\n  - d: 2\n    e: 1\n  b: 1\n"
    )
