# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom rules name: service accounts and namespaces that are there, in the way in which proxies know them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property

from ..authz.analysis_index import View
from ..authz.analysis_rules import conditions, negative, sources, values
from ..authz.matching import Rule
from ..authz.parts import Policy
from ..authz.trust import TRUST_DOMAIN
from ..mesh.names import did_you_mean
from .findings import Problem, Severity

_SPIFFE = "spiffe://"
_HINTS = 100  # looking for the nearest name takes long among many
_CONDITIONS = {
    "source.principal": "principals",
    "source.namespace": "namespaces",
    "source.serviceAccount": "serviceAccounts",
}


def named(rule: Rule, field: str) -> Iterator[str]:
    """All values of a field of sources, of its opposite, and of the condition that stands for it."""
    for each in sources(rule):
        yield from values(each, field)
        yield from values(each, negative(field))
    for each in conditions(rule):
        if _CONDITIONS.get(str(each.get("key"))) == field:
            yield from values(each, "values")
            yield from values(each, "notValues")


class Names:
    """Whether a pattern fits one of many names; in the time that looking it up in an order takes."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    @cached_property
    def _forwards(self) -> list[str]:
        return sorted(self._names)

    @cached_property
    def _backwards(self) -> list[str]:
        return sorted(name[::-1] for name in self._names)

    def fit(self, pattern: str) -> bool:
        """Whether there is one; a star in the middle is not looked at, and fits."""
        if pattern == "*" or "*" in pattern[1:-1]:
            return True
        if pattern.startswith("*"):
            return _begins(self._backwards, pattern[:0:-1])
        return _begins(self._forwards, pattern[:-1]) if pattern.endswith("*") else pattern in self._names


def _begins(names: list[str], start: str) -> bool:
    at = bisect_left(names, start)
    return at < len(names) and names[at].startswith(start)


def are_there(view: View) -> Iterator[Problem]:
    """AMB0727: a name that nobody has is a rule that does nothing."""
    return _Known(view).problems()


class _Known:
    """Looks names up; what is not in a tree may be in the cluster."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._hints = _HINTS
        self._spaces = Names(view.known_namespaces)
        trust = view.world.trust_domain
        self._principals = Names(f"{trust}/ns/{space}/sa/{name}" for space, name in view.accounts)

    def problems(self) -> Iterator[Problem]:
        """What is wrong, one for each name of a policy."""
        for policy in self._view.world.policies:
            found: dict[str, tuple[str, Severity | None]] = {}
            for rule in policy.rules:
                for value in named(rule, "namespaces"):
                    self._namespace(value, found)
                for value in named(rule, "serviceAccounts"):
                    space, slash, name = value.partition("/")
                    self._account(value, *((space, name) if slash else (policy.namespace, value)), found)
                for value in named(rule, "principals"):
                    self._principal(value, found)
            for words, (hint, severity) in found.items():
                yield Problem(str(policy), words, hint, severity)

    def _namespace(self, value: str, found: dict[str, tuple[str, Severity | None]]) -> None:
        if self._spaces.fit(value):
            return
        words = f"no namespace fits {value!r}" if "*" in value else f"namespace {value} does not exist"
        found[words] = (self._hint(value, self._view.known_namespaces), self._severity)

    def _account(self, value: str, space: str, name: str, found: dict[str, tuple[str, Severity | None]]) -> None:
        if (space, name) in self._view.accounts or "*" in value:
            return
        if space not in self._view.known_namespaces:
            self._namespace(space, found)
        elif self._view.world.live or self._view.accounts_in.get(space):
            near = self._view.accounts_in.get(space, ())
            found[f"service account {space}/{name} does not exist"] = (self._hint(name, near), None)

    def _principal(self, value: str, found: dict[str, tuple[str, Severity | None]]) -> None:
        if value.startswith(_SPIFFE):
            return
        trust, _ns, rest = value.partition("/ns/")
        space, slash, name = rest.partition("/sa/")
        if slash and "*" not in space + name:
            self._account(value.lstrip("*"), space, name, found)
        elif "*" not in value:
            found[f"principal {value!r} is none of a service account"] = (
                "Write TRUST-DOMAIN/ns/NAMESPACE/sa/NAME",
                None,
            )
        elif trust in (TRUST_DOMAIN, "*", self._view.world.trust_domain) or "*" in trust:
            own = f"{self._view.world.trust_domain}{value[len(trust) :]}" if trust == TRUST_DOMAIN else value
            if not self._principals.fit(own):
                found[f"no service account fits {value!r}"] = ("Correct it, or take it out", self._severity)

    @property
    def _severity(self) -> Severity | None:
        return None if self._view.world.live else Severity.INFO

    def _hint(self, word: str, near: Iterable[str]) -> str:
        self._hints -= 1
        known = list(near) if self._hints > 0 else []
        return did_you_mean(word, known) if known else "Correct the name, or make what it names"


def without_scheme(view: View) -> Iterator[Problem]:
    """AMB0728: proxies compare what comes after spiffe://."""
    for policy in view.world.policies:
        found = {value for rule in policy.rules for value in named(rule, "principals") if value.startswith(_SPIFFE)}
        for value in sorted(found):
            message = f"principal {value!r} never matches: it begins with {_SPIFFE}"
            yield Problem(str(policy), message, f"Write {value.removeprefix(_SPIFFE)}")


def of_this_trust_domain(view: View) -> Iterator[Problem]:
    """AMB0729: nobody of this mesh is a client of another trust domain.

    istiod takes cluster.local for that of the mesh, which the world has read so, but not for ztunnel and not in parts.
    """
    own = view.world.trust_domain
    for policy in view.world.policies:
        at_ztunnel = not policy.targets and view.at_ztunnel(policy.namespace, policy.selector)
        known = {own} if at_ztunnel or policy.targets else {own, TRUST_DOMAIN}  # a sidecar's: istiod takes it so
        for domain in sorted(_domains(policy) - known):
            why = ""
            if domain == TRUST_DOMAIN:
                why = (
                    ", which ztunnel takes as written," if at_ztunnel else ", which stands so only in whole principals,"
                )
            message = f"names clients of trust domain {domain}{why} and the mesh is {own}: none of its clients match"
            yield Problem(str(policy), message, f"Write {own}; aliases stand in meshConfig")


def _domains(policy: Policy) -> set[str]:
    """The trust domains that principals name; those with a scheme match nobody anyway."""
    principals = [value for rule in policy.rules for value in named(rule, "principals")]
    found = {value.partition("/")[0] for value in principals if "/ns/" in value or value.endswith("/*")}
    return {domain for domain in found if domain and "*" not in domain and ":" not in domain}
