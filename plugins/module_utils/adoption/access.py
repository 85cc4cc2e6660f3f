# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call what by the policies of a namespace's entries, and what a change of them means, for a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..authz.matching import says_http
from ..manifests.gateways import WAYPOINT_CLASS
from ..manifests.items import Item
from ..mesh.allows import is_allow, target_of
from ..mesh.facts import Attached, Labels, Policy, Workload, share_pods
from ..mesh.intents import Target, TargetKind
from ..mesh.survey import ROOT_NAMESPACE

ANYBODY = "anybody"
_ALL = Target(TargetKind.NAMESPACE)
_SHOWN = 8


@dataclass(frozen=True)
class Closed:
    """Who may call a target, and how far.

    Attributes:
        rules: what they may do, as text.
        attached: what its policies are attached to, such as `Service cart`: a waypoint tells, and has the rules.
        pods: the selectors of its pods; an empty one is of all pods.
    """

    callers: frozenset[str]
    rules: frozenset[str]
    attached: frozenset[str] = frozenset()
    pods: tuple[Labels, ...] = ()

    @property
    def at_waypoint(self) -> bool:
        """Whether a waypoint tells."""
        return bool(self.attached)


def closed_in(items: Iterable[Item]) -> dict[Target, Closed]:
    """The targets that policies of ours close."""
    found: dict[Target, list[Item]] = {}
    for item in items:
        if is_allow(item):
            found.setdefault(target_of(item), []).append(item)
    return {target: _closed(group) for target, group in found.items()}


def _closed(items: Iterable[Item]) -> Closed:
    specs: list[Mapping[str, Any]] = [item.object.get("spec") or {} for item in items]
    callers = {caller for spec in specs for rule in spec.get("rules") or [] for caller in _callers(rule)}
    attached = [spec for spec in specs if "targetRefs" in spec]
    rules = {json.dumps(rule, sort_keys=True) for spec in attached or specs for rule in spec.get("rules") or []}
    pods = tuple((spec.get("selector") or {}).get("matchLabels") or {} for spec in specs if spec not in attached)
    targets = {f"{each['kind']} {each['name']}" for spec in attached for each in spec["targetRefs"]}
    return Closed(frozenset(callers), frozenset(rules), frozenset(targets), pods)


def _callers(rule: Mapping[str, Any]) -> Iterator[str]:
    sources = [each.get("source") or {} for each in rule.get("from") or [{}]]
    for source in sources:
        named = [*(source.get("principals") or []), *(source.get("namespaces") or [])]
        if not named:
            yield ANYBODY
        for principal in source.get("principals") or []:
            yield f"service account {principal.partition('/ns/')[2].replace('/sa/', '/')}"
        for namespace in source.get("namespaces") or []:
            yield f"namespace {namespace}"


@dataclass(frozen=True)
class Beside:
    """What else decides about the pods of a namespace.

    Attributes:
        policies: those of others that ztunnel enforces for pods of the namespace.
        locked: the selectors of pods that nobody but their waypoint may call; an empty one is of all pods.
        attached: those of others that let callers in at waypoints, of all namespaces.
        way: the waypoint, NAMESPACE/NAME, through which a Service of the namespace is called.
    """

    policies: Collection[Policy] = ()
    workloads: Collection[Workload] = ()
    locked: Collection[Labels] = ()
    attached: Collection[Attached] = ()
    way: Callable[[str], str] = str

    def opening(self, closed: Closed) -> list[str]:
        """The ALLOWs that let callers of their own in to the same pods, as NAMESPACE/NAME."""
        pods = [each for each in closed.pods if not (closed.at_waypoint and self._is_locked(each))]
        return sorted(
            f"{policy.namespace}/{policy.name}"
            for policy in self.policies
            if policy.action == "ALLOW"
            and not all(map(says_http, policy.rules))
            and any(self._same(each, policy.selector) for each in pods)
        )

    def opening_at_waypoints(self, namespace: str, closed: Closed) -> list[str]:
        """The ALLOWs that let callers of their own in at the target's waypoints, for a Service of it or for all."""
        services = _named(closed.attached, "Service")
        gateways = {f"{namespace}/{name}" for name in _named(closed.attached, "Gateway")}
        refs = gateways | {self.way(service) for service in services}

        def same(policy: Attached) -> bool:
            of_services = _named(policy.targets, "Service") if policy.namespace == namespace else set()
            of_gateways = {f"{policy.namespace}/{name}" for name in _named(policy.targets, "Gateway")}
            of_all = policy.namespace == ROOT_NAMESPACE and WAYPOINT_CLASS in _named(policy.targets, "GatewayClass")
            behind = {service for service in of_services if self.way(service) in gateways}
            return bool(behind or of_services & services or of_gateways & refs or (of_all and refs))

        return sorted(f"{policy.namespace}/{policy.name}" for policy in self.attached if same(policy))

    def _is_locked(self, pods: Labels) -> bool:
        return any(each.items() <= pods.items() for each in self.locked)

    def _same(self, pods: Labels, selector: Labels) -> bool:
        return not pods or not selector or share_pods(pods, selector, self.workloads)


