# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said in other words before it is sent, and what is left as it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.normal import normal


def secret(**rest: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, **rest}


def deployment(**pod: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1, "template": {"spec": pod}}}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (secret(stringData={"a": "x", "b": ""}), secret(data={"a": "eA==", "b": ""})),
        (secret(data={"a": "eQ==", "c": "eg=="}, stringData={"a": "x"}), secret(data={"a": "eA==", "c": "eg=="})),
        (secret(stringData={}), secret()),
        (secret(stringData=None, data={"a": "eA=="}), secret(data={"a": "eA=="})),
        (deployment(serviceAccount="a"), deployment(serviceAccountName="a")),
        (deployment(serviceAccount="a", serviceAccountName="b"), deployment(serviceAccountName="b")),
    ],
)
def test_said_in_other_words(given: dict[str, Any], sent: dict[str, Any]) -> None:
    before = copy.deepcopy(given)
    assert normal(given) == sent
    assert given == before, "the manifest itself is left alone"
    assert normal(sent) == sent


@pytest.mark.parametrize(
    "given",
    [
        {**secret(stringData={"a": "x"}), "apiVersion": "other.example/v1"},
        deployment(containers=[]),
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": None}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": "text"},
        {"apiVersion": ["v1"], "kind": {"a": 1}},
        {},
    ],
)
def test_left_as_it_is(given: dict[str, Any]) -> None:
    assert normal(given) is given


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (secret(stringData={"a": 1234567}), "stringData[a] of a Secret must be a text. Put it in quotes"),
        (secret(data={"a": ["1234567"]}), "data[a] of a Secret must be a text. Put it in quotes"),
        (
            secret(data={"a": "%1234567"}),
            "data[a] of a Secret is no base64. Give plain text in stringData, or encode it",
        ),
        (secret(stringData=["1234567"]), "stringData of a Secret must be a mapping. Give texts by key"),
        (secret(stringData={"a": "x"}, data="1234567"), "data of a Secret must be a mapping. Give texts by key"),
    ],
)
def test_a_secret_that_is_no_text_is_refused_without_its_value(given: dict[str, Any], says: str) -> None:
    with pytest.raises(AmbientError) as caught:
        normal(given)
    assert str(caught.value) == says
