# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we hold in some namespaces, as items that bring it back: our fields alone, as they are live."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.inventory import Inventory
from ansible_collections.alauda.ambient.plugins.module_utils.kube.restore import held_in
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item, item_from
from cases import Apply, Writes, config_map

ENROLMENT = "alauda.ambient/enrolment"


def held(client: Client, namespace: str, *names: str) -> list[Item]:
    return held_in(client, Inventory(client, namespace, namespace), "tested", names or [namespace])


def label(namespace: str, **labels: str) -> dict[str, Any]:
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    return {"object": obj, "patch": True, "manager": ENROLMENT, "wave": 50}


def test_what_was_applied_is_held_word_for_word(apply: Apply, client: Client, namespace: str, writes: Writes) -> None:
    entries: list[Any] = [
        label(namespace, mesh="yes"),
        {"object": config_map(namespace, "one", a="1", empty=""), "wave": 40},
        {"object": config_map(namespace, "two", b="2"), "wave": 70},
    ]
    apply(entries)
    found = held(client, namespace)
    assert found == sorted((item_from(entry, "tested") for entry in entries), key=Item.order)

    writes()
    again = apply(
        [{"object": item.object, "wave": item.wave, "patch": item.patch, "manager": item.manager} for item in found]
    )
    assert (again["changed"], writes()) == (False, [])


def test_only_our_fields_are_held_as_they_are_live(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace, "one", ours="1"), label(namespace, mesh="yes")])
    theirs = {**config_map(namespace, "one", theirs="1"), "metadata": {"name": "one", "namespace": namespace}}
    client.apply(theirs, "user")
    named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"team": "shop"}}}
    client.apply(named, "user")

    config, space = sorted(held(client, namespace), key=lambda item: item.identity.kind)
    assert config.object["data"] == {"ours": "1"}
    assert space.object["metadata"]["labels"] == {"mesh": "yes"}


def test_other_namespaces_and_what_is_gone_are_not_held(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace, "one"), config_map(namespace, "two")])
    assert held(client, namespace, "elsewhere") == []
    client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/one")
    assert [item.identity.name for item in held(client, namespace)] == ["two"]


def test_what_somebody_has_taken_from_us_is_not_held(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace, "one", ours="1")])
    client.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": namespace}}, "alauda.ambient"
    )
    assert held(client, namespace) == []


def test_many_of_a_kind_are_read_by_one_request(apply: Apply, client: Client, namespace: str) -> None:
    names = [f"many-{number:02}" for number in range(25)]
    apply([config_map(namespace, name, a="1") for name in names])
    client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/many-07")

    found = held(client, namespace)

    assert [item.identity.name for item in found] == [name for name in names if name != "many-07"]
    assert {str(item.object["data"]) for item in found} == {"{'a': '1'}"}
