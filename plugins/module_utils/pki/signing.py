# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who signed what: the questions that certificates answer."""

from __future__ import annotations

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False


def issued(cert: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer signed the certificate."""
    try:
        cert.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def leads_to(chain: list[x509.Certificate], roots: list[x509.Certificate]) -> bool:
    """Whether each certificate is signed by the next, up to one that a root signed; a root alone is its own proof."""
    current = chain[0]
    for issuer in [*chain[1:], None]:
        if any(issued(current, root) for root in roots):
            return True
        if issuer is None or not issued(current, issuer):
            return False
        current = issuer
    return False
