# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: for every Service, who may call it; all service accounts are answered for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import AmbientError
from .answering import ruling_data
from .asking import Request, known_namespace
from .classes import Account, Classes, named_accounts
from .judging import Judge
from .parts import Service
from .ruling import Ruling, Verdict
from .ways import Way
from .wording import counted, joined
from .world import World

_ORDER = {Verdict.ALLOWED: 0, Verdict.DEPENDS: 1, Verdict.NOT_ENFORCED: 2, Verdict.DENIED: 3}
_SHOWN = 12  # names in one line


@dataclass(frozen=True)
class Group:
    """The accounts that get one answer from one policy."""

    ruling: Ruling
    accounts: Sequence[Account]


@dataclass(frozen=True)
class Row:
    """Who may call a Service. Every account is in one of the groups, the largest of which is the last."""

    service: Service
    groups: Sequence[Group]

    def data(self) -> dict[str, Any]:
        """As JSON has it; the last group is `others`: every account that is in none of the groups."""
        *named, others = self.groups
        return {
            "to": str(self.service),
            "groups": [_group(each, [f"{at}/{name}" for at, name in each.accounts]) for each in named],
            "others": _group(others, None),
        }

    def line(self, sizes: Mapping[str, int]) -> str:
        """For people. `sizes`: how many accounts each namespace has."""
        said: dict[str, list[Account]] = {}
        for group in self.groups:  # one answer may come from several policies
            said.setdefault(_words(group.ruling), []).extend(group.accounts)
        most = max(said, key=lambda words: (len(said[words]), words == _words(self.groups[-1].ruling)))
        parts = [f"{words}: {_accounts(found, sizes)}" for words, found in said.items() if words != most]
        rest = "all others" if parts else "all"
        return f"{self.service}  " + "; ".join([*parts, f"{most}: {rest} ({len(said[most])})"])


@dataclass(frozen=True)
class Matrix:
    """All pairs of service accounts and Services."""

    accounts: Sequence[Account]
    rows: Sequence[Row]
    live: bool

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "accounts": [f"{namespace}/{name}" for namespace, name in self.accounts],
            "services": [row.data() for row in self.rows],
            "as_written": not self.live,
        }

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """How many accounts each namespace has."""
        return Counter(namespace for namespace, _name in self.accounts)

    def lines(self) -> list[str]:
        """For people."""
        written = "" if self.live else ", as written"
        head = f"{counted(len(self.rows), 'Service')}, {counted(len(self.accounts), 'service account')}{written}"
        return [head, *(row.line(self.sizes) for row in self.rows)]


def matrix(world: World, namespace: str = "", request: Request = Request(), judge: Judge | None = None) -> Matrix:  # noqa: B008
    """For the Services of a namespace, or of all, that have the port that is asked about.

    AmbientError for a namespace that is not there, and for a port that none of the Services has.
    """
    judge = judge or Judge(world)
    if namespace:
        known_namespace(world, namespace, "namespace")
    services = world.services_in.get(namespace, ()) if namespace else list(world.services.values())
    port = request.port
    meant = [each for each in services if port is None or not each.ports or each.has(port)]
    if services and not meant:
        known = sorted({each.number for service in services for each in service.ports})
        raise AmbientError(f"no Service has port {port}", path="port", hint=f"Known: {', '.join(map(str, known))}")
    return Rows(judge).of(meant, request)


class Rows:
    """Finds rows; the service accounts of the world are sorted once."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        world = judge.world
        accounts = world.accounts if world.live else world.accounts | named_accounts(world)
        self._classes = Classes(accounts, world.trust_domain, lambda account: judge.ways.callers(*account))

    def of(self, services: Iterable[Service], request: Request) -> Matrix:
        """The rows of some Services."""
        chosen = sorted(services, key=lambda each: (each.namespace, each.name))
        rows = [self.row(service, request) for service in chosen] if self._classes.accounts else []
        return Matrix(self._classes.accounts, rows, self._judge.world.live)

    def row(self, service: Service, request: Request) -> Row:
        """Who may call one."""
        found: dict[tuple[object, ...], tuple[Ruling, list[Sequence[Account]]]] = {}
        for members in self._classes.split(_policies(self._judge.ways.to(service))):
            ruling = self._judge.outcome(members[0], service, request).total
            key = (ruling.verdict, ruling.would, ruling.by, ruling.rule, ruling.where)
            found.setdefault(key, (ruling, []))[1].append(members)
        groups = [Group(ruling, _flat(parts)) for ruling, parts in found.values()]
        most = max(groups, key=lambda each: (len(each.accounts), _ORDER[each.ruling.verdict]))
        named = [each for each in groups if each is not most]
        return Row(service, [*sorted(named, key=lambda each: (_ORDER[each.ruling.verdict], each.accounts[0])), most])


def _policies(way: Way) -> list[Any]:
    return [*way.policies, *(policy for backend in way.backends for policy in backend.policies)]


def _flat(parts: Sequence[Sequence[Account]]) -> Sequence[Account]:
    return parts[0] if len(parts) == 1 else sorted(account for part in parts for account in part)


def _group(group: Group, accounts: Collection[str] | None) -> dict[str, Any]:
    data = ruling_data(group.ruling)
    return data if accounts is None else {"accounts": list(accounts), **data}


def _words(ruling: Ruling) -> str:
    if ruling.on and not ruling.would:
        return f"{ruling.verdict.value} on {joined(ruling.on)}"
    return f"{ruling.verdict.value} (else {ruling.would.value})" if ruling.would else ruling.verdict.value


def _accounts(accounts: Sequence[Account], sizes: Mapping[str, int]) -> str:
    """`shop/web, pay/*`: a namespace of which all are meant is one word."""
    by_namespace: dict[str, list[str]] = {}
    for namespace, name in accounts:
        by_namespace.setdefault(namespace, []).append(name)
    words: list[str] = []
    for namespace, names in by_namespace.items():
        whole = len(names) > 1 and len(names) == sizes.get(namespace)
        words += [f"{namespace}/*"] if whole else [f"{namespace}/{name}" for name in names]
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
