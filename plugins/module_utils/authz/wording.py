# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short words for people: rules, lists, callers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST = 3  # values of one list


def joined(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`, in the order of the alphabet."""
    found = sorted(words)
    return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)


def counted(number: int, word: str) -> str:
    """`1 rule`, `2 rules`, `2 policies`, `2 Gateways`."""
    if number == 1:
        return f"1 {word}"
    return f"{number} {word[:-1]}ies" if word.endswith("cy") else f"{number} {word}s"


def rule_text(rule: Mapping[str, Any]) -> str:
    """A rule in one line, such as `from serviceAccounts web, to methods GET, paths /p*`; `anybody` for an empty one."""
    parts = []
    for part, word in (("from", "source"), ("to", "operation")):
        entries = [_entry(each.get(word) or {}) for each in rule.get(part) or []]
        if entries:
            parts.append(f"{part} {' or '.join(entries)}")
    for each in rule.get("when") or []:
        wanted, unwanted = each.get("values"), each.get("notValues")
        parts.append(f"when {each.get('key')}{_values(' is', wanted)}{_values(' is not', unwanted)}")
    return "; ".join(parts) or "anybody"


def _entry(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}{_values('', entry[key])}" for key in sorted(entry) if entry[key]) or "anything"


def _values(word: str, values: Any) -> str:
    if not values:
        return ""
    more = f" and {len(values) - _LONGEST} more" if len(values) > _LONGEST else ""
    return f"{word} {' '.join(map(str, values[:_LONGEST]))}{more}"
