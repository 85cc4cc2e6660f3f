# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of the oracle, as data: Services with their policies, and the calls to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Identity:
    """A service account that calls; nothing has to run as it."""

    namespace: str
    account: str

    @property
    def principal(self) -> str:
        """As policies write it."""
        return f"cluster.local/ns/{self.namespace}/sa/{self.account}"


@dataclass(frozen=True)
class Request:
    """One request, as the client writes it.

    Attributes:
        port: of the Service.
        headers: beside the host, in their order; names may come twice.
        token: the name of its token, `none` for none.
    """

    identity: Identity
    port: int
    method: str
    path: str
    host: str
    headers: tuple[tuple[str, str], ...] = ()
    token: str = "none"

    def __str__(self) -> str:
        said = "".join(f", {name}: {value}" for name, value in self.headers)
        token = f", token of {self.token}" if self.token != "none" else ""
        principal = self.identity.principal
        return f"{principal} → port {self.port}, {self.method} {self.path}, host {self.host}{said}{token}"


@dataclass(frozen=True)
class Group:
    """A Service with the policies that are attached to it, and the calls to it.

    Attributes:
        waypoint: that it is called through.
        tokens: whether a RequestAuthentication of its own has its waypoint look at tokens.
        routed_to: the Service to which an HTTPRoute sends its calls on; it has no pods of its own then.
    """

    service: str
    waypoint: str
    policies: tuple[Mapping[str, Any], ...]
    requests: tuple[Request, ...]
    tokens: bool = False
    routed_to: str = ""


@dataclass(frozen=True)
class Plan:
    """All cases of a run. `shared`: policies that are attached to a waypoint, and so to all Services behind it."""

    groups: tuple[Group, ...]
    shared: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def requests(self) -> dict[str, tuple[Group, Request]]:
        """By their names, SERVICE/NUMBER."""
        return {f"{each.service}/{at}": (each, one) for each in self.groups for at, one in enumerate(each.requests)}
