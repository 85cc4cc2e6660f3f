# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All objects of a kind in some namespaces, as they are now: what the readiness of others depends on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ..manifests.identity import Object
from .watch import News, Scope, Watches, What, place


class Followed:
    """Follows the kind by one watch, over the cluster for several namespaces where that may be read."""

    def __init__(
        self, watches: Watches, api_version: str, kind: str, namespaces: Collection[str], labels: str = ""
    ) -> None:
        self._watches = watches
        self._objects: dict[str, dict[str, Object]] = {}
        self._refused: dict[str, str] = {}
        self.namespaces = frozenset(namespaces)
        if self.namespaces:
            namespace = min(self.namespaces) if len(self.namespaces) == 1 else ""
            watches.add(Scope(api_version, kind, namespace, labels=labels))

    def of(self, namespace: str) -> Mapping[str, Object] | None:
        """The objects of a namespace by name; None until they are known."""
        return self._objects.get(namespace)

    def refused(self, namespace: str) -> str:
        """Why those of a namespace cannot be read, "" where they can."""
        return self._refused.get(namespace, "")

    def narrows(self, news: News) -> bool:
        """Whether this is no news of an object, but that the cluster's may not be read: namespaces then are."""
        if not news.refused or news.scope.namespace:
            return False
        for namespace in self.namespaces:
            self._watches.add(replace(news.scope, namespace=namespace))
        return True

    def hear(self, news: News) -> Collection[str]:
        """Take in what was heard; the namespaces in which something has changed."""
        where = news.scope.namespace
        if news.refused:
            self._refused[where] = getattr(news.error, "message", "")
            return (where,)
        touched = set()
        if news.what is What.LISTED:
            touched = {where} if where else set(self.namespaces)
            self._objects.update({namespace: {} for namespace in touched})
        for obj in news.objects:
            namespace, name = place(obj)
            if namespace not in self._objects:
                continue
            touched.add(namespace)
            if news.what is What.DELETED:
                self._objects[namespace].pop(name, None)
            else:
                self._objects[namespace][name] = obj
        return touched
