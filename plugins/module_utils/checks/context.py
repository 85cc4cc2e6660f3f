# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check may look at: the cluster, and what the user wants of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..manifests.identity import name_of, namespace_of
from ..mesh.selectors import Selector
from ..mesh.spec import MeshSpec
from .policy_world import Planned, Seen, read
from .snapshot import Object, Snapshot


@dataclass(frozen=True)
class Wishes:
    """What shall be installed.

    Attributes:
        version: of Istio, `1.31.0`; empty where nobody says.
        gateway_api: `install` or `require`.
        gateway_api_crds: the Gateway API CRDs that would be installed, name → bundle version; empty if unknown.
        platform: as ambient_platform names it; empty where nobody says.
        planned: the workloads and namespaces that would be installed; none where nobody has computed them.
        policies: all that would be applied, for the world of policies.
        tree: the manifests that are looked at instead of a cluster.
        known_errors_warn: whether what is wrong with policies already, without the run, is no reason to refuse it.
    """

    mesh: MeshSpec = field(default_factory=MeshSpec)
    version: str = ""
    gateway_api: str = "install"
    gateway_api_crds: Mapping[str, str] = field(default_factory=dict)
    discovery_selectors: Sequence[Selector] = ()
    platform: str = ""
    planned: Sequence[Mapping[str, Any]] = ()
    policies: Planned = field(default_factory=Planned)
    tree: Seen | None = None
    known_errors_warn: bool = False


@dataclass(frozen=True)
class Context:
    """The argument of every check."""

    cluster: Snapshot
    wishes: Wishes

    @cached_property
    def policies(self) -> Seen:
        """The world of policies, read once."""
        return self.wishes.tree or read(self.cluster, self.wishes.policies)


def describe(kind: str, obj: Object) -> str:
    """`Deployment istio-system/istiod`, `Namespace shop`."""
    namespace = namespace_of(obj)
    return f"{kind} {namespace}/{name_of(obj)}" if namespace else f"{kind} {name_of(obj)}"


def field_holders(obj: Object, label: str) -> list[str]:
    """The field managers that hold a label of the object, in the order of managedFields."""
    holders: list[str] = []
    for entry in obj.get("metadata", {}).get("managedFields") or []:
        held: Any = entry.get("fieldsV1") or {}
        for step in ("f:metadata", "f:labels"):
            held = held.get(step) or {}
        manager = str(entry.get("manager", "unknown"))
        if f"f:{label}" in held and manager not in holders:
            holders.append(manager)
    return holders
