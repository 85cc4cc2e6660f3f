# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in the texts under `access`.

Each function gives what is wrong with a text, and what to do; None if nothing is wrong.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from ..authz.patterns import normal
from .names import did_you_mean
from .reader import shown

_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_PATH = re.compile(r"\*|/\S*|\*\S+")
_HOST = re.compile(r"\*|(\*\.?)?[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(\.?\*|:([0-9]{1,5}|\*))?")
_TEXT = re.compile(r"\S+")
_TEMPLATES = re.compile(r"\{\*\*?\}")
_LITERAL = re.compile(r"[a-zA-Z0-9._~%!$&'()+,;:@=-]+")


def wrong_method(text: str) -> tuple[str, str] | None:
    """A method of HTTP is expected."""
    return (
        None if text in _METHODS else (f"{shown(text)} is not a method of HTTP", did_you_mean(text.upper(), _METHODS))
    )


def wrong_path(text: str) -> tuple[str, str] | None:
    """The path of a request is expected, with a star at one end or with templates."""
    if not _PATH.fullmatch(text):
        return f"{shown(text)} is not a path", "Begin it with / or *, such as /api/*"
    if "?" in text or "#" in text:
        return f"{shown(text)} is more than a path", "Leave out what follows ? or #: policies do not see it"
    rest, templates = _TEMPLATES.sub("", text), _TEMPLATES.search(text)
    if "{" in rest or "}" in rest:
        return f"{shown(text)} has a brace that is none of {{*}} and {{**}}", "Write /users/{*}/cart"
    if templates and "*" in rest:
        return f"{shown(text)} mixes * with {{*}} or {{**}}", "Use one of the two"
    return _wrong_template(text) if templates else _misplaced_star(text) or _never_seen(text)


def _wrong_template(text: str) -> tuple[str, str] | None:
    """What istiod refuses of a path with templates (CheckValidPathTemplate in pkg/config/security/security.go)."""
    parts = text.strip("/").split("/")
    for part in parts:
        if _TEMPLATES.search(part) and not _TEMPLATES.fullmatch(part):
            return f"{shown(text)} has a template beside other text", "Give it a part of its own, as in /users/{*}/cart"
        if not _TEMPLATES.fullmatch(part) and not _LITERAL.fullmatch(part):
            return (
                f"{shown(text)} has a part that cannot stand beside templates",
                "Use letters, digits and -._~%!$&'()+",
            )
    if "{**}" in parts and _TEMPLATES.search("/".join(parts[parts.index("{**}") + 1 :])):
        return f"{shown(text)} has a template after {{**}}", "Write {**} as the last template"
    return None


def _never_seen(text: str) -> tuple[str, str] | None:
    """A waypoint makes paths normal before any policy sees them: other texts never match."""
    seen = normal(text)
    if seen != text:
        return f"{shown(text)} never matches: a waypoint sees such a path as {shown(seen)}", f"Write {shown(seen)}"
    if not text.isascii():
        return f"{shown(text)} never matches: paths arrive escaped", f"Write {shown(quote(text, safe='/%*'))}"
    return None


def wrong_host(text: str) -> tuple[str, str] | None:
    """The host of a request is expected."""
    if not _HOST.fullmatch(text):
        return f"{shown(text)} is not a host", "Write shop.example, *.shop.example or shop.example:8080"
    return _misplaced_star(text)


def wrong_text(text: str) -> tuple[str, str] | None:
    """Any text without blanks is expected, with a star at one end."""
    if not _TEXT.fullmatch(text):
        return f"{shown(text)} is empty or has blanks", "Write it without blanks"
    return _misplaced_star(text)


def _misplaced_star(text: str) -> tuple[str, str] | None:
    """Istio takes a star for anything at one end of a text; elsewhere it would stand for itself."""
    both_ends = len(text) > 1 and text[0] == text[-1] == "*"
    if "*" not in text[1:-1] and not both_ends:
        return None
    return f"{shown(text)} has a star that stands for nothing", "Put one * at the beginning or at the end"
