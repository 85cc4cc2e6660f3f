# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs checks from the table and collects what they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import AmbientError
from ..mesh.names import did_you_mean
from .context import Context
from .findings import DOCS, Check, Finding, Outcome, Phase, Problem, Result, Severity
from .snapshot import SkipError

PASS = "pass"
SKIPPED = "skipped"


@dataclass(frozen=True)
class Selection:
    """Which checks to run: by phase, narrowed by codes or categories."""

    phases: tuple[Phase, ...]
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def of(self, checks: Iterable[Check]) -> list[Check]:
        """The checks to show, in the order of the table.

        Raises:
            AmbientError: a word is neither code nor category.
        """
        everything = list(checks)
        self._refuse_unknown(everything)
        due = [check for check in everything if set(check.phases) & set(self.phases)]
        return [check for check in due if not self.only or check.code in self.only or check.category in self.only]

    def skips(self, check: Check) -> bool:
        """Whether the check is only shown as skipped."""
        return check.code in self.skip or check.category in self.skip

    def _refuse_unknown(self, checks: Sequence[Check]) -> None:
        categories = {check.category for check in checks}
        known = {check.code for check in checks} | categories
        for option, words in (("only", self.only), ("skip", self.skip)):
            for word in words:
                if word not in known:
                    hint = did_you_mean(word, categories)  # the codes would fill a screen
                    raise AmbientError(
                        f"{word!r} is neither a code nor a category of checks",
                        path=option,
                        hint=hint if hint.startswith("Did") else f"{hint}; and the codes under {DOCS}",
                    )


@dataclass(frozen=True)
class Report:
    """The results of one run, in the order of the table."""

    results: tuple[Result, ...]

    @property
    def findings(self) -> list[Finding]:
        """All findings, the worst first."""
        found = [finding for result in self.results for finding in result.findings]
        return sorted(found, key=lambda finding: Severity(finding.severity).rank)

    @property
    def fatal(self) -> bool:
        """Whether a check failed after which none could look."""
        return any(result.check.fatal and result.status == Severity.ERROR.value for result in self.results)

    def refuses(self, fail_on: str) -> list[Finding]:
        """The findings that are a reason to stop for `error`, `warning` or `never`."""
        if fail_on == "never":
            return []
        limit = Severity(fail_on).rank
        return [finding for finding in self.findings if Severity(finding.severity).rank <= limit]


def run_checks(checks: Iterable[Check], selection: Selection, context: Context) -> Report:
    """Run the selected checks.

    A fatal check that fails ends the run: what follows could not look. What the others need for certain is fetched
    first, side by side.
    """
    everything = list(checks)
    selected = selection.of(everything)
    gates = [check for check in everything if check.fatal]
    results = {check.code: _result(check, selection, context) for check in gates}
    failed = next((check for check in gates if results[check.code].status == Severity.ERROR.value), None)
    if failed is None:
        context.cluster.prefetch(need for check in selected if not selection.skips(check) for need in check.needs)
    for check in selected:
        if check.code not in results:
            results[check.code] = (
                _result(check, selection, context)
                if failed is None
                else Result(check, SKIPPED, f"{failed.code} comes first")
            )
    shown = [check for check in everything if check in selected or check is failed]
    return Report(tuple(results[check.code] for check in shown))


def _result(check: Check, selection: Selection, context: Context) -> Result:
    if selection.skips(check):
        return Result(check, SKIPPED, "on request")
    try:
        outcome = check.run(context)
    except SkipError as reason:
        return Result(check, SKIPPED, str(reason))
    except AmbientError as error:
        outcome = Outcome([_could_not_look(check, error)])
    findings = tuple(_finding(check, problem) for problem in outcome.problems)
    worst = min((Severity(finding.severity).rank for finding in findings), default=None)
    status = PASS if worst is None else list(Severity)[worst].value
    return Result(check, status, outcome.note, findings)


def _could_not_look(check: Check, error: AmbientError) -> Problem:
    if check.fatal:
        return Problem(error.path or "API server", error.message, error.hint or "Check the address and the network")
    return Problem(error.path or "API server", f"could not be checked: {error.message}", error.hint or "Try again")


def _finding(check: Check, problem: Problem) -> Finding:
    severity = problem.severity or check.severity
    return Finding(
        code=check.code,
        severity=severity.value,
        category=check.category,
        object=problem.object,
        message=problem.message,
        hint=problem.hint,
        url=check.url,
    )
