# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user can wait for: conditions and JSON paths, and what is wrong with the option."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.conditions import parse

NAMED = {"api_version": "v1", "kind": "Pod", "namespace": "ns", "name": "x"}
POD: dict[str, Any] = {
    "metadata": {"name": "x", "generation": 2, "annotations": {"tests.example/by": "me"}},
    "spec": {"hostNetwork": True, "containers": [{"ports": [{"containerPort": 80}, {"containerPort": 81}]}]},
    "status": {
        "phase": "Running",
        "nothing": None,
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Fine"},
            {"type": "Old", "status": "True", "observedGeneration": 1},
            {"type": "Bad", "status": "False", "reason": "Why", "message": "because"},
        ],
    },
}


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ({"condition": {"type": "Ready"}}, ""),
        ({"condition": {"type": "Ready", "status": True}}, ""),
        ({"condition": {"type": "Ready", "reason": "Fine"}}, ""),
        ({"condition": {"type": "Ready", "reason": "Other"}}, "Ready is True (Fine)"),
        ({"condition": {"type": "Bad", "status": "False"}}, ""),
        ({"condition": {"type": "Bad"}}, "Bad is False (Why: because)"),
        ({"condition": {"type": "Old"}}, "no condition Old yet"),
        ({"condition": {"type": "None"}}, "no condition None yet"),
        ({"jsonpath": "{.status.phase}"}, ""),
        ({"jsonpath": "{.status.phase}", "value": "Running"}, ""),
        ({"jsonpath": "$.status.phase", "value": "Running"}, ""),
        ({"jsonpath": "status.phase", "value": "Failed"}, "status.phase is Running, not Failed"),
        ({"jsonpath": "{.status.absent}"}, "nothing at {.status.absent}"),
        ({"jsonpath": '{.status.conditions[?(@.type=="Ready")].status}', "value": "True"}, ""),
        ({"jsonpath": r"{.metadata.annotations.tests\.example/by}", "value": "me"}, ""),
        ({"jsonpath": "{.metadata.annotations['tests.example/by']}", "value": "me"}, ""),
        ({"jsonpath": "{.spec.hostNetwork}", "value": True}, ""),
        ({"jsonpath": "{.spec.hostNetwork}", "value": "true"}, ""),
        ({"jsonpath": "{.spec.containers[0].ports[1].containerPort}", "value": 81}, ""),
        ({"jsonpath": "{.spec.containers[0].ports[*].containerPort}", "value": 80}, "is 80, 81, not 80"),
        ({"jsonpath": "{.status.nothing}", "value": "null"}, ""),
    ],
)
def test_what_is_missing(wanted: dict[str, Any], missing: str) -> None:
    (condition,) = parse([{**NAMED, **wanted}])
    text = condition.missing(POD)
    assert text.endswith(missing) and bool(text) == bool(missing)


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"kind": ""}, "wait_for[1].kind: a text is needed"),
        ({"name": 3}, "wait_for[1].name: a text is needed, it is 3"),
        ({"nmae": "x"}, "wait_for[1].nmae: no such option"),
        ({"jsonpath": None}, "wait_for[1]: exactly one of condition and jsonpath"),
        ({"condition": {"type": "Ready"}}, "wait_for[1]: exactly one of condition and jsonpath"),
        ({"jsonpath": "{.a["}, "wait_for[1].jsonpath: no JSON path: '{.a['"),
        ({"jsonpath": None, "condition": "Ready"}, "wait_for[1].condition: a mapping is needed"),
        ({"jsonpath": None, "condition": {}}, "wait_for[1].condition.type: a text is needed"),
        ({"jsonpath": None, "condition": {"type": "A", "status": "Yes"}}, "wait_for[1].condition.status: no status"),
        ({"jsonpath": None, "condition": {"type": "A"}, "value": 1}, "wait_for[1].value: value goes with jsonpath"),
    ],
)
def test_errors_name_the_place_in_the_option(entry: dict[str, Any], error: str) -> None:
    good = {**NAMED, "jsonpath": "{.a}"}
    with pytest.raises(AmbientError) as caught:
        parse([good, {**good, **entry}])
    assert str(caught.value).startswith(error)


def test_only_a_json_path_needs_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("jsonpath_ng")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jsonpath_ng", None)
    assert parse([{**NAMED, "condition": {"type": "Ready"}}])
    with pytest.raises(AmbientError, match="the Python library jsonpath-ng is missing"):
        parse([{**NAMED, "jsonpath": "{.a}"}])
