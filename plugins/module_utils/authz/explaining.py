# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace, a Service or pods in the words of a person: where they stand, who may call, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import AmbientError
from ..mesh.names import did_you_mean
from ..mesh.spec import State, WaypointRef
from .asking import Request, known_namespace, known_service
from .judging import Judge
from .matrix import Rows
from .parts import Policy, Service, Workload
from .plaintext import PeerAuthentications
from .troubles import Trouble, of_namespace, of_policies, of_way, of_workload
from .ways import Way
from .wording import counted
from .world import World

_SHOWN = 20  # lines of one kind
_HOW = "Write NAMESPACE, NAMESPACE/SERVICE or pod/NAMESPACE/NAME"
_PARTS_OF_A_POD = 3


@dataclass(frozen=True)
class Explanation:
    """What there is to say.

    Attributes:
        state: what it amounts to: off, l4, l4-strict, l7.
        waypoint: in words.
        policies: those that decide, and where.
        callers: who may call, a line for each Service.
        troubles: what is wrong, and what to do.
    """

    of: str
    state: State
    meaning: str
    waypoint: str
    policies: Sequence[str]
    callers: Sequence[str]
    troubles: Sequence[Trouble]
    live: bool

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "of": self.of,
            "state": self.state.value,
            "meaning": self.meaning,
            "waypoint": self.waypoint,
            "policies": list(self.policies),
            "callers": list(self.callers),
            "troubles": [{"what": each.what, "next": each.next} for each in self.troubles],
            "as_written": not self.live,
        }

    def lines(self) -> list[str]:
        """For people."""
        written = "" if self.live else " (as written)"
        lines = [f"{self.of}: {self.state.value}{written}, {self.meaning}", f"waypoint: {self.waypoint}"]
        lines += _section("policies that decide", self.policies, "none: nothing says who may call")
        lines += _section("who may call", self.callers, "there is no Service to call")
        troubles = [line for each in self.troubles for line in (each.what, f"  next: {each.next}")]
        return [*lines, *_section("what is wrong", troubles, "nothing that is seen here")]


def explain(world: World, of: str) -> Explanation:
    """`shop`, `shop/cart` or `pod/shop/cart-0`; AmbientError for a name that nothing bears."""
    words = of.split("/")
    if not all(words) or len(words) > _PARTS_OF_A_POD:
        raise AmbientError(f"{of!r} names nothing" if of else "is required", path="of", hint=_HOW)
    speaker = _Speaker(world)
    if len(words) == _PARTS_OF_A_POD:
        return speaker.pods(_workload(world, *words))
    if len(words) == 1:
        return speaker.namespace(known_namespace(world, of, "of"))
    return speaker.service(known_service(world, (words[0], words[1]), "of"))


def _workload(world: World, kind: str, namespace: str, name: str) -> Workload:
    """A pod, or what makes pods; in manifests the pods are known by what makes them."""
    there = world.workloads_in.get(namespace, ())
    if kind.lower() == "pod" and (pod := world.pod(namespace, name)):
        return pod
    for each in there:
        if each.name == name and kind.lower() in ("pod", each.kind.lower()):
            return each
    known = {f"{each.kind.lower()}/{namespace}/{each.name}" for each in there}
    hint = did_you_mean(f"{kind}/{namespace}/{name}", known) if known else f"Nothing makes pods in {namespace}"
    raise AmbientError(f"there is no {kind} {namespace}/{name}", path="of", hint=hint)


