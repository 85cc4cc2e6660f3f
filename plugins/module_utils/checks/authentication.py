# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PeerAuthentication and RequestAuthentication as ztunnel takes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..authz.analysis_index import View
from ..authz.parts import Policy, Target, Workload, selector_of, targets_of
from ..authz.tokens import looked_at, needs_token
from ..manifests.gateways import WAYPOINT_CLASS, is_waypoint
from ..manifests.identity import Object, name_of, namespace_or_default
from ..mesh.facts import Labels
from ..mesh.spec import WaypointRef
from .attached import missing
from .findings import Problem, Severity

_UNSET = ("", "UNSET")
_BY_TARGET_REFS = "Attach it by targetRefs to the Service, or to the waypoint's Gateway"


@dataclass(frozen=True)
class PeerAuthentication:
    """One of them. `created` is empty for one that comes with the run, which makes it the youngest."""

    namespace: str
    name: str
    selector: Labels | None
    mode: str
    ports: Mapping[str, str]
    created: str

    def __str__(self) -> str:
        return f"PeerAuthentication {self.namespace}/{self.name}"

    @classmethod
    def of(cls, obj: Object) -> PeerAuthentication:
        """From the object."""
        spec = obj.get("spec") or {}
        ports = {str(port): _mode(each) for port, each in (spec.get("portLevelMtls") or {}).items()}
        created = str((obj.get("metadata") or {}).get("creationTimestamp") or "")
        where = namespace_or_default(obj), name_of(obj)
        return cls(*where, selector_of(obj) or None, _mode(spec.get("mtls")), ports, created)

    def age(self) -> tuple[bool, str, str]:
        """Sort key: the oldest first, and by name where that does not tell."""
        return (not self.created, self.created, self.name)


def _mode(mtls: Mapping[str, str] | None) -> str:
    return str((mtls or {}).get("mode") or "")


def all_of(view: View) -> list[PeerAuthentication]:
    """Every PeerAuthentication, the oldest first."""
    return sorted(map(PeerAuthentication.of, view.world.all("PeerAuthentication")), key=PeerAuthentication.age)


