# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a pattern of a policy fits a text, a path or a token's principal, and paths as a waypoint sees them.

A waypoint makes a path normal before any policy sees it (meshConfig.pathNormalization as it is by default, BASE). All
of it was seen on an Envoy, by tests/cluster/test_oracle.py.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

_KEPT = "%[0-9A-Fa-f]{2}"
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_ESCAPED = re.compile(r'[\^"<>|`{} ]')
#: What a segment may consist of for {*}; square brackets, say, are not among it.
_SEGMENT = "[A-Za-z0-9._~%!$&'()*+,;:@=-]"
_TEMPLATES = {"{*}": f"{_SEGMENT}+", "{**}": f"(?:{_SEGMENT}|/)*"}


def text_fits(pattern: str, value: str, present: bool = False) -> bool:
    """Exact, `prefix*`, `*suffix`, or `*` for anything that is there; also for what is empty, if it is `present`."""
    if pattern == "*":
        return present or bool(value)
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern


def principal_fits(pattern: str, issuer: str, subject: str) -> bool:
    """Whether a token of this issuer for this subject is meant by `ISSUER/SUBJECT`, where either end may be a star."""
    if not issuer or not subject:
        return False
    wanted, slash, rest = pattern.rpartition("/")
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return (text_fits(wanted, issuer) and rest == subject) if slash else subject.endswith(pattern[1:])
    if pattern.endswith("*"):
        return (wanted == issuer and text_fits(rest, subject)) if slash else issuer.startswith(pattern[:-1])
    return (wanted, rest) == (issuer, subject) if slash else False


@lru_cache(maxsize=4096)
def normal(path: str) -> str:
    """The path of a request without query and fragment, its dots followed, its needless escapes undone.

    `/api/../a%2Fb%2e/%61?q` becomes `/a%2Fb./a`. Slashes that are escaped or come twice stay so.
    """
    path = re.split(r"[?#]", path, maxsplit=1)[0].replace("\\", "/")
    path = re.sub(_KEPT, _unescaped, path)
    path = _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", path)
    return _without_dots(path)


def path_fits(pattern: str, path: str) -> bool:
    """Whether a pattern of `paths` fits a path that is normal: exact, `prefix*`, `*suffix`, `*`, {*} and {**}."""
    if "{*}" in pattern or "{**}" in pattern:
        return _template(pattern).fullmatch(path) is not None
    return text_fits(pattern, path)


@cache
def _template(pattern: str) -> re.Pattern[str]:
    words = re.split(r"(\{\*\*?\})", pattern)
    return re.compile("".join(_TEMPLATES.get(word) or re.escape(word) for word in words))


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[0][1:], 16))
    return character if _UNRESERVED.fullmatch(character) else found[0]


def _without_dots(path: str) -> str:
    *folders, last = path.split("/")
    kept: list[str] = []
    for part in [*folders, last] if last not in (".", "..") else [*folders, last, ""]:
        if part == "..":
            del kept[max(1, len(kept) - 1) :]
        elif part != ".":
            kept.append(part)
    return "/".join(kept)
