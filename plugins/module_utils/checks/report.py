# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of the checks, as lines for people and as data for programs."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from .engine import PASS, SKIPPED, Report
from .findings import Finding, Result, Severity

ALL = "all"
_WIDTH = 8
_SHOWN = 50


def lines(report: Report, show: str = ALL) -> list[str]:
    """The report for people, of everything or of what is not well only.

    Categories with one line for each check, then the findings with what to do, then the count.
    """
    shown = [result for result in report.results if show == ALL or _matters(result, report)]
    text: list[str] = []
    for category, results in groupby(shown, key=lambda result: result.check.category):
        text.append(f"{category}:")
        text += [f"  {_line(result)}" for result in results]
    findings = report.findings
    if findings:
        text += ["", "findings:"]
    for finding in findings[:_SHOWN]:
        text += _finding_lines(finding)
    if len(findings) > _SHOWN:
        text.append(f"  … and {len(findings) - _SHOWN} more")
    if text:
        text.append("")
    return [*text, summary(report)]


def _matters(result: Result, report: Report) -> bool:
    """Whether the line says something to somebody who wants to know what is not well."""
    return result.status != PASS and not result.check.blind and (result.status != SKIPPED or not report.fatal)


def summary(report: Report) -> str:
    """One line: how many checks came out how."""
    words = [PASS, *(severity.value for severity in Severity), "skipped"]
    counts = {word: sum(result.status == word for result in report.results) for word in words}
    return f"{len(report.results)} checks: " + ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def refusal(findings: list[Finding]) -> str:
    """The first line of a refusal: the worst finding, what to do, and how many more there are."""
    first, *others = findings
    more = f" ({len(others)} more above)" if others else ""
    return f"{first}{more}"


def as_dict(report: Report) -> dict[str, Any]:
    """What goes into the JSON file."""
    return {
        "ok": not report.refuses(Severity.ERROR.value),
        "summary": summary(report),
        "checks": [result.as_dict() for result in report.results],
        "findings": [finding.as_dict() for finding in report.findings],
    }


def _line(result: Result) -> str:
    detail = result.detail
    if result.findings:
        others = len(result.findings) - 1
        detail = result.findings[0].object + (f" and {others} more" if others else "")
    ending = f": {detail}" if detail else ""
    return f"{result.status:<{_WIDTH}}{result.check.code} {result.check.title}{ending}"


def _finding_lines(finding: Finding) -> list[str]:
    return [
        f"  {finding.severity} {finding.code} {finding.object}",
        f"    {finding.message}",
        f"    do: {finding.hint}",
        f"    see: {finding.url}",
    ]
