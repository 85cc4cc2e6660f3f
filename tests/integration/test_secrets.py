# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Secret holds stands nowhere but in the cluster."""

from __future__ import annotations

import base64
import json
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.fields import digest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.record import decode
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import item_from
from cases import Apply, Writes


def secret(namespace: str, pin: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": namespace},
        "stringData": {"pin": pin},
    }


def test_the_inventory_does_not_let_a_secret_be_guessed(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    apply([secret(namespace, "4711")])
    (kept,) = client.list("v1", "ConfigMap", namespace, label_selector="ambient.alauda.io/inventory")
    record = next(iter(decode(kept["data"]["records"]).values()))
    guessed = digest(item_from({"object": secret(namespace, "4711")}).object)
    assert record.sent and record.live and guessed not in kept["data"]["records"]
    writes()
    assert apply([secret(namespace, "4711")])["counts"]["unchanged"] == 1
    assert writes() == []
    assert apply([secret(namespace, "4712")])["counts"]["changed"] == 1


def test_a_foreign_edit_of_a_secret_is_seen(apply: Apply, client: Client, namespace: str) -> None:
    apply([secret(namespace, "4711")])
    live = client.get("v1", "Secret", "s", namespace)
    assert live is not None
    live["data"] = {"pin": base64.b64encode(b"0000").decode()}
    client.replace(live, manager="somebody")
    assert apply([secret(namespace, "4711")], force_conflicts=True)["counts"]["changed"] == 1


def test_objects_given_as_values_stand_in_no_result(apply: Apply, namespace: str) -> None:
    result = apply([], objects=[secret(namespace, "hunter2")])
    assert result["created"][0]["object"] == f"v1 Secret {namespace}/s"
    assert "hunter2" not in json.dumps(result)
