# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where plain text is refused: PeerAuthentication as ztunnel obeys it.

Source: istiod's convertedSelectorPeerAuthentications (pilot/pkg/serviceregistry/ambient/authorization.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..manifests.identity import Object, name_of, namespace_or_default
from .parts import Workload, selector_of
from .world import World

STRICT = "STRICT"
PERMISSIVE = "PERMISSIVE"
_UNSET = ("", "UNSET")


@dataclass(frozen=True)
class Mode:
    """What holds at a port, and which PeerAuthentication says so; empty where none does."""

    strict: bool
    by: str = ""


class PeerAuthentications:
    """Those of a world, the oldest first."""

    def __init__(self, world: World) -> None:
        self._root = world.root
        self._of: dict[str, list[Object]] = {}
        for obj in sorted(world.all("PeerAuthentication"), key=_age):
            self._of.setdefault(namespace_or_default(obj), []).append(obj)

    def at(self, workload: Workload, port: int) -> Mode:
        """What holds at a port of the workload's pods; 0: at a port that nothing is said about."""
        mine = self._of_workload(workload)
        chosen = [self._wide(self._root), self._wide(workload.namespace), mine]
        found = Mode(False)
        for each in chosen:
            if each is not None and _mode((each.get("spec") or {}).get("mtls")) not in _UNSET:
                found = _as_mode(each, (each["spec"]).get("mtls"))
        of_port = _ports(mine).get(port)
        return _as_mode(mine, of_port) if mine is not None and _mode(of_port) not in _UNSET else found

    def ports(self, workload: Workload) -> set[int]:
        """The ports about which a PeerAuthentication of the workload says something of its own."""
        return set(_ports(self._of_workload(workload)))

    def _wide(self, namespace: str) -> Object | None:
        return next((each for each in self._of.get(namespace, ()) if not selector_of(each)), None)

    def _of_workload(self, workload: Workload) -> Object | None:
        if workload.namespace == self._root:  # istiod ignores selectors there
            return None
        for each in self._of.get(workload.namespace, ()):
            selector = selector_of(each)
            if selector and selector.items() <= workload.labels.items():
                return each
        return None


def _age(obj: Object) -> tuple[str, str]:
    return str((obj.get("metadata") or {}).get("creationTimestamp") or ""), name_of(obj)


def _ports(obj: Object | None) -> Mapping[int, Any]:
    levels = ((obj or {}).get("spec") or {}).get("portLevelMtls") or {}
    return {int(port): mtls for port, mtls in levels.items() if str(port).isdigit()}


def _mode(mtls: Any) -> str:
    return str((mtls or {}).get("mode") or "")


def _as_mode(obj: Object, mtls: Any) -> Mode:
    return Mode(_mode(mtls) == STRICT, f"PeerAuthentication {namespace_or_default(obj)}/{name_of(obj)}")
