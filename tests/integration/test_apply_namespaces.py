# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is limited to some namespaces: the rest is not touched, not waited for, not forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity, Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.labels import own
from cases import Apply, Result, Writes, config_map, live
from planted import deployment

Entry = dict[str, Any]


def user_namespace(client: Client, name: str) -> str:
    """A namespace of a user."""
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def enrolled(name: str, mode: str) -> Entry:
    """A patch on a user's Namespace."""
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"mode": mode}}}
    return {"object": obj, "wave": 50, "patch": True, "manager": "alauda.ambient/enrolment"}


def role(name: str) -> Object:
    """Something cluster-scoped."""
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}


def ours(mesh: str, namespace: str, name: str, **data: str) -> Entry:
    """A ConfigMap of a mesh."""
    return {"object": own(config_map(namespace, name, **data), mesh)}


def declared(shop: str, bank: str, value: str) -> list[Entry]:
    """A declaration about two namespaces, and the cluster."""
    mesh = shop.rpartition("-")[0]
    return [
        {"object": {**role(f"role-{shop}"), "rules": [{"apiGroups": [value], "resources": ["x"], "verbs": ["get"]}]}},
        *(ours(mesh, name, "policy", key=value) for name in (shop, bank)),
        *(enrolled(name, value) for name in (shop, bank)),
    ]


def touched(result: Result) -> list[str]:
    """What is written, or would be."""
    assert not result.get("failed"), result["msg"]
    return sorted(each["object"].split(" ", 1)[1] for each in [*result["created"], *result["changed_objects"]])


def records(client: Client, namespace: str) -> list[str]:
    """The lines of the inventory."""
    kept = client.list("v1", "ConfigMap", namespace, label_selector="ambient.alauda.io/inventory")
    return [line for found in kept for line in found["data"]["records"].splitlines()]


def test_only_what_is_in_the_namespaces_is_written_and_pruned(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    shop, bank = (user_namespace(client, f"{namespace}-{name}") for name in ("shop", "bank"))
    old = [ours(namespace, name, "old") for name in (shop, bank)]
    apply([*declared(shop, bank, "1"), *old])
    before = [line for line in records(client, namespace) if f'"{shop}"' not in line]
    assert len(before) == 4
    writes()

    limited = {"namespaces": [shop], "prune": True}
    mine = sorted([f"ConfigMap {shop}/old", f"ConfigMap {shop}/policy", f"Namespace {shop}"])
    assert touched(apply(declared(shop, bank, "2"), check=True, **limited)) == mine
    assert writes() == []
    done = apply(declared(shop, bank, "2"), **limited)
    assert touched(done) == mine and sum(done["counts"].values()) == 3, "nothing else is accounted for"
    paths = [each["path"] for each in writes() if "ambient-" not in each["path"] and "leases" not in each["path"]]
    assert all(shop in path.split("/") for path in paths) and len([p for p in paths if "/configmaps/" in p]) == 2
    assert live(client, config_map(bank, "policy"))["data"] == {"key": "1"}
    assert live(client, config_map(bank, "old"))
    assert [line for line in records(client, namespace) if f'"{shop}"' not in line] == before
    writes()
    assert apply(declared(shop, bank, "2"), **limited)["changed"] is False
    assert writes() == []

    rest = apply(declared(shop, bank, "2"), prune=True)
    assert touched(rest) == sorted(
        [f"ClusterRole role-{shop}", f"ConfigMap {bank}/old", f"ConfigMap {bank}/policy", f"Namespace {bank}"]
    )


@pytest.mark.parametrize("check", [True, False])
def test_an_empty_list_leaves_nothing_to_do(
    apply: Apply, client: Client, namespace: str, writes: Writes, check: bool
) -> None:
    apply([{"object": config_map(namespace, "old")}])
    writes()
    for options in ({"prune": True}, {"state": "absent"}):
        result = apply([{"object": config_map(namespace, "new")}], check=check, namespaces=[], **options)
        assert (result["changed"], result["prune"], set(result["counts"].values())) == (False, [], {0})
        assert result["summary"][0] == "0 objects: nothing to do"
    assert writes() == []


def test_what_lies_elsewhere_is_not_waited_for(apply: Apply, client: Client, namespace: str) -> None:
    shop = user_namespace(client, f"{namespace}-shop")
    objects: list[Entry] = [{"object": deployment(namespace), "wave": 0}, {"object": config_map(shop, "a"), "wave": 10}]
    assert touched(apply(objects, namespaces=[shop])) == [f"ConfigMap {shop}/a"]
    assert client.list("apps/v1", "Deployment", namespace) == []
    apply(objects[:1], wait=False)
    objects[1]["object"]["data"] = {"key": "2"}
    assert touched(apply(objects, namespaces=[shop])) == [f"ConfigMap {shop}/a"]
    assert "not yet seen by its controller" in apply(objects, wait_timeout=1)["msg"]


def test_absent_takes_only_what_is_in_the_namespaces(apply: Apply, client: Client, namespace: str) -> None:
    shop, bank = (user_namespace(client, f"{namespace}-{name}") for name in ("shop", "bank"))
    home = f"{namespace}-home"
    entries = declared(shop, bank, "1")
    apply(entries, inventory_namespace=home)
    client.delete(Identity.of(config_map(bank, "policy")))
    result = apply(entries, state="absent", namespaces=[shop], inventory_namespace=home)
    assert touched(result) == sorted([f"ConfigMap {shop}/policy", f"Namespace {shop}"])
    assert len(records(client, home)) == 3, "also of what is gone elsewhere"
    result = apply(entries[:1], state="absent", namespaces=[bank], prune=True, inventory_namespace=home)
    assert (touched(result), len(records(client, home))) == ([f"Namespace {bank}"], 1)


def test_the_namespace_of_the_inventory_stays_where_the_run_is_limited_to_others(
    apply: Apply, client: Client, namespace: str
) -> None:
    shop, home = user_namespace(client, f"{namespace}-shop"), f"{namespace}-home"
    entries = [ours(namespace, shop, "policy")]
    apply(entries, inventory_namespace=home)
    limited = apply(entries, state="absent", namespaces=[shop], inventory_namespace=home)
    assert (touched(limited), records(client, home)) == ([f"ConfigMap {shop}/policy"], [])
    assert (
        "deletionTimestamp"
        not in live(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}})["metadata"]
    )
    assert touched(apply(entries, state="absent", inventory_namespace=home, wait=False)) == [f"Namespace {home}"]


def test_what_is_no_name_of_a_namespace_is_refused(apply: Apply, namespace: str) -> None:
    result = apply([{"object": config_map(namespace, "a")}], namespaces=["shop", "Shop_2"])
    assert result["msg"].startswith("namespaces[1]: is no name of a namespace: 'Shop_2'")
