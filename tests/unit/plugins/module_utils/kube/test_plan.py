# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about an object from its live metadata and its record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.fields import digest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.plan import Served, Verdict, decide, still_there
from ansible_collections.alauda.ambient.plugins.module_utils.kube.record import Record, decode, encode
from ansible_collections.alauda.ambient.plugins.module_utils.kube.state import Read, plan_reads
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item

OBJECT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "n"},
    "data": {"x": "y"},
}
ITEM = Item(OBJECT, -10, role="r")
NOTHING = Served.by([])


def live(version: str = "7", manager: str = "alauda.ambient", api_version: str = "v1") -> dict[str, Any]:
    """Live metadata with our entry."""
    entry = {"manager": manager, "operation": "Apply", "apiVersion": api_version, "fieldsV1": {"f:data": {"f:x": {}}}}
    return {"metadata": {"name": "a", "resourceVersion": version, "managedFields": [entry]}}


RECORD = Record.announced(ITEM, existed=False).applied(ITEM, digest(OBJECT), "7", "live")


def verdict(item: Item, state: dict[str, Any] | None, record: Record | None, served: Served = NOTHING) -> Verdict:
    """The verdict alone."""
    return decide(item, state, record, served).verdict


def test_unchanged_needs_record_version_and_ownership() -> None:
    assert verdict(ITEM, live(), RECORD) is Verdict.UNCHANGED
    assert verdict(ITEM, live(version="8"), RECORD) is Verdict.LOOK
    assert verdict(ITEM, live(), None) is Verdict.CHANGE
    assert verdict(ITEM, live(), replace(RECORD, sent="other")) is Verdict.CHANGE
    assert verdict(ITEM, live(), replace(RECORD, sent="")) is Verdict.CHANGE
    assert verdict(ITEM, live(manager="somebody"), RECORD) is Verdict.CHANGE
    assert verdict(ITEM, live(api_version="v1beta1"), RECORD) is Verdict.CHANGE


def test_missing_objects_are_created_and_patches_fail() -> None:
    patch = replace(ITEM, patch=True)
    assert verdict(ITEM, None, RECORD) is Verdict.CREATE
    assert verdict(patch, None, None) is Verdict.FAIL
    assert verdict(patch, None, None, Served.by([ITEM])) is Verdict.CREATE


def test_an_object_on_its_way_out_fails() -> None:
    state = live()
    state["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert verdict(ITEM, state, RECORD) is Verdict.FAIL


def test_a_release_looks_at_ownership_alone() -> None:
    bare = {key: OBJECT[key] for key in ("apiVersion", "kind", "metadata")}
    release = Item(bare, 50, patch=True)
    assert verdict(release, live(), None) is Verdict.CHANGE
    assert verdict(release, live(manager="somebody"), RECORD) is Verdict.UNCHANGED
    assert verdict(release, None, None) is Verdict.UNCHANGED


def test_a_label_that_stays_names_its_holders() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    item = Item(namespace, 50, True, "ours", gone=("mode",))
    fields = {"f:metadata": {"f:labels": {"f:mode": {}}}}
    managers = [{"manager": name, "fieldsV1": fields} for name in ("ours", "kubectl-label")]
    state = {"metadata": {"name": "shop", "labels": {"mode": "x"}, "managedFields": managers}}
    assert still_there(item, state) == (
        "the label mode stays, because it is also held by kubectl-label; "
        "take it away with: kubectl label namespace shop mode-"
    )
    assert still_there(item, {"metadata": {"name": "shop"}}) == ""
    assert still_there(item, None) == ""


def test_what_a_set_brings_itself() -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "x"},
        "spec": {"group": "g", "names": {"kind": "K"}},
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    served = Served.by([Item(crd, -20), Item(namespace, -30), Item({**namespace, "metadata": {"name": "p"}}, 50, True)])
    assert served.kinds == {("g", "K")} and served.namespaces == {"n"}


def test_records_round_trip_and_broken_lines_are_no_records() -> None:
    other = Record.announced(Item({**OBJECT, "metadata": {"name": "b"}}, 5, True, "m"), existed=True)
    records = {record.key: record for record in (RECORD, other)}
    assert decode(encode(records)) == records
    assert (
        decode(encode(records) + '\nnonsense\n{"object":["v1","X"]}\n[]\n{"object":["v1","X","","n"],"no":1}')
        == records
    )
    assert decode("") == {}


@pytest.mark.parametrize(
    ("kind", "namespaces", "count", "lists", "singles"),
    [("ConfigMap", 1, 3, 0, 3), ("ConfigMap", 1, 4, 1, 0), ("ConfigMap", 30, 1, 1, 0), ("Secret", 30, 5, 0, 150)],
)
def test_reads_are_few_and_secrets_are_not_listed(
    kind: str, namespaces: int, count: int, lists: int, singles: int
) -> None:
    wanted = [Identity("", "v1", kind, f"n{n}", f"o{o}") for n in range(namespaces) for o in range(count)]
    reads: list[Read] = plan_reads(wanted)
    assert (sum(read.as_list for read in reads), sum(not read.as_list for read in reads)) == (lists, singles)
    assert sorted(identity for read in reads for identity in read.wanted) == sorted(wanted)
