# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: as data for report.json, as lines for the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import all_without_userinfo
from ..manifests.files import write_if_changed
from .verdict import Checked, Outcome, outcome

_WORDS: dict[Outcome, str] = {
    "verified": "verified",
    "partly-proven": "nothing failed, but not everything is proven",
    "failed": "FAILED",
}


@dataclass(frozen=True)
class Installed:
    """What runs: versions by name, images as {name, digest, source}, enrolled namespaces."""

    versions: Mapping[str, str]
    images: Sequence[Mapping[str, str]]
    namespaces: Sequence[str]


def as_data(installed: Installed, checked: Sequence[Checked]) -> dict[str, Any]:
    """The content of report.json."""
    return {
        "outcome": outcome(checked),
        "versions": dict(installed.versions),
        "images": [dict(image) for image in installed.images],
        "namespaces": list(installed.namespaces),
        "checks": [item.as_dict() for item in checked],
    }


def as_lines(installed: Installed, checked: Sequence[Checked], mesh: str) -> list[str]:
    """The report for people."""
    lines = [f"Mesh {mesh}: {_WORDS[outcome(checked)]}"]
    if installed.versions:
        lines.append("  installed   " + ", ".join(f"{name} {version}" for name, version in installed.versions.items()))
    for image in installed.images:
        source = f"  ({image['source']})" if image.get("source") else ""
        lines.append(f"  image       {image['name']:<12} {image.get('digest') or 'no digest known'}{source}")
    lines.append("  enrolled    " + (", ".join(installed.namespaces) or "no namespace"))
    lines += [f"  {item.line()}" for item in checked if item.verdict.asked]
    lines += [f"  {line}" for line in _not_asked(checked)]
    lines.append("  " + _count(checked))
    return lines


def refusal(checked: Sequence[Checked]) -> str:
    """One line that says what failed, where, and what to do; '' if nothing failed."""
    bad = [item for item in checked if item.verdict.result == "fail"]
    if not bad:
        return ""
    first = bad[0]
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return f"{first.title}: no, {first.verdict.evidence}{more}. {first.verdict.advice}"


def write(path: str, data: Mapping[str, Any]) -> None:
    """Write report.json in one step. AmbientError where it cannot be written."""
    write_if_changed(Path(path), json.dumps(all_without_userinfo(data), indent=2) + "\n")


def _not_asked(checked: Sequence[Checked]) -> list[str]:
    """One line for all that nobody asked for with the same reason."""
    titles: dict[str, list[str]] = {}
    for item in checked:
        if not item.verdict.asked:
            titles.setdefault(item.verdict.evidence, []).append(item.title)
    return [f"SKIPPED     {'; '.join(found)}, because {why}" for why, found in titles.items()]


def _count(checked: Sequence[Checked]) -> str:
    results = [item.verdict.result for item in checked]
    parts = [
        f"{results.count('pass')} passed",
        f"{results.count('fail')} failed",
        f"{results.count('not-proven')} not proven",
    ]
    if "skipped" in results:
        parts.append(f"{results.count('skipped')} skipped")
    return ", ".join(parts)
