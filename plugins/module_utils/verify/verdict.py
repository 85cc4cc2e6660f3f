# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: what a verification may say, and how that reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Result = Literal["pass", "fail", "not-proven", "skipped"]
Outcome = Literal["verified", "partly-proven", "failed"]

F = TypeVar("F")
T = TypeVar("T")

_WORDS: dict[Result, str] = {"pass": "PASS", "fail": "FAIL", "not-proven": "NOT PROVEN", "skipped": "SKIPPED"}


@dataclass(frozen=True)
class Seen(Generic[T]):
    """Something that was looked at, or the reason why it could not be."""

    value: T | None = None
    why: str = ""

    def get(self) -> T:
        """The value. Only for checks that name this field in `needs`."""
        if self.why or self.value is None:
            raise LookupError(self.why or "nothing was seen")
        return self.value


@dataclass(frozen=True)
class Verdict:
    """One answer: the result, what was seen, and for a failure what to do.

    Attributes:
        asked: False where nobody asked for what the check proves; it then says nothing about the outcome.
        pending: whether another look may show more.
    """

    result: Result
    evidence: str
    advice: str = ""
    asked: bool = True
    pending: bool = False


def passed(evidence: str) -> Verdict:
    """It was looked at and it is so."""
    return Verdict("pass", evidence)


def failed(evidence: str, advice: str) -> Verdict:
    """It was looked at and it is not so."""
    return Verdict("fail", evidence, advice, pending=True)


def not_proven(why: str) -> Verdict:
    """It could not be looked at, or what was seen proves nothing."""
    return Verdict("not-proven", why)


def not_yet(why: str) -> Verdict:
    """As `not_proven`, where a later look may show it."""
    return Verdict("not-proven", why, pending=True)


def skipped(why: str) -> Verdict:
    """It does not apply here."""
    return Verdict("skipped", why)


def not_asked(why: str) -> Verdict:
    """Nothing of the kind is declared, or it was left out on request."""
    return Verdict("skipped", why, asked=False)


def always(facts: object) -> str:
    """No reason to leave a check out."""
    return ""


@dataclass(frozen=True)
class Check(Generic[F]):
    """A verification as data: a judge over facts, and the facts it cannot do without.

    Attributes:
        idle: why nobody asks for it, looked at first; '' where it is to be judged.
    """

    id: str
    title: str
    needs: tuple[str, ...]
    judge: Callable[[F], Verdict]
    idle: Callable[[F], str] = always


@dataclass(frozen=True)
class Checked:
    """A check with its verdict."""

    id: str
    title: str
    verdict: Verdict

    def as_dict(self) -> dict[str, str]:
        """For module results and report.json."""
        out = {
            "id": self.id,
            "title": self.title,
            "result": str(self.verdict.result),
            "evidence": self.verdict.evidence,
        }
        if self.verdict.advice:
            out["advice"] = self.verdict.advice
        return out

    def line(self) -> str:
        """One line for people."""
        joint = ", because " if self.verdict.result in ("not-proven", "skipped") else ": "
        text = f"{_WORDS[self.verdict.result]:<10}  {self.title}{joint}{self.verdict.evidence}"
        return f"{text}. {self.verdict.advice}" if self.verdict.advice else text


def run(checks: Iterable[Check[F]], facts: F) -> list[Checked]:
    """Judge every check; a check whose needs were not seen is not proven."""
    out = []
    for check in checks:
        out.append(Checked(check.id, check.title, _judge(check, facts)))
    return out


def _judge(check: Check[F], facts: F) -> Verdict:
    idle = check.idle(facts)
    if idle:
        return not_asked(idle)
    unseen = [seen.why or "nothing was seen" for seen in _needed(check, facts) if seen.why or seen.value is None]
    return not_proven("; ".join(dict.fromkeys(unseen))) if unseen else check.judge(facts)


def _needed(check: Check[F], facts: F) -> list[Seen[Any]]:
    return [getattr(facts, need) for need in check.needs]


def outcome(checked: Iterable[Checked]) -> Outcome:
    """failed if any failed; verified only if something was asked for and all of it passed; else partly-proven."""
    results = [item.verdict.result for item in checked if item.verdict.asked]
    if "fail" in results:
        return "failed"
    return "verified" if results and all(result == "pass" for result in results) else "partly-proven"


def count(number: int, noun: str) -> str:
    """'1 pod', '2 pods'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def by_namespace(troubles: Mapping[str, Sequence[str]], keep: int = 5) -> str:
    """'shop: this, and that; till: another': all that is wrong in a namespace, and the first namespaces."""
    return "; ".join(
        [f"{name}: {', '.join(found)}" for name, found in list(troubles.items())[:keep]]
        + ([f"and {count(len(troubles) - keep, 'more namespace')}"] if len(troubles) > keep else [])
    )


def shorten(items: Iterable[str], keep: int = 5) -> str:
    """'a, b, c and 4 more': lists in evidence stay readable."""
    names = list(items)
    head = ", ".join(names[:keep])
    return head if len(names) <= keep else f"{head} and {len(names) - keep} more"
