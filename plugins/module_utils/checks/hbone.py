# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkPolicies that shut the port of HBONE: to pods of the mesh, and from them to others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..authz.analysis_index import View
from ..manifests.identity import labels_of, namespace_or_default
from ..mesh.facts import Labels
from ..mesh.selectors import selects
from ..mesh.spec import MODE_LABEL
from . import found
from .context import Context, describe
from .findings import Outcome, Problem, Severity
from .snapshot import NETWORK_POLICIES, POD_METADATA, Object

HBONE = 15008
_DNS = (53, "dns", "dns-tcp")
_NAMESPACE_NAME = "kubernetes.io/metadata.name"  # a label that each namespace of a cluster has
_EVERYWHERE = ("0.0.0.0/0", "::/0")

Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Direction:
    """One half of a NetworkPolicy: the name of its rules, of their peers, of its type, and what is said about it."""

    rules: str
    peers: str
    type: str
    message: str
    hint: str

    def concerns(self, policy: Object) -> bool:
        """Whether the policy says anything about this direction; without types those that have rules, or ingress."""
        spec = policy.get("spec") or {}
        types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
        return self.type in types

    def rules_of(self, policy: Object) -> list[Rule]:
        """What the policy lets through, as far as the mesh would carry it: that is TCP."""
        rules = (policy.get("spec") or {}).get(self.rules) or []
        return [rule for rule in rules if not rule.get("ports") or any(map(_is_tcp, rule["ports"]))]


INGRESS = Direction(
    "ingress",
    "from",
    "Ingress",
    f"admits callers to {{who}}, but not to TCP {HBONE}: once enrolled, calls from the mesh are refused",
    f"Admit TCP {HBONE} from the same callers, and narrow the ports of the app with an AuthorizationPolicy",
)
EGRESS = Direction(
    "egress",
    "to",
    "Egress",
    f"lets {{who}} call others, but not on TCP {HBONE}: once both are enrolled, the calls are refused",
    f"Let these pods call TCP {HBONE} of the same peers, and narrow the ports of the app with an AuthorizationPolicy",
)


@dataclass(frozen=True)
class _Mesh:
    """The mesh as these policies see it.

    Attributes:
        namespaces: those that are in it or join it, with their labels.
        pods_in: the labels of the pods in some of them, asked for where a policy makes it worth while.
        severity_in: how bad it is in one of them; None for as bad as it can be.
        word: what is counted: pods, or in manifests what makes some.
    """

    namespaces: Mapping[str, Labels]
    pods_in: Callable[[Collection[str]], Sequence[Labels]]
    severity_in: Callable[[str], Severity | None]
    word: str = "pods"

    def reached_by(self, rule: Rule, home: str) -> Severity | None:
        """How sure it is that a rule for calls out is about pods of the mesh: an error, a warning, or it is not."""
        peers = rule.get("to") or []
        if not peers or any(_is_everywhere(peer) for peer in peers):
            return None if _is_dns(rule) else Severity.WARNING
        reached = None
        for peer in peers:
            names = set() if "ipBlock" in peer else self._selected(peer, home)
            if any(_joins(each) and selects([peer.get("podSelector") or {}], each) for each in self.pods_in(names)):
                return Severity.ERROR
            reached = Severity.WARNING if names else reached
        return reached

    def _selected(self, peer: Mapping[str, Any], home: str) -> set[str]:
        if peer.get("namespaceSelector") is None:
            return {home}
        return {name for name, labels in self.namespaces.items() if selects([peer["namespaceSelector"]], labels)}


def admit_hbone(context: Context) -> Outcome:
    """AMB0407: who may call an enrolled pod may call its port 15008; what may call nobody, or be called, stays so."""

    def pods_in(names: Collection[str]) -> list[Labels]:
        return list(map(labels_of, found.inside(context.cluster, POD_METADATA, set(names))))

    namespaces = {name: labels_of(obj) for name, obj in found.joining(context).items()}
    mesh = _Mesh(namespaces, pods_in, lambda name: found.severity_in(context, name))
    return Outcome([*_both_ways(mesh, context.cluster.all(NETWORK_POLICIES))])


def admit_hbone_as_written(view: View) -> Iterator[Problem]:
    """AMB0741: the same of manifests, and of pods that join the mesh by a label of their own, which AMB0407 leaves."""
    pods: dict[str, list[Labels]] = defaultdict(list)
    for workload in view.captured:
        pods[workload.namespace].append(workload.labels)
    spaces = view.world.namespaces
    mesh = _Mesh(
        {name: {_NAMESPACE_NAME: name, **spaces.get(name, {})} for name in view.enrolled},
        lambda names: [labels for name in names for labels in pods[name]],
        lambda _name: Severity.WARNING,
        "workloads",
    )
    every = view.others.get(NETWORK_POLICIES.kind, ())
    yield from _both_ways(mesh, (policy for policy in every if _is_left(view, policy)))