@dataclass(frozen=True)
class Change:
    """What is closed in a namespace before and after, and whether it denies by default then."""

    namespace: str
    old: Mapping[Target, Closed]
    new: Mapping[Target, Closed]
    denied: bool
    denies: bool
    beside: Beside = field(default_factory=Beside)

    def told(self) -> list[str]:
        """What it means, a line each."""
        targets = sorted({*self.old, *self.new}, key=lambda target: target.slug)
        return [line for target in targets for line in self._of(target)]

    def _of(self, target: Target) -> Iterator[str]:
        what = _what(target, self.namespace)
        before, after = self.old.get(target), self.new.get(target)
        if after is None:
            yield from self._opened(target, what)
        elif before is None:
            yield from self._closed(target, what, after)
        else:
            added, gone = after.callers - before.callers, before.callers - after.callers
            if added:
                yield f"{what} takes calls from {_words(added)}, too"
            if gone:
                yield f"{what} no longer takes calls from {_words(gone)}"
            if not added and not gone and before.at_waypoint == after.at_waypoint and before.rules != after.rules:
                yield f"{what} takes calls from the same callers; what they may do there changes"

    def _closed(self, target: Target, what: str, after: Closed) -> Iterator[str]:
        if self.denied or (target != _ALL and _ALL in self.old):
            yield f"{what} takes calls from {_words(after.callers)}, too"
            return
        others = self.new[_ALL].callers if target != _ALL and _ALL in self.new else frozenset()
        callers = after.callers | others
        more = _more(self.beside.opening(after), ", past the waypoint" if after.at_waypoint else "")
        more += _more(self.beside.opening_at_waypoints(self.namespace, after), ", at the waypoint")
        if ANYBODY in callers:
            yield f"{what} takes calls from anybody, as far as its access says, from now on; all else is refused{more}"
        else:
            yield f"{what} takes calls from {_words(callers)} alone from now on; everybody else is refused{more}"

    def _opened(self, target: Target, what: str) -> Iterator[str]:
        if self.denies or (target != _ALL and _ALL in self.new):
            yield f"{what} no longer takes calls from {_words(self.old[target].callers)}"
            return
        beside = ", but for what has an access of its own" if target == _ALL and self.new else ""
        yield f"{what} takes calls from everybody again{beside}"


def _named(targets: Iterable[str], kind: str) -> set[str]:
    """The names of the targets of a kind."""
    return {target.removeprefix(f"{kind} ") for target in targets if target.startswith(f"{kind} ")}


def _more(policies: Collection[str], where: str) -> str:
    """What is added where policies of others stand beside ours."""
    if not policies:
        return ""
    one = len(policies) == 1
    what, lets = ("AuthorizationPolicy", "lets its") if one else ("AuthorizationPolicies", "let their")
    return f"; {what} {_words(policies)} {lets} callers in as well{where}"


def _what(target: Target, namespace: str) -> str:
    said = target.said(namespace)
    if target.kind is TargetKind.ACCOUNT:
        return f"what runs as {said}"
    return f"everything in {said}" if target == _ALL else said


def _words(callers: Iterable[str]) -> str:
    names = sorted(callers)
    shown = names[:_SHOWN] + ([f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown) or "nobody"
