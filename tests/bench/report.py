# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures as a table and as data, beside what the design demands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .tools import COMMAND, CORE, KUBECTL, MODULE, RAW, Sample

# Case, ours, tool: the largest ratio that the design allows.
BARS = {
    ("unchanged-3000", MODULE, KUBECTL): 1 / 10,
    ("unchanged-3000", MODULE, CORE): 1 / 30,
    ("unchanged-3000", COMMAND, KUBECTL): 1 / 4,
    ("create-3000", MODULE, RAW): 1.25,
    ("site", COMMAND, "istioctl"): 2.0,
    ("pre", "check", "lists"): 1.5,
}
UNCHANGED_SITE = 15.0  # seconds
Samples = Mapping[tuple[str, str], Sample]  # by case and tool


@dataclass(frozen=True)
class Row:
    """One comparison: `ours` is what of us was measured, `seconds` the tool's time, `ratio` ours over it."""

    case: str
    ours: str
    tool: str
    seconds: float
    ratio: float

    @property
    def limit(self) -> float | None:
        """The largest allowed ratio, None where the design demands none."""
        return BARS.get((self.case, self.ours, self.tool))

    @property
    def met(self) -> bool:
        """Whether the ratio is within its bar."""
        return self.limit is None or self.ratio <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """As data, rounded."""
        names = {"case": self.case, "ours": self.ours, "tool": self.tool}
        return {**names, "seconds": round(self.seconds, 3), "ratio": round(self.ratio, 4)}


def rows(samples: Samples) -> list[Row]:
    """Ours, module and command, beside every other tool of the same case."""
    found = []
    for (case, tool), sample in samples.items():
        for ours in (MODULE, COMMAND):
            own = samples.get((case, ours))
            if tool not in (MODULE, COMMAND) and own is not None:
                found.append(Row(case, ours, tool, sample.seconds, own.seconds / sample.seconds))
    return found


def write(path: Path, comparisons: Iterable[Row]) -> None:
    """The file for machines; rows of cases that were not measured now stay as they are."""
    new = [row.as_dict() for row in comparisons]
    keys = {(row["case"], row["tool"]) for row in new}
    old = json.loads(path.read_text()) if path.is_file() else []
    kept = [row for row in old if (row["case"], row["tool"]) not in keys]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept + new, indent=1) + "\n")


def read(path: Path) -> list[Row]:
    """What `write` has left."""
    return [Row(**row) for row in json.loads(path.read_text())]


def put_into(document: Path, name: str, lines: Iterable[str]) -> None:
    """Put lines between the marks `<!-- name -->` and `<!-- /name -->` of a document, in place of what is there."""
    head, _mark, rest = document.read_text().partition(f"<!-- {name} -->\n")
    _old, _mark, tail = rest.partition(f"<!-- /{name} -->")
    text = "\n".join(["```text", *lines, "```"])
    document.write_text(f"{head}<!-- {name} -->\n{text}\n<!-- /{name} -->{tail}")


def table(comparisons: Sequence[Row]) -> list[str]:
    """Lines for people, with the bar and whether it is met."""
    lines = [f"{'case':18} {'ours':8} {'s':>8}   {'tool':16} {'s':>8}  {'ratio':>7}  bar"]
    for row in comparisons:
        word = "" if row.limit is None else f"<= {row.limit:.3g}: {'met' if row.met else 'NOT MET'}"
        own = row.ratio * row.seconds
        line = f"{row.case:18} {row.ours:8} {own:8.2f}   {row.tool:16} {row.seconds:8.2f}  {row.ratio:7.3f}  {word}"
        lines.append(line.rstrip())
    return lines


def growth_table(growth: Mapping[int, Mapping[str, Sample]]) -> list[str]:
    """How the module's time and memory grow with the number of objects."""
    lines = [f"{'objects':>8}  {'create':>9}  {'unchanged':>9}  {'ms/object':>9}  {'memory':>8}"]
    for count, samples in growth.items():
        create, unchanged = samples["create"], samples["unchanged"]
        memory = max(create.memory, unchanged.memory)
        each = create.seconds / count * 1000
        lines.append(f"{count:8}  {create.seconds:7.2f} s  {unchanged.seconds:7.2f} s  {each:9.2f}  {memory:5.0f} MB")
    return lines
