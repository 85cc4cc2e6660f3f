# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the items of a namespace amount to, and what a change of them means, in the words of a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..manifests.items import Item
from ..mesh.facts import Facts, Labels, Policy
from ..mesh.headless import refused_by
from ..mesh.objects import holding
from ..mesh.patches import ENROLMENT_MANAGER, NO_WAYPOINT, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE
from ..mesh.policies import DEFAULT_DENY, LOCK_DOWN, STRICT, names_clients
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL, Allow, MeshSpec, NamespaceSpec, WaypointRef
from .access import Beside, Change, closed_in


@dataclass(frozen=True)
class View:
    """What the items of a namespace amount to."""

    enrolled: bool = False
    strict: bool = False
    default_deny: bool = False
    locked: frozenset[str] = frozenset()
    waypoint: str = ""
    bound: Mapping[str, str] = field(default_factory=dict)

    def waypoints(self) -> frozenset[WaypointRef]:
        """Every waypoint through which something of the namespace is called."""
        names = {self.waypoint, *self.bound.values()} - {"", NO_WAYPOINT}
        return frozenset(WaypointRef.of(name) for name in names)

    def way(self, namespace: str, service: str) -> str:
        """The waypoint through which a Service of the namespace is called; `none` or empty without one."""
        return self.bound.get(f"Service {namespace}/{service}", self.waypoint)

    @classmethod
    def of(cls, items: Iterable[Item]) -> View:
        """The view of what is held or wanted in one namespace."""
        enrolled = strict = deny = False
        locked: set[str] = set()
        waypoint, bound = "", {}
        for item in items:
            identity, labels = item.identity, _labels(item)
            if identity.kind == "Namespace" and item.manager == ENROLMENT_MANAGER:
                enrolled = labels.get(MODE_LABEL) == MODE_AMBIENT
                waypoint = _waypoint(labels, identity.name)
            elif item.patch and identity.kind != "Namespace":
                bound[identity.short] = _waypoint(labels, identity.namespace) or NO_WAYPOINT
            elif identity.name == STRICT:
                strict = True
            elif identity.name == DEFAULT_DENY:
                deny = True
            elif identity.name.startswith(LOCK_DOWN):
                locked |= set(_principals(item))
        return cls(enrolled, strict, deny, frozenset(locked), waypoint, bound)


def _labels(item: Item) -> Mapping[str, str]:
    obj = item.object
    if item.identity.kind not in ("Namespace", "Service"):
        obj = ((obj.get("spec") or {}).get("template")) or {}
    return (obj.get("metadata") or {}).get("labels") or {}


def _waypoint(labels: Mapping[str, str], namespace: str) -> str:
    name = labels.get(USE_WAYPOINT, "")
    if not name or name == NO_WAYPOINT:
        return name
    return f"{labels.get(USE_WAYPOINT_NAMESPACE, namespace)}/{name}"


def _principals(item: Item) -> Iterable[str]:
    for rule in item.object["spec"].get("rules") or []:
        for source in rule.get("from") or []:
            yield from (source.get("source") or {}).get("notPrincipals") or []


def told(
    namespace: NamespaceSpec,
    mesh: MeshSpec,
    before: Sequence[Item],
    target: Sequence[Item],
    facts: Facts,
    coming: Sequence[Policy] = (),
) -> list[str]:
    """What the change of a namespace means, a line each. `coming`: policies that come from manifests with it."""
    old, new, name = View.of(before), View.of(target), f"namespace {namespace.name}"
    lines = []
    if new.enrolled != old.enrolled:
        lines.append(f"{name} {'joins' if new.enrolled else 'leaves'} the mesh; its pods are not restarted")
    if new.strict != old.strict:
        lines.append(f"{name} {'refuses plain text' if new.strict else 'accepts plain text again'}")
    if new.waypoint != old.waypoint:
        lines.append(f"the Services of {name} {_way(new.waypoint)}")
    for what in sorted({*old.bound, *new.bound}):
        if old.bound.get(what) != new.bound.get(what):
            way = new.bound.get(what, "")
            rolled = "" if what.startswith("Service ") else "; its pods are replaced, one roll-out"
            lines.append(f"{what} {_way(way, one=True)}{rolled}")
    lines += _of_guards(namespace, mesh, old, new)
    lines += _of_headless(namespace, mesh, before, target, facts)
    if new.default_deny != old.default_deny:
        lines.append(
            f"{name} {'refuses all that no policy allows' if new.default_deny else 'denies nobody by default'}"
        )
    closed, seen = (closed_in(before), closed_in(target)), facts.of(namespace.name)
    beside = Beside(
        policies=holding(namespace.name, facts, coming),
        workloads=seen.workloads if seen else (),
        locked=list(_locked_by(namespace, target)),
        attached=facts.attached,
        way=lambda service: new.way(namespace.name, service),
    )
    lines += Change(namespace.name, *closed, old.default_deny, new.default_deny, beside).told()
    lines += _of_policies(old, new, beside.policies)
    return lines or [f"{name}: the policies beside its state change"]


