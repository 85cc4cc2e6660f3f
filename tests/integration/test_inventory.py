# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory in the cluster: spread over as many ConfigMaps as it takes, and never without a record."""

from __future__ import annotations

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.inventory import INVENTORY_LABEL, Inventory
from ansible_collections.alauda.ambient.plugins.module_utils.kube.record import Record, decode
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity, Object
from cases import Apply, Writes, config_map


def shards(client: Client, namespace: str) -> list[Object]:
    return client.list("v1", "ConfigMap", namespace, label_selector=INVENTORY_LABEL)


def record(number: int, prefix: str = "n") -> Record:
    identity = Identity("apps.example.com", "v1", "Something", "n" * 60, f"{prefix}-{number:05}".ljust(250, "x"))
    return Record(identity, "alauda.ambient", 10, False, False, "s" * 32, "123456789", "l" * 32)


def fill(inventory: Inventory, role: str, count: int, prefix: str = "n") -> None:
    for number in range(count):
        each = record(number, prefix)
        inventory.of(role)[each.key] = each


def test_ten_thousand_records_of_long_names_are_kept(client: Client, namespace: str) -> None:
    inventory = Inventory(client, namespace, "m")
    fill(inventory, "big", 10_000)
    assert inventory.save()
    found = shards(client, namespace)
    assert len(found) == 10
    assert max(len(each["data"]["records"]) for each in found) < 900_000
    again = Inventory(client, namespace, "m")
    assert again.roles == inventory.roles
    assert again.save() is False


def test_a_record_stays_in_its_shard_and_only_touched_shards_are_written(
    client: Client, namespace: str, writes: Writes
) -> None:
    inventory = Inventory(client, namespace, "m")
    fill(inventory, "big", 2_500)
    inventory.save()
    before = {each["metadata"]["name"]: set(decode(each["data"]["records"])) for each in shards(client, namespace)}
    writes()
    inventory = Inventory(client, namespace, "m")
    fill(inventory, "big", 10, prefix="a")  # sorts before all others
    inventory.save()
    assert [write["verb"] for write in writes()] == ["update"]
    after = {each["metadata"]["name"]: set(decode(each["data"]["records"])) for each in shards(client, namespace)}
    assert all(keys <= after[name] for name, keys in before.items())


def test_an_emptied_shard_goes_and_the_last_takes_the_role_with_it(client: Client, namespace: str) -> None:
    inventory = Inventory(client, namespace, "m")
    fill(inventory, "big", 1_500)
    inventory.save()
    keys = list(inventory.of("big"))
    for key in keys[:1_000]:
        inventory.of("big").pop(key)
    inventory.save()
    assert len(shards(client, namespace)) == 1
    again = Inventory(client, namespace, "m")
    assert set(again.of("big")) == set(keys[1_000:])
    again.of("big").clear()
    assert again.save() and shards(client, namespace) == []


def test_roles_whose_names_look_like_shards_are_kept_apart(client: Client, namespace: str) -> None:
    inventory = Inventory(client, namespace, "m")
    fill(inventory, "r", 1_001)
    fill(inventory, "r-1", 1)
    inventory.save()
    again = Inventory(client, namespace, "m")
    assert (len(again.of("r")), len(again.of("r-1"))) == (1_001, 1)


def test_kubectl_sees_an_applyset_of_another_tool(apply: Apply, client: Client, namespace: str) -> None:
    apply([config_map(namespace)])
    (found,) = shards(client, namespace)
    assert found["metadata"]["labels"]["applyset.kubernetes.io/id"].startswith("applyset-")
    assert found["metadata"]["annotations"]["applyset.kubernetes.io/tooling"].startswith("alauda.ambient/")
    assert found["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap"


def test_a_namespace_made_for_the_inventory_is_known_as_ours(apply: Apply, client: Client, namespace: str) -> None:
    home = f"{namespace}-home"
    apply([config_map(namespace)], inventory_namespace=home)
    assert Inventory(client, home, namespace).namespace_is_ours()
    assert not Inventory(client, namespace, namespace).namespace_is_ours()


def test_names_that_look_alike_are_kept_apart(apply: Apply, client: Client, namespace: str) -> None:
    for number, role in enumerate(("my_shop", "my-shop", "My.Shop")):
        result = apply([config_map(namespace, f"c{number}")], role=role)
        assert result["counts"]["created"] == 1, result
    assert {each["metadata"]["labels"][INVENTORY_LABEL] for each in shards(client, namespace)} == {
        "my_shop",
        "my-shop",
        "My.Shop",
    }


def test_what_somebody_made_since_our_announcement_is_theirs(apply: Apply, client: Client, namespace: str) -> None:
    bad = config_map("no-such-namespace", "bad")
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": namespace}}
    items = [{"object": bad, "wave": 0}, {"object": {**plain, "data": {"a": "1"}}, "wave": 10}]
    assert apply(items)["failed"]
    client.create({**plain, "data": {"b": "2"}}, manager="somebody")
    assert apply(items[1:])["counts"]["failed"] == 0
    apply(items[1:], state="absent")
    left = client.get("v1", "ConfigMap", "late", namespace)
    assert left is not None and left["data"] == {"b": "2"}
