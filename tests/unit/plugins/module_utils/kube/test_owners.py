# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an object is still ours, from its managedFields."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.owners import (
    applied_by_others,
    owned_labels,
    taken_over,
)
from ansible_collections.alauda.ambient.plugins.module_utils.kube.record import Record
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity

MESH = "ambient.alauda.io/mesh"
LABEL: dict[str, Any] = {"f:labels": {f"f:{MESH}": {}}}
DATA: dict[str, Any] = {"f:data": {"f:key": {}}}
PORT = 'k:{"port":80}'


def entry(manager: str, fields: dict[str, Any], operation: str = "Apply", subresource: str = "") -> dict[str, Any]:
    """One entry of managedFields."""
    found = {"manager": manager, "operation": operation, "fieldsV1": fields}
    return {**found, "subresource": subresource} if subresource else found


def live(*entries: dict[str, Any], mesh: str | None = "one", **annotations: str) -> dict[str, Any]:
    """The metadata of a live object."""
    labels = {MESH: mesh} if mesh else {}
    return {"metadata": {"name": "x", "labels": labels, "annotations": annotations, "managedFields": list(entries)}}


def record(**values: Any) -> Record:
    """The record of an object that we have applied."""
    given = {"sent": "abc", "live": "def", "labelled": True, **values}
    return Record(Identity.parse("v1", "ConfigMap", "x", "n"), "alauda.ambient", 0, **given)


OURS = entry("alauda.ambient", {"f:metadata": LABEL, **DATA})


@pytest.mark.parametrize(
    "others",
    [
        [],
        [entry("someone", {"f:data": {"f:other": {}}})],
        [entry("controller", {"f:metadata": LABEL, **DATA}, "Update", "status")],
        [entry("alauda.ambient/other", DATA)],
        [entry("labeller", {"f:metadata": LABEL})],
    ],
)
def test_ours(others: list[dict[str, Any]]) -> None:
    assert taken_over(live(OURS, *others), record(), "one") == ""


@pytest.mark.parametrize("operation", ["Apply", "Update"])
def test_another_that_owns_all_of_it_but_the_label(operation: str) -> None:
    theirs = entry("argocd", {"f:data": {".": {}, "f:key": {}, "f:more": {}}}, operation)
    assert taken_over(live(OURS, theirs), record(), "one") == "argocd has taken it over: it applies this object too"


def test_every_field_counts_also_those_in_lists() -> None:
    ports: dict[str, Any] = {"f:spec": {"f:ports": {PORT: {".": {}, "f:port": {}, "f:name": {}}}}}
    ours = entry("alauda.ambient", {"f:metadata": LABEL, **ports})
    partly = entry("argocd", {"f:spec": {"f:ports": {PORT: {".": {}, "f:port": {}}}}})
    assert taken_over(live(ours, partly), record(), "one") == ""
    assert taken_over(live(ours, entry("argocd", ports)), record(), "one").startswith("argocd has taken it over")


def test_where_only_the_label_is_ours_it_is_what_counts() -> None:
    ours = entry("alauda.ambient", {"f:metadata": LABEL})
    assert taken_over(live(ours, entry("x", DATA, "Update")), record(), "one") == ""
    told = "x has taken it over: nothing but our label is left of what we applied"
    assert taken_over(live(ours, entry("x", DATA)), record(), "one") == told, "forced away from us"
    assert taken_over(live(ours, entry("x", {"f:metadata": LABEL})), record(), "one").startswith("x has taken it over")


def test_no_entry_of_ours_any_more() -> None:
    theirs = live(entry("kubectl", DATA), entry("status-writer", {}, "Update", "status"))
    assert taken_over(theirs, record(), "one") == "kubectl has taken it over: we own no field of it any more"
    assert taken_over(live(), record(), "one").startswith("somebody has taken it over")
    nothing = record(live="", labelled=False)
    assert taken_over(live(entry("edit", DATA, "Update"), mesh=None), nothing, "one") == "", "it never had one"
    assert taken_over(live(entry("argocd", DATA), mesh=None), nothing, "one").startswith("argocd has taken it over")
    assert taken_over(live(mesh=None), record(sent="", live="", labelled=False), "one"), "announced, made by others"


def test_the_label_of_another_mesh() -> None:
    theirs = entry("other-run", {"f:metadata": LABEL})
    told = taken_over(live(OURS, theirs, mesh="two"), record(), "one")
    assert told == f"it has been taken over: its label {MESH} is two and held by alauda.ambient, other-run"
    assert taken_over(live(OURS, mesh=None), record(), "one").endswith(f"its label {MESH} is gone")
    assert taken_over(live(OURS, mesh=None), record(labelled=False), "one") == "", "a plain manifest never had it"


def test_client_side_apply_leaves_its_annotation() -> None:
    last = "kubectl.kubernetes.io/last-applied-configuration"
    theirs = entry("kubectl", {"f:metadata": {"f:annotations": {f"f:{last}": {}}}}, "Update")
    assert taken_over(live(OURS, theirs), record(), "one") == "kubectl has taken it over: it applies this object too"


def test_owned_labels() -> None:
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {".": {}, "f:b": {}, "f:a": {}}, "f:annotations": {"f:c": {}}}}
    assert owned_labels(live(entry("alauda.ambient/enrolment", fields)), "alauda.ambient/enrolment") == ("a", "b")
    assert owned_labels(live(), "alauda.ambient/enrolment") == ()


def test_who_else_applies_a_part() -> None:
    others = [
        entry("cainjector", DATA),
        entry("labeller", {"f:metadata": LABEL}),
        entry("scaler", DATA, "Update"),
        entry("controller", DATA, "Apply", "status"),
        entry("alauda.ambient/other", DATA),
    ]
    assert applied_by_others(live(OURS, *others)) == ["cainjector"]
