# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`can`: may a service account call a Service? The answer as data, and in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .asking import Question, Request
from .judging import Judge
from .ruling import Ruling, Verdict
from .world import World


@dataclass(frozen=True)
class Answer:
    """The answer to a question. `live`: of the cluster as it is, else as written in manifests."""

    question: Question
    total: Ruling
    steps: tuple[Ruling, ...]
    notes: tuple[str, ...]
    live: bool

    @property
    def verdict(self) -> Verdict:
        """In one word."""
        return self.total.verdict

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        request = self.question.request
        return {
            "from": "/".join(self.question.account),
            "to": "/".join(self.question.service),
            "port": request.port,
            "request": str(request),
            **ruling_data(self.total),
            "steps": [ruling_data(step) for step in self.steps],
            "notes": list(self.notes),
            "as_written": not self.live,
        }

    def lines(self) -> list[str]:
        """For people."""
        total = self.total
        written = "" if self.live else " (as written)"
        lines = [f"{self.question}: {total.verdict.value}{written}", f"because {total.reason}"]
        if total.would:
            lines.append(f"if it were enforced: {total.would.value}")
        if total.by:
            rule = f", rule {total.rule}: {total.text}" if total.rule else ""
            lines.append(f"decided by {total.by}{rule}")
        if total.where:
            lines.append(f"enforced at: {total.where}" if not total.would else f"would be enforced at: {total.where}")
        if len(self.steps) > 1:
            lines += [f"  at {step.where}: {step.verdict.value}, {step.reason}" for step in self.steps]
        return [*lines, *(f"note: {note}" for note in self.notes)]


def ruling_data(ruling: Ruling) -> dict[str, Any]:
    """A ruling as JSON has it."""
    return {
        "verdict": ruling.verdict.value,
        "would": ruling.would.value if ruling.would else None,
        "reason": ruling.reason,
        "policy": ruling.by,
        "rule": ruling.rule,
        "rule_text": ruling.text,
        "where": ruling.where,
        "depends_on": sorted(ruling.on),
    }


def can(world: World, question: Question, judge: Judge | None = None) -> Answer:
    """The answer to a question whose account and Service are there."""
    judge = judge or Judge(world)
    service = world.services[question.service]
    outcome = judge.outcome(question.account, service, question.request)
    way = judge.ways.to(service)
    notes = (*way.notes, *_odd(question.request))
    return Answer(question, outcome.total, outcome.steps, notes, world.live)


def _odd(request: Request) -> Iterator[str]:
    """What is asked that may be meant otherwise."""
    method, path, claims = request.method, request.path, request.claims
    if method and method != method.upper():
        yield f"methods are written in capitals: a rule for {method.upper()} does not match {method}"
    if path and "*" in path:
        yield f"a call has one path: the star in {path} stands for itself"
    if missing := [name for name in ("iss", "sub") if claims and not claims.get(name)]:
        yield f"the claims have no {' and no '.join(missing)}: no rule about requestPrincipals matches them"
