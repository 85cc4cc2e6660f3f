# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the certificate authority that somebody has brought for istiod can sign."""

from __future__ import annotations

import datetime

from ..pki.authority import flaws
from ..pki.signing import HAS_CRYPTOGRAPHY
from .context import Context
from .findings import Outcome, Problem, Severity
from .snapshot import SkipError

_HINT = "Make the Secret anew from an intermediate of your root, as Istio's 'Plug in CA Certificates' has it"


def authority_is_fit(context: Context) -> Outcome:
    """AMB0111: with a bad cacerts istiod does not start, or signs what nobody trusts."""
    secret = context.cluster.get("v1", "Secret", "cacerts", "istio-system")
    if secret is None:
        return Outcome(note="no Secret cacerts: istiod makes a root of its own")
    if not HAS_CRYPTOGRAPHY:
        raise SkipError("the Python package cryptography is missing where Ansible runs")
    return Outcome(
        [
            Problem("Secret istio-system/cacerts", flaw.text, _HINT, Severity.WARNING if flaw.later else None)
            for flaw in flaws(secret.get("data") or {}, datetime.datetime.now(datetime.UTC))
        ]
    )
