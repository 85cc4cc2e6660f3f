# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call what: the entries under `access` of a namespace, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class TargetKind(Enum):
    """What an entry is about; the value is the word for it in names of objects."""

    SERVICE = "service"
    ACCOUNT = "account"
    NAMESPACE = "namespace"


class CallerKind(Enum):
    """What is let in; the value is the key of the declaration."""

    ACCOUNT = "service_account"
    NAMESPACE = "namespace"
    SERVICE = "service"
    ANY = "any"


@dataclass(frozen=True)
class Target:
    """What an entry is about: a Service, what runs as a service account, or all in the namespace."""

    kind: TargetKind
    name: str = ""

    @property
    def slug(self) -> str:
        """Its part in the names of objects."""
        return f"{self.kind.value}-{self.name}" if self.name else self.kind.value

    @classmethod
    def of(cls, slug: str) -> Target:
        """The one with that slug."""
        kind, _dash, name = slug.partition("-")
        return cls(TargetKind(kind), name)

    def said(self, namespace: str) -> str:
        """It in the words of a person."""
        if self.kind is TargetKind.NAMESPACE:
            return f"namespace {namespace}"
        return f"{'Service' if self.kind is TargetKind.SERVICE else 'service account'} {namespace}/{self.name}"


@dataclass(frozen=True)
class Caller:
    """Who may call. `namespace` and `name` are empty where the kind has none."""

    kind: CallerKind
    namespace: str = ""
    name: str = ""
    path: str = field(default="", compare=False)

    def order(self) -> tuple[str, str, str]:
        """Sort key."""
        return (self.kind.value, self.namespace, self.name)


@dataclass(frozen=True)
class Jwt:
    """A token that a request has to carry.

    Attributes:
        jwks_uri, jwks: where the issuer's public keys are, or the keys; one of the two is empty.
        claims: the values of which the token has to have one, by the name of the claim.
    """

    issuer: str
    jwks_uri: str = ""
    jwks: str = ""
    audiences: tuple[str, ...] = ()
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Intent:
    """One entry: who may call a target, and how far. What is left out is not restricted.

    Attributes:
        selector: of the target's pods, where the declaration says it; else it is read from the cluster.
        ports: of the Service; of the pods where the target is none.
    """

    target: Target
    callers: tuple[Caller, ...]
    selector: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    jwt: Jwt | None = None
    path: str = field(default="", compare=False)

    @property
    def http_keys(self) -> list[str]:
        """The keys that only a waypoint understands."""
        said = {"methods": self.methods, "paths": self.paths, "hosts": self.hosts, "jwt": self.jwt}
        return [key for key, value in said.items() if value]
