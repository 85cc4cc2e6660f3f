# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check says: problems it found, a note for its line, or why it could not look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .context import Context
    from .snapshot import Resource

DOCS = "https://github.com/alauda/ansible-collection-ambient/blob/main/docs/checks"


class Severity(Enum):
    """How much a finding matters: an error refuses, a warning and an info are told."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Phase(Enum):
    """When a check makes sense."""

    PRE = "pre"
    MESH = "mesh"
    NAMESPACES = "namespaces"
    UNINSTALL = "uninstall"
    POLICIES = "policies"


@dataclass(frozen=True)
class Problem:
    """One thing that a check's function found; the engine makes a Finding of it.

    Attributes:
        object: what it is about, in the form `Kind namespace/name`.
        severity: where it differs from the severity of the check.
    """

    object: str
    message: str
    hint: str
    severity: Severity | None = None


@dataclass(frozen=True)
class Outcome:
    """All that a check's function has to say; the note stands on the line of the check."""

    problems: Sequence[Problem] = ()
    note: str = ""


@dataclass(frozen=True)
class Check:
    """One row of the table: everything about a check but the world it looks at.

    Attributes:
        title: what holds when the check passes.
        run: the function that looks.
        needs: what the function reads for certain, so that it is fetched beforehand and side by side.
        fatal: whether nothing else can be looked at where this one fails.
        blind: whether the API cannot tell at all, so that it is always skipped.
    """

    code: str
    category: str
    title: str
    phases: tuple[Phase, ...]
    run: Callable[[Context], Outcome]
    severity: Severity = Severity.ERROR
    needs: tuple[Resource, ...] = ()
    fatal: bool = False
    blind: bool = False

    @property
    def url(self) -> str:
        """The page that explains the check."""
        return f"{DOCS}/{self.code}.md"


@dataclass(frozen=True)
class Finding:
    """One finding as people and programs get it."""

    code: str
    severity: str
    category: str
    object: str
    message: str
    hint: str
    url: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.code} {self.object}: {self.message}. {self.hint}"


@dataclass(frozen=True)
class Result:
    """What became of one check.

    Attributes:
        status: pass, info, warning, error or skipped.
        detail: the note, or the reason why it was skipped.
    """

    check: Check
    status: str
    detail: str = ""
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, without the findings."""
        check = self.check
        return {
            "code": check.code,
            "category": check.category,
            "title": check.title,
            "status": self.status,
            "detail": self.detail,
        }