def _is_left(view: View, policy: Object) -> bool:
    """Whether AMB0407 does not look at the policy, and it is about pods of the mesh, as far as these are known."""
    where = namespace_or_default(policy)
    enrolled = view.world.enrolled(where)
    if enrolled and view.world.live:
        return False
    selected = [each for each in view.world.workloads_in.get(where, ()) if _selects(policy, each.labels)]
    return any(map(view.world.captured, selected)) if selected else enrolled


def _both_ways(mesh: _Mesh, policies: Iterable[Object]) -> Iterator[Problem]:
    by_namespace: dict[str, list[Object]] = defaultdict(list)
    for policy in policies:
        if namespace_or_default(policy) in mesh.namespaces:
            by_namespace[namespace_or_default(policy)].append(policy)
    for direction in (INGRESS, EGRESS):
        yield from _shut(direction, mesh, by_namespace)


def _shut(direction: Direction, mesh: _Mesh, by_namespace: Mapping[str, Sequence[Object]]) -> Iterator[Problem]:
    for namespace, every in sorted(by_namespace.items()):
        policies = [policy for policy in every if direction.concerns(policy)]
        if all(_admits_port(rule) for policy in policies for rule in direction.rules_of(policy)):
            continue
        pods = mesh.pods_in({namespace})
        for policy in policies:
            yield from _judge(direction, policy, policies, pods, mesh)


def _judge(
    direction: Direction,
    policy: Object,
    policies: Sequence[Object],
    pods: Sequence[Labels],
    mesh: _Mesh,
) -> Iterator[Problem]:
    """Policies add up: a rule is judged by all that select the same pod; without a pod, by those that select all."""
    selected = [labels for labels in pods if _selects(policy, labels)]
    mine = list(filter(_joins, selected))
    if selected and not mine:
        return  # it is about pods outside the mesh
    if mine:
        shut = [
            _shut_rules(direction, policy, [other for other in policies if _selects(other, labels)]) for labels in mine
        ]
        who = f"{{count}} of its {len(mine)} {mesh.word}"
    else:
        shut = [_shut_rules(direction, policy, [other for other in policies if other is policy or _is_for_all(other)])]
        who = "the pods that it selects"
    severities = [_worst(direction, rules, mesh, namespace_or_default(policy)) for rules in shut]
    worst = min((each for each in severities if each), key=lambda each: each.rank, default=None)
    if worst:
        count = sum(each is not None for each in severities)
        yield Problem(
            describe(NETWORK_POLICIES.kind, policy),
            direction.message.format(who=who.format(count=count)),
            direction.hint,
            mesh.severity_in(namespace_or_default(policy)) or (worst if worst is not Severity.ERROR else None),
        )


def _worst(direction: Direction, rules: Sequence[Rule], mesh: _Mesh, home: str) -> Severity | None:
    """How bad it is that these rules are shut; who calls a pod of the mesh may always be in the mesh, too."""
    if direction is INGRESS:
        return Severity.ERROR if rules else None
    reached = [severity for rule in rules if (severity := mesh.reached_by(rule, home))]
    return min(reached, key=lambda each: each.rank, default=None)


def _shut_rules(direction: Direction, policy: Object, together: Sequence[Object]) -> list[Rule]:
    """The rules of the policy for peers to whom none of the policies opens the port of HBONE."""
    opens = [rule for other in together for rule in direction.rules_of(other) if _admits_port(rule)]
    return [
        rule
        for rule in direction.rules_of(policy)
        if not _admits_port(rule) and not any(_covers(direction, wide, rule) for wide in opens)
    ]


def _covers(direction: Direction, wide: Rule, rule: Rule) -> bool:
    peers = wide.get(direction.peers) or []
    mine = rule.get(direction.peers) or []
    return not peers or (bool(mine) and all(peer in peers for peer in mine))


def _admits_port(rule: Rule) -> bool:
    ports = rule.get("ports") or []
    return not ports or any(_is_hbone(port) for port in ports)


def _is_hbone(port: Mapping[str, Any]) -> bool:
    """A port by name is one of the app's; none of them is ztunnel's."""
    first = port.get("port")
    return _is_tcp(port) and (
        first is None or (isinstance(first, int) and first <= HBONE <= (port.get("endPort") or first))
    )


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return bool(port.get("protocol", "TCP") == "TCP")


def _is_dns(rule: Rule) -> bool:
    """Whether it lets nothing through but questions for names, which are asked of pods outside the mesh."""
    return all(port.get("port") in _DNS for port in rule.get("ports") or [{}])


def _is_everywhere(peer: Mapping[str, Any]) -> bool:
    return (peer.get("ipBlock") or {}).get("cidr") in _EVERYWHERE


def _joins(labels: Labels) -> bool:
    return labels.get(MODE_LABEL) != "none"


def _is_for_all(policy: Object) -> bool:
    return not (policy.get("spec") or {}).get("podSelector")


def _selects(policy: Object, labels: Mapping[str, str]) -> bool:
    return selects([(policy.get("spec") or {}).get("podSelector") or {}], labels)