def _locked_by(namespace: NamespaceSpec, target: Iterable[Item]) -> Iterator[Labels]:
    """The selectors of pods that only their waypoint may call, at every port."""
    if any(each.allow is Allow.DIRECT for each in namespace.exceptions):
        return
    for item in target:
        if item.identity.name.startswith(LOCK_DOWN) and not item.patch:
            yield (item.object["spec"].get("selector") or {}).get("matchLabels") or {}


def _way(waypoint: str, one: bool = False) -> str:
    verb = "is" if one else "are"
    if waypoint == NO_WAYPOINT:
        return f"{verb} called past the waypoint of the namespace"
    return f"{verb} called through waypoint {waypoint}" if waypoint else f"{verb} called directly again"


def _of_guards(namespace: NamespaceSpec, mesh: MeshSpec, old: View, new: View) -> list[str]:
    lines = []
    if new.locked - old.locked:
        lines.append(f"pods of namespace {namespace.name} take calls from {' and '.join(sorted(new.locked))} alone")
    if old.locked - new.locked:
        gone = " and ".join(sorted(old.locked - new.locked))
        lines.append(f"pods of namespace {namespace.name} are no longer locked down to {gone}")
    if new.locked - old.locked and not namespace.ingress_use_waypoint:
        lines.append(
            f"ingress gateways and sidecars call pods of namespace {namespace.name} past the waypoint, and are refused "
            "(ingress_use_waypoint: true sends the former through it)"
        )
    unheard = _closed_plaintext(namespace) if new.locked - old.locked else []
    if unheard:
        lines.append(
            f"plain text to port {', '.join(unheard)} of namespace {namespace.name} is refused all the same, as it "
            "does not come from the waypoint (an exception with allow: direct for the port lets it in)"
        )
    for ref in sorted(namespace.waypoints()):
        if not mesh.waypoint(ref).lock_down:
            lines.append(f"NOT LOCKED DOWN: pods behind waypoint {ref} may be called past it (lock_down: false)")
    return lines


def _of_headless(
    namespace: NamespaceSpec, mesh: MeshSpec, before: Sequence[Item], target: Sequence[Item], facts: Facts
) -> Iterator[str]:
    seen = facts.of(namespace.name)
    refused = refused_by(target, seen) - refused_by(before, seen) if seen else set()
    ways = {each.name: each.waypoint for each in namespace.services}
    for name in sorted(refused):
        ref = ways.get(name, namespace.waypoint)
        if ref is None or not mesh.waypoint(ref).serves.workloads:
            yield (
                f"REFUSED: all callers of Service {namespace.name}/{name}, its own peers among them: it is headless, "
                "so they go past the waypoint (an exception with allow: direct for its ports lets them in, or "
                "lock_down: false in the entry of the waypoint)"
            )


def _closed_plaintext(namespace: NamespaceSpec) -> list[str]:
    """The ports that take plain text by an exception, and that only the waypoint may call."""
    direct = {port for each in namespace.exceptions if each.allow is Allow.DIRECT for port in each.ports}
    plain = [each for each in namespace.exceptions if each.allow is Allow.PLAINTEXT]
    closed = {port for each in plain for port in each.ports} - direct
    return [*map(str, sorted(closed)), *(["any"] if any(not each.ports for each in plain) else [])]


def _of_policies(old: View, new: View, policies: Iterable[Policy]) -> list[str]:
    if not new.waypoints() or (old.waypoint, dict(old.bound)) == (new.waypoint, dict(new.bound)):
        return []
    return [
        f"AuthorizationPolicy {policy.namespace}/{policy.name} {_says(policy)}; its pods see the waypoint from now on, "
        "which is let in beside it: attach a copy to the Services by targetRefs"
        for policy in policies
        if policy.action == "ALLOW" and (names_clients(policy) or not policy.rules)
    ]


def _says(policy: Policy) -> str:
    return "tells clients apart" if policy.rules else "lets nobody in"
