# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a call along the way that it takes: at the waypoint, then at the pods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from . import unknowns
from .asking import Request
from .matching import Proxy
from .parts import Port, Service
from .plaintext import PeerAuthentications
from .ruling import Ruling, Verdict, rule_at
from .together import meant, one_after_the_other, together
from .unheard import unheard
from .ways import Backend, Caller, Way, Ways
from .world import World

_THE_POD, _THE_CALLER = "which pod answers", "which pod calls"
_NO_PORT = Port(0, 0)


@dataclass(frozen=True)
class Outcome:
    """What is said in the end, and by each proxy on the way."""

    total: Ruling
    steps: tuple[Ruling, ...]


class Judge:
    """Judges calls in one world; what it has found out about the world it keeps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ways = Ways(world)
        self._peers = PeerAuthentications(world)

    def outcome(self, account: tuple[str, str], service: Service, request: Request) -> Outcome:
        """For all that pods of the account may meet: every port, every pod that may answer."""
        way = self.ways.to(service)
        principal = f"{self.world.trust_domain}/ns/{account[0]}/sa/{account[1]}"
        callers = self.ways.callers(*account)
        found = [(caller, self._from(caller, principal, way, request)) for caller in callers]
        labelled = [(f"a pod that {caller.value}", outcome.total) for caller, outcome in found]
        return Outcome(together(labelled, _THE_CALLER), _steps(outcome for _caller, outcome in found))

    def at_pods(self, backend: Backend, principal: str, service: Service) -> Ruling:
        """What ztunnel says of any call with an identity, or without one, over all ports of a Service."""
        ports = service.ports or (_NO_PORT,)
        identified = bool(principal)
        found = [(f"port {each.number}", self._pods(backend, identified, principal, Request(), each)) for each in ports]
        return together(found, unknowns.PORT)

    def _from(self, caller: Caller, principal: str, way: Way, request: Request) -> Outcome:
        ports = [port for port in way.service.ports if request.port in (None, port.number)]
        if not ports:
            ports = [Port(request.port, request.port)] if request.port else [_NO_PORT]
        found = [(f"port {port.number}", self._at(caller, principal, way, request, port)) for port in ports]
        labelled = [(label, outcome.total) for label, outcome in found]
        return Outcome(together(labelled, unknowns.PORT), _steps(outcome for _label, outcome in found))

    def _at(self, caller: Caller, principal: str, way: Way, request: Request, port: Port) -> Outcome:
        through = self._through(caller, way)
        waypoint = self._waypoint(principal, way, request, port) if way.waypoint or way.missed else None
        onward = replace(request, address=None)  # pods see the waypoint's address
        totals, steps = [], []
        for backend in way.backends:
            behind = self._pods(backend, True, self._seen_as(way) or principal, onward, port) if waypoint else None
            if through and waypoint and behind:
                total = one_after_the_other(waypoint, behind if way.known else None)
                steps += [waypoint, behind]
            else:
                direct = self._pods(backend, caller.identified, principal, request, port)
                total = direct
                steps.append(direct)
                why = self._passed_by(caller, way)
                if why and waypoint and behind and direct.verdict is not Verdict.DENIED:
                    total = meant(one_after_the_other(waypoint, behind)).unenforced(why)
                    steps.append(waypoint.unenforced(why))
            caller_seen = principal if caller.identified else ""
            totals.append((str(backend.workload), self._named(total, backend, caller_seen, request, port, through)))
        return Outcome(together(totals, _THE_POD), tuple(steps))

    def _named(
        self, total: Ruling, backend: Backend, principal: str, request: Request, port: Port, through: bool
    ) -> Ruling:
        """With the DENYs that are not heard, where it seems that nothing is said about callers at all."""
        if total.verdict is not Verdict.ALLOWED or total.by:
            return total
        number = backend.workload.listens_on(port)
        unknown = request.unknown | ({unknowns.PORT} if not number else frozenset())
        said = unheard(backend.policies, request.call(principal, number), unknown, through)
        return replace(total, reason="; ".join([total.reason, *said]))

    def _through(self, caller: Caller, way: Way) -> bool:
        if way.waypoint is None or way.missed:
            return False
        return caller is Caller.MESH or (caller is Caller.GATEWAY and way.admits_gateways)

    def _passed_by(self, caller: Caller, way: Way) -> str:
        """Why what the waypoint would say is not enforced; empty where it would say nothing."""
        if way.missed:
            return f"{way.missed}: the call goes straight to the pods, past its policies"
        if not any(policy.action != "AUDIT" and not policy.dry_run for policy in way.policies):
            return ""
        return f"who calls {caller.value} and passes the waypoint {way.waypoint} by"

    def _seen_as(self, way: Way) -> str:
        return way.waypoint.principal(self.world.trust_domain) if way.waypoint else ""

    def _waypoint(self, principal: str, way: Way, request: Request, port: Port) -> Ruling:
        number = port.number if not way.service.headless else way.backends[0].workload.listens_on(port)
        unknown = request.unknown | ({unknowns.PORT} if not number else frozenset())
        where = f"waypoint {way.waypoint or 'that is not named'}"
        call = request.call(principal, number)
        return rule_at(way.policies, call, Proxy.WAYPOINT, unknown, where, self.world.live)

    def _pods(self, backend: Backend, identified: bool, principal: str, request: Request, port: Port) -> Ruling:
        ruling = self._ztunnel(backend, principal if identified else "", request, backend.workload.listens_on(port))
        return ruling.unenforced(backend.open) if backend.open else ruling

    def _ztunnel(self, backend: Backend, principal: str, request: Request, port: int) -> Ruling:
        refused = None if principal else self._plain_text(backend, port)
        if refused and refused.verdict is Verdict.DENIED:
            return refused
        unknown = request.unknown | ({unknowns.PORT} if not port else frozenset())
        call = request.call(principal, port)
        ruling = rule_at(backend.policies, call, Proxy.ZTUNNEL, unknown, backend.where, self.world.live)
        return refused if refused and ruling.verdict is Verdict.ALLOWED else ruling

    def _plain_text(self, backend: Backend, port: int) -> Ruling | None:
        """The refusal of a call without an identity; None where it is not refused."""
        mode = self._peers.at(backend.workload, port)
        if not port:
            modes = {self._peers.at(backend.workload, each).strict for each in self._peers.ports(backend.workload)}
            if modes - {mode.strict}:
                reason = f"plain text is refused at some ports ({mode.by or 'PeerAuthentication'})"
                return Ruling(Verdict.DEPENDS, backend.where, reason, mode.by, on=frozenset({unknowns.PORT}))
        reason = f"the call is plain text, and {mode.by} refuses that (STRICT)"
        return Ruling(Verdict.DENIED, backend.where, reason, mode.by) if mode.strict else None


def _steps(outcomes: Iterable[Outcome]) -> tuple[Ruling, ...]:
    return tuple(dict.fromkeys(step for outcome in outcomes for step in outcome.steps))
