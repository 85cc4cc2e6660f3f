# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of AuthorizationPolicies against each other and against themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..authz.analysis_index import View
from ..authz.analysis_rules import breadth, covers, is_open, never_matches, text_of
from ..authz.matching import Rule
from ..authz.parts import Policy
from ..manifests.labels import MESH_LABEL
from .findings import Problem, Severity

_BROADEST = 24  # a rule is compared with so many at most, so that the cost stays linear
_OWN = "ambient-"


class Placed(NamedTuple):
    """A rule, its number from 1, and whose it is."""

    policy: Policy
    number: int
    rule: Rule

    def __str__(self) -> str:
        return f"rule {self.number} of {self.policy}"


def is_compiled(policy: Policy) -> bool:
    """Whether it was made by this collection from a declaration."""
    return MESH_LABEL in policy.labels and policy.name.startswith(_OWN)


@dataclass(frozen=True)
class _Scope:
    """The rules that hold for the same calls, as far as one can see from where they are attached."""

    rules: tuple[Placed, ...]

    @classmethod
    def of(cls, rules: Sequence[Placed]) -> _Scope:
        return cls(tuple(sorted(rules, key=lambda each: breadth(each.rule))[:_BROADEST]))

    def covering(self, placed: Placed) -> Placed | None:
        """One of the broadest that matches all that this one does, and that comes first where both are equal."""
        text = text_of(placed.rule)
        for each in self.rules:
            same = each.policy is placed.policy and each.number == placed.number
            if same or is_open(each.rule) or not covers(each.rule, placed.rule):
                continue
            if text_of(each.rule) != text or _order(each) < _order(placed):
                return each
        return None


def _order(placed: Placed) -> tuple[str, str, int]:
    return (placed.policy.namespace, placed.policy.name, placed.number)


def _key(policy: Policy) -> Hashable:
    selector = None if policy.selector is None else frozenset(policy.selector.items())
    return (policy.namespace, selector or None, frozenset(policy.targets))


def _counted(view: View) -> list[Policy]:
    return [each for each in view.world.policies if not each.dry_run and not is_compiled(each)]


def nothing_is_shadowed(view: View) -> Iterator[Problem]:
    """AMB0723: a rule that another one covers, or an ALLOW that a DENY takes away, does nothing."""
    groups: dict[Hashable, list[Placed]] = defaultdict(list)
    seen: dict[Hashable, Placed] = {}
    policies = _counted(view)
    for policy in policies:
        for number, rule in enumerate(policy.rules, 1):
            groups[_key(policy), policy.action].append(Placed(policy, number, rule))
    scopes = {key: _Scope.of(rules) for key, rules in groups.items()}
    for policy in policies:
        for number, rule in enumerate(policy.rules, 1):
            placed = Placed(policy, number, rule)
            twin = seen.setdefault((_key(policy), policy.action, text_of(rule)), placed)
            wider = twin if twin != placed else scopes[_key(policy), policy.action].covering(placed)
            if wider and not is_open(rule):
                where = f"rule {wider.number}" if wider.policy is policy else str(wider)
                message = f"rule {number} says nothing that {where} does not say"
                yield Problem(str(policy), message, "Take it out, or narrow the other one")
            elif policy.action == "ALLOW":
                yield from _taken_away(view, placed, groups)


def _taken_away(view: View, placed: Placed, groups: dict[Hashable, list[Placed]]) -> Iterator[Problem]:
    policy = placed.policy
    wide: tuple[Hashable, ...] = (_key(policy),)
    if not policy.targets:
        spaces = dict.fromkeys((policy.namespace, view.world.root))
        wide = (*wide, *((space, None, frozenset()) for space in spaces))
    for key in dict.fromkeys(wide):
        denying = sorted(groups.get((key, "DENY"), ()), key=lambda each: breadth(each.rule))[:_BROADEST]
        found = next((each for each in denying if covers(each.rule, placed.rule)), None)
        if found:
            message = f"rule {placed.number} allows only what {found} denies: it allows nobody"
            yield Problem(str(policy), message, "A DENY comes first: narrow it, or take the rule out")
            return


def nothing_is_empty(view: View) -> Iterator[Problem]:
    """AMB0724: without rules an ALLOW closes all, and everything else does nothing."""
    policies = (each for each in view.world.policies if not each.dry_run)
    allowing = {_key(each) for each in policies if each.action == "ALLOW" and each.rules}
    for policy in _counted(view):
        if policy.rules:
            continue
        if policy.action != "ALLOW":
            message = f"has the action {policy.action} and no rules: it matches nothing, and does nothing"
            yield Problem(str(policy), message, "Give it rules; `rules: [{}]` is about every call")
        elif (policy.selector or policy.targets) and _key(policy) not in allowing:
            message = "has no rules, and no other ALLOW is about the same: it closes them to everybody"
            hint = "If that is meant, leave it; else give it rules"
            yield Problem(str(policy), message, hint, Severity.INFO)


def nothing_is_open_by_accident(view: View) -> Iterator[Problem]:
    """AMB0725: one rule that says nothing lets everybody in, whatever the others say."""
    policies = _counted(view)
    others: dict[Hashable, int] = defaultdict(int)
    for policy in policies:
        if policy.action == "ALLOW":
            others[_key(policy)] += sum(not is_open(rule) for rule in policy.rules)
    for policy in policies:
        if policy.action != "ALLOW":
            continue
        for number, rule in enumerate(policy.rules, 1):
            if is_open(rule):
                voided = others[_key(policy)]
                beside = f", and {voided} other rules about the same mean nothing" if voided else ""
                yield Problem(
                    str(policy),
                    f"rule {number} says nothing about callers and requests: everybody may do everything{beside}",
                    "Say who may call, or take the rule out; a policy without rules closes",
                    None if voided else Severity.WARNING,
                )


def nothing_is_contradictory(view: View) -> Iterator[Problem]:
    """AMB0726: a rule that can match nothing."""
    for policy in view.world.policies:
        for number, rule in enumerate(policy.rules, 1):
            for reason in dict.fromkeys(never_matches(rule, policy.namespace)):
                effect = "denies nobody" if policy.action == "DENY" else "allows nobody"
                message = f"rule {number} can match nothing there, and {effect}: {reason}"
                yield Problem(str(policy), message, "Correct what excludes each other")