class _Speaker:
    def __init__(self, world: World) -> None:
        self._world = world
        self._judge = Judge(world)
        self._rows = Rows(self._judge)
        self._peers = PeerAuthentications(world)

    def namespace(self, name: str) -> Explanation:
        services = sorted(self._world.services_in.get(name, ()), key=lambda each: each.name)
        ways = [self._judge.ways.to(each) for each in services]
        workloads = self._world.workloads_in.get(name, ())
        through = [way for way in ways if way.waypoint and not way.missed]
        anybody = Workload("Pods", name, "", "", {})
        state = self._state([anybody], bool(through)) if self._world.enrolled(name) else State.OFF
        policies = [(policy, "ztunnel") for each in workloads or [anybody] for policy in self._world.at_pods(each)]
        policies += [(policy, f"waypoint {way.waypoint}") for way in through for policy in way.policies]
        troubles = [*of_namespace(self._world, name), *(each for way in ways for each in self._troubles(way))]
        troubles += [each for workload in workloads for each in of_workload(self._world, workload)]
        troubles += of_policies(self._world, [each for each in self._world.policies if each.namespace == name])
        return self._said(f"namespace {name}", state, _waypoints(ways, self._world.live), policies, services, troubles)

    def service(self, service: Service) -> Explanation:
        way = self._judge.ways.to(service)
        through = bool(way.waypoint) and not way.missed
        state = self._state([each.workload for each in way.backends], through)
        policies = [(policy, f"waypoint {way.waypoint}") for policy in (way.policies if through else ())]
        policies += [(policy, "ztunnel") for each in way.backends for policy in each.policies]
        troubles = self._troubles(way) + of_policies(self._world, [policy for policy, _where in policies])
        troubles += [each for backend in way.backends for each in of_workload(self._world, backend.workload)]
        return self._said(
            f"Service {service}", state, _waypoints([way], self._world.live), policies, [service], troubles
        )

    def pods(self, workload: Workload) -> Explanation:
        found = self._world.services_in.get(workload.namespace, ())
        services = [each for each in found if each.selector and each.selector.items() <= workload.labels.items()]
        ways = [self._judge.ways.to(each) for each in services]
        through = [way for way in ways if way.waypoint and not way.missed]
        policies = [*_on_the_way(through), *((policy, "ztunnel") for policy in self._world.at_pods(workload))]
        ref, missed, direct = self._judge.ways.to_pods(workload)
        to_pods = f"{ref}, for calls to the addresses of the pods" if ref and not missed else ""
        if to_pods:
            policies = [*((policy, f"waypoint {to_pods}") for policy in direct), *policies]
        troubles = [*of_workload(self._world, workload), *(each for way in ways for each in self._troubles(way))]
        troubles += of_policies(self._world, [policy for policy, _where in policies])
        state = self._state([workload], bool(through))
        words = "; ".join(filter(None, (_waypoints(ways, self._world.live), to_pods)))
        return self._said(str(workload), state, words, policies, services, troubles)

    def _said(
        self,
        of: str,
        state: State,
        waypoint: str,
        policies: Iterable[tuple[Policy, str]],
        services: Sequence[Service],
        troubles: Iterable[Trouble],
    ) -> Explanation:
        found = self._rows.of(services, Request())
        return Explanation(
            of,
            state,
            _MEANINGS[state],
            waypoint or "none",
            _policies(policies),
            [row.line(found.sizes) for row in found.rows],
            tuple(dict.fromkeys(troubles)),
            self._world.live,
        )

    def _state(self, workloads: Sequence[Workload], through: bool) -> State:
        if not all(self._world.captured(each) for each in workloads):
            return State.OFF
        if through:
            return State.L7
        return State.L4_STRICT if all(self._peers.at(each, 0).strict for each in workloads) else State.L4

    def _troubles(self, way: Way) -> list[Trouble]:
        return of_way(self._judge, way)


_MEANINGS: Mapping[State, str] = {
    State.OFF: "ztunnel does not guard the pods",
    State.L4: "encrypted and identified between pods of the mesh; plain text is taken, too",
    State.L4_STRICT: "encrypted and identified; plain text is refused",
    State.L7: "called through a waypoint, which knows requests",
}


def _waypoints(ways: Sequence[Way], live: bool) -> str:
    """The waypoints in words; empty without one."""
    ready = "ready, calls pass it" if live else "calls pass it as soon as it is ready"
    words: dict[str, list[str]] = {}
    for way in ways:
        if way.missed:
            words.setdefault(way.missed, []).append(way.service.name)
        elif way.waypoint:
            words.setdefault(f"{way.waypoint}, {ready}", []).append(way.service.name)
    single = len(words) == 1 and len(ways) == len(next(iter(words.values())))
    return "; ".join(text if single else f"{text} ({_short(names)})" for text, names in words.items())


def _on_the_way(ways: Sequence[Way]) -> Iterator[tuple[Policy, str]]:
    """What waypoints decide, each policy once with the Services that are called."""
    found: dict[tuple[str, WaypointRef | None], tuple[Policy, list[str]]] = {}
    for way in ways:
        for policy in way.policies:
            found.setdefault((str(policy), way.waypoint), (policy, []))[1].append(way.service.name)
    for (_name, ref), (policy, services) in found.items():
        yield policy, f"waypoint {ref} for calls to {_short(services)}"


def _short(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _policies(found: Iterable[tuple[Policy, str]]) -> list[str]:
    said: dict[str, None] = {}
    for policy, where in found:
        asleep = " (dry run: decides nothing)" if policy.dry_run else ""
        said[f"{policy}: {policy.action}, {counted(len(policy.rules), 'rule')}, at {where}{asleep}"] = None
    return list(said)


def _section(title: str, lines: Sequence[str], empty: str) -> list[str]:
    if not lines:
        return [f"{title}: {empty}"]
    more = [f"  … and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [f"{title}:", *(f"  {line}" for line in lines[:_SHOWN]), *more]
