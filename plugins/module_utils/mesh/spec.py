# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared mesh, typed: what `ambient_mesh` says once it has been read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

MODE_LABEL = "istio.io/dataplane-mode"
MODE_AMBIENT = "ambient"


class State(Enum):
    """How far a namespace takes part in the mesh."""

    OFF = "off"
    L4 = "l4"
    L4_STRICT = "l4-strict"
    L7 = "l7"

    @property
    def enrolled(self) -> bool:
        """Whether pods of the namespace are captured by ztunnel."""
        return self is not State.OFF


#: What this version can bring about; the others are reserved words of the declaration.
SUPPORTED_STATES = (State.OFF, State.L4)


@dataclass(frozen=True)
class NamespaceSpec:
    """One user namespace and the state that is wanted for it."""

    name: str
    state: State


@dataclass(frozen=True)
class MeshSpec:
    """The whole declaration; `name` is the value of the label `ambient.alauda.io/mesh`."""

    name: str = "default"
    namespaces: tuple[NamespaceSpec, ...] = ()

    def enrolled(self) -> Iterator[NamespaceSpec]:
        """The namespaces that shall be part of the mesh."""
        return (namespace for namespace in self.namespaces if namespace.state.enrolled)

    def released(self) -> Iterator[NamespaceSpec]:
        """The namespaces that are declared not to be part of it."""
        return (namespace for namespace in self.namespaces if not namespace.state.enrolled)

    def declares(self, namespace: str) -> bool:
        """Whether the namespace is named in the declaration, in whatever state."""
        return any(namespace == declared.name for declared in self.namespaces)