class Modes:
    """Which workloads refuse plain text on every port that nothing else is said about."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._general: dict[str, str] = {}
        for each in all_of(view):
            if not each.selector and each.mode not in _UNSET:
                self._general.setdefault(each.namespace, each.mode)

    @cached_property
    def _single(self) -> Mapping[int, str]:
        found: dict[int, str] = {}
        for each in all_of(self._view):
            if each.selector and each.namespace != self._view.world.root and each.mode not in _UNSET:
                for workload in self._view.selected(each.namespace, each.selector):
                    found.setdefault(id(workload), each.mode)
        return found

    def strict(self, workload: Workload) -> bool:
        """Whether its pods refuse plain text."""
        outer = self._general.get(workload.namespace) or self._general.get(self._view.world.root, "")
        return self._single.get(id(workload), outer) == "STRICT"


def nothing_disabled(view: View) -> Iterator[Problem]:
    """AMB0711: ztunnel speaks HBONE all the same."""
    for each in all_of(view):
        ports = sorted(port for port, mode in each.ports.items() if mode == "DISABLE")
        if (each.mode == "DISABLE" or ports) and view.at_ztunnel(each.namespace, each.selector):
            where = f" on port {', '.join(ports)}" if ports and each.mode != "DISABLE" else ""
            yield Problem(
                str(each),
                f"mode DISABLE{where}: ztunnel takes it for PERMISSIVE and goes on to speak HBONE, and calls between "
                "it and sidecars break",
                "Say PERMISSIVE; to keep pods out of the mesh give them the label istio.io/dataplane-mode=none",
            )


def none_by_selector_in_root(view: View) -> Iterator[Problem]:
    """AMB0712: istiod passes over it."""
    root = view.world.root
    for each in all_of(view):
        if each.namespace == root and each.selector and view.enrolled:
            strict = "STRICT" in (each.mode, *each.ports.values())
            yield Problem(
                str(each),
                f"has a selector in namespace {root}: ztunnel never gets it, and its mode does not hold",
                "Make one in each namespace of the pods, or take the selector off to have it hold for the whole mesh",
                None if strict else Severity.WARNING,
            )


def one_for_each(view: View) -> Iterator[Problem]:
    """AMB0713: of two for the same pods the oldest counts, and the other one does not at all."""
    by_namespace: dict[str, list[PeerAuthentication]] = defaultdict(list)
    for each in all_of(view):
        by_namespace[each.namespace].append(each)
    for namespace, found in sorted(by_namespace.items()):
        taken: dict[object, PeerAuthentication] = {}
        for each in found:
            if each.selector and namespace == view.world.root:
                continue
            keys = _same_pods(view, each)
            older = next((taken[key] for key in keys if key in taken), None)
            for key in keys:
                taken.setdefault(key, each)
            if older:
                whom = "pods that it selects, too" if each.selector else "the same namespace"
                yield Problem(
                    str(each),
                    f"{older} is older and about {whom}: the oldest counts, and this one does not",
                    "Make one of the two",
                )


def _same_pods(view: View, each: PeerAuthentication) -> list[object]:
    if not each.selector:
        return [None]
    pods = view.selected(each.namespace, each.selector)
    return [frozenset(each.selector.items()), *(id(workload) for workload in pods)]


def tokens_are_looked_at(view: View) -> Iterator[Problem]:
    """AMB0716: ztunnel reads no requests, so that it looks at no token."""
    kind = "RequestAuthentication"
    yield from by_selector(view, kind, view.world.all(kind), "no token of theirs is looked at")


def tokens_are_known(view: View) -> Iterator[Problem]:
    """AMB0739: without a RequestAuthentication a waypoint knows no token, and takes every request for one without."""
    effects = {"ALLOW": ", and allow nobody", "DENY": ", and deny nobody"}
    for policy in view.world.policies:
        rules = [str(number) for number, rule in enumerate(policy.rules, 1) if needs_token(rule)]
        if policy.dry_run or not (rules and policy.targets) or any(_looks(view, policy, on) for on in policy.targets):
            continue
        yield Problem(
            str(policy),
            f"no RequestAuthentication is attached where it counts: rules that ask for a token ({', '.join(rules)}) "
            f"never match{effects.get(policy.action, '')}",
            "Attach a RequestAuthentication with the issuer's keys by targetRefs to the same Service or Gateway",
            missing(view),
        )


def _looks(view: View, policy: Policy, target: Target) -> bool:
    """Whether tokens are looked at anywhere that the policy counts; also where nobody can say."""
    world, place = view.world, (policy.namespace, target.name)
    if target == Target("GatewayClass", WAYPOINT_CLASS):
        return bool(world.token_places)
    if target.kind == "Gateway" and place in view.gateways and is_waypoint(view.gateways[place]):
        ref = WaypointRef(*place)
        named = (each for each in world.services.values() if world.waypoint_named(each) == ref)
        return looked_at(world, ref) or any(looked_at(world, ref, each) for each in named)
    if target.kind == "Service" and place in world.services:
        named_ref = world.waypoint_named(world.services[place])
        return named_ref is None or looked_at(world, named_ref, world.services[place])
    return True


def by_selector(view: View, kind: str, objects: Iterable[Object], effect: str) -> Iterator[Problem]:
    """Those of the objects that are about captured pods, by a selector or as a whole, and so about nobody."""
    for obj in objects:
        where, selector = namespace_or_default(obj), selector_of(obj)
        if targets_of(obj) or not view.at_ztunnel(where, selector):
            continue
        yield Problem(
            f"{kind} {where}/{name_of(obj)}",
            f"is about pods that ztunnel captures, and ztunnel passes over it: {effect}",
            _BY_TARGET_REFS,
            # there it may be meant for ingress gateways
            Severity.WARNING if where == view.world.root and not selector else None,
        )
