# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what is live of a set of objects, with as few and as small requests as it takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..manifests.identity import Identity, Object
from .client import Client
from .errors import ApiError

WORKERS = 32
_LIST_FROM = 4  # objects of one kind in one namespace from which a list costs less than single reads
_NAMESPACES_PER_KIND = 20

State = dict[str, Object]


@dataclass(frozen=True)
class Read:
    """One request: a list of a kind (in a namespace, or in all), or single reads of a few objects."""

    api_version: str
    kind: str
    namespace: str | None
    wanted: tuple[Identity, ...]
    as_list: bool


def plan_reads(identities: Iterable[Identity]) -> list[Read]:
    """How to read these objects. Secrets are never listed."""
    by_kind: dict[tuple[str, str], dict[str, list[Identity]]] = defaultdict(lambda: defaultdict(list))
    for identity in sorted(set(identities)):
        by_kind[identity.api_version, identity.kind][identity.namespace].append(identity)
    reads: list[Read] = []
    for (api_version, kind), by_namespace in by_kind.items():
        if len(by_namespace) > _NAMESPACES_PER_KIND and kind != "Secret":
            wanted = tuple(identity for group in by_namespace.values() for identity in group)
            reads.append(Read(api_version, kind, None, wanted, True))
            continue
        for namespace, group in by_namespace.items():
            if len(group) >= _LIST_FROM and kind != "Secret":
                reads.append(Read(api_version, kind, namespace or None, tuple(group), True))
            else:
                reads += [Read(api_version, kind, namespace or None, (one,), False) for one in group]
    return reads


def read_state(client: Client, identities: Iterable[Identity]) -> State:
    """The metadata of those objects that exist, by Identity.key. Kinds that are not served have none."""
    client.discovery.kinds()  # once, not once per thread
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(lambda read: _perform(client, read), plan_reads(identities)))
    return {key: obj for answer in answers for key, obj in answer.items()}


def _perform(client: Client, read: Read) -> State:
    if read.as_list:
        try:
            found = client.list_metadata(read.api_version, read.kind, read.namespace)
        except ApiError as error:
            if error.status != 403:
                raise
            return _one_by_one(client, read)
        keys = {(identity.namespace, identity.name): identity.key for identity in read.wanted}
        return {keys[place]: obj for obj in found if (place := _place(obj)) in keys}
    return _one_by_one(client, read)


def _one_by_one(client: Client, read: Read) -> State:
    state: State = {}
    for identity in read.wanted:
        found = client.get(identity, metadata_only=True)
        if found is not None:
            state[identity.key] = found
    return state


def _place(obj: Mapping[str, object]) -> tuple[str, str]:
    metadata = obj["metadata"]
    if not isinstance(metadata, Mapping):
        return "", ""
    return str(metadata.get("namespace") or ""), str(metadata["name"])
