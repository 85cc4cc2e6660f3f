# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we remember of each object that we applied, so that the next run can tell whether anything changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..manifests.identity import Identity
from ..manifests.items import Item
from ..manifests.labels import mesh_of


@dataclass(frozen=True)
class Record:
    """One object as we left it.

    Args:
        identity: which object; its version is the one that was sent.
        manager: the field manager that applied it.
        wave: where it stands in the order.
        patch: whether the object is someone else's.
        existed: whether the object was there before our first apply: it is never deleted.
        sent: digest of the manifest that was sent, "" before the first success.
        version: resourceVersion of the live object.
        live: digest of the live values at the paths we own.
        labelled: whether the manifest carried the label of a mesh: plain manifests need not.
    """

    identity: Identity
    manager: str
    wave: int
    patch: bool = False
    existed: bool = False
    sent: str = ""
    version: str = ""
    live: str = ""
    labelled: bool = False

    @classmethod
    def announced(cls, item: Item, existed: bool) -> Record:
        """The record of an object that is about to be written for the first time."""
        return cls(item.identity, item.manager, item.wave, item.patch, existed)

    def applied(self, item: Item, sent: str, version: str, live: str) -> Record:
        """The record after a success."""
        labelled = bool(mesh_of(item.object))
        return replace(
            self, identity=item.identity, wave=item.wave, sent=sent, version=version, live=live, labelled=labelled
        )

    @property
    def key(self) -> str:
        """As Item.key."""
        return f"{self.identity.key}|{self.manager}"


Records = dict[str, Record]


_PARTS = ("api_version", "kind", "namespace", "name")


def encode(records: Mapping[str, Record]) -> str:
    """Records as text: one line per object, sorted."""
    lines = []
    for key in sorted(records):
        record = records[key]
        entry: dict[str, Any] = {
            "object": [getattr(record.identity, part) for part in _PARTS],
            "manager": record.manager,
            "wave": record.wave,
            "sent": record.sent,
            "version": record.version,
            "live": record.live,
        }
        for flag in ("patch", "existed", "labelled"):
            if getattr(record, flag):
                entry[flag] = True
        lines.append(json.dumps(entry, ensure_ascii=False, separators=(",", ":")))
    return "\n".join(lines)


def decode(text: str) -> Records:
    """Records from text; a line that cannot be read is as good as no record."""
    records: Records = {}
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            api_version, kind, namespace, name = entry.pop("object")
            record = Record(Identity.parse(api_version, kind, name, namespace), **entry)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        records[record.key] = record
    return records
