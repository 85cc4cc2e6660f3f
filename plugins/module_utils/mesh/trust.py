# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trust domain with which every principal begins."""

from __future__ import annotations

import re

from ..errors import AmbientError

_HINT = "Write the name alone, such as cluster.local (ambient_trust_domain)"
_NAME = re.compile(r"[^\s/:*]+")


def check_trust_domain(text: str) -> str:
    """The text, if it can be a trust domain; AmbientError where no principal could begin with it."""
    if not text:
        raise AmbientError("is empty", path="trust_domain", hint=_HINT)
    if not _NAME.fullmatch(text):
        raise AmbientError(f"{text!r} is no trust domain", path="trust_domain", hint=_HINT)
    return text
