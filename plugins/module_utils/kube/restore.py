# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we hold in some namespaces just now, as items that bring it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from .client import Client
from .fields import Fields, apply_entry
from .inventory import Inventory
from .record import Record
from .state import WORKERS

_MANY = 20


def held_in(client: Client, inventory: Inventory, role: str, namespaces: Iterable[str]) -> list[Item]:
    """The objects and patches of a role in these namespaces, and on these Namespaces, as they are live."""
    wanted = set(namespaces)
    records = [record for record in inventory.of(role).values() if scope_of(record) in wanted]
    live = _read(client, {record.identity for record in records})
    items = [
        item for record in records if record.identity in live for item in _item(record, live[record.identity], role)
    ]
    return sorted(items, key=Item.order)


def _read(client: Client, identities: Set[Identity]) -> dict[Identity, Object]:
    """The objects that are there: one by one, or by one LIST over the cluster where a kind has many."""
    kinds: dict[tuple[str, str], list[Identity]] = {}
    for identity in identities:
        kinds.setdefault((identity.api_version, identity.kind), []).append(identity)
    few = [identity for group in kinds.values() if len(group) <= _MANY for identity in group]
    found: dict[Identity, Object] = {}
    for (api_version, kind), group in kinds.items():
        if len(group) > _MANY:
            for obj in client.list(api_version, kind):
                identity = Identity.of({**obj, "apiVersion": api_version, "kind": kind})
                if identity in identities:
                    found[identity] = {**obj, "apiVersion": api_version, "kind": kind}
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = zip(few, pool.map(client.get, few), strict=True)
        return found | {identity: obj for identity, obj in answers if obj is not None}


def scope_of(record: Record) -> str:
    """The namespace that an object stands in, or is."""
    identity = record.identity
    return identity.name if identity.kind == "Namespace" else identity.namespace


def _item(record: Record, live: Object, role: str) -> list[Item]:
    entry = apply_entry(live, record.manager)
    if entry is None:
        return []
    manifest = owned(live, entry)
    return [Item(manifest, record.wave, record.patch, record.manager, role)]


def owned(live: Object, entry: Fields) -> Object:
    """The manifest that a manager has applied: the live values of all fields that it owns."""
    metadata = live["metadata"]
    manifest: Object = _part(live, entry.get("fieldsV1") or {})
    name = {key: metadata[key] for key in ("name", "namespace") if metadata.get(key)}
    manifest["metadata"] = {**(manifest.get("metadata") or {}), **name}
    return {"apiVersion": entry.get("apiVersion") or live["apiVersion"], "kind": live["kind"], **manifest}


def _part(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of a value that fieldsV1 names. Lists are taken whole: ours are atomic where they matter here."""
    below = {key[2:]: inner for key, inner in fields.items() if key.startswith("f:")}
    if not below or not isinstance(value, Mapping):
        return value
    return {key: _part(value[key], inner) for key, inner in below.items() if key in value}
