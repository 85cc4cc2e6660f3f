# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a certificate what it claims: the identity, the time, and the signature of the mesh's root."""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Mapping
from typing import Any

from ..errors import AmbientError
from ..pki.signing import HAS_CRYPTOGRAPHY, leads_to
from . import ztunnel

if HAS_CRYPTOGRAPHY:
    from cryptography import x509


def held(dump: Mapping[str, Any], identity: str, roots: str, now: datetime.datetime) -> str:
    """What is wrong with an identity's certificate in a ztunnel's configuration dump; '' if nothing."""
    found = ztunnel.certificates(dump).get(identity)
    if found is None:
        return "ztunnel has no certificate for it"
    if found.state != "Available":
        return f"ztunnel says {found.state}"
    return problem(found.chain, identity, roots, now)


def problem(chain: tuple[str, ...], identity: str, roots: str, now: datetime.datetime) -> str:
    """What is wrong with a workload certificate; '' if nothing.

    Args:
        chain: the leaf and its intermediates, each PEM or base64 of PEM.
        identity: the SPIFFE URI that the leaf must carry.
        roots: PEM bundle of the mesh's roots.
        now: the time to judge validity at, with a time zone.
    """
    if not HAS_CRYPTOGRAPHY:
        raise AmbientError("the Python package cryptography is missing on the controller")
    if not chain:
        return "there is no certificate"
    try:
        certs = [_load(text) for text in chain]
        trusted = x509.load_pem_x509_certificates(roots.encode())
    except (ValueError, binascii.Error) as e:
        return f"the certificate cannot be read: {e}"
    leaf = certs[0]
    if identity not in _uris(leaf):
        return f"the certificate is for {', '.join(_uris(leaf)) or 'nobody'}"
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        return f"the certificate is valid from {leaf.not_valid_before_utc} to {leaf.not_valid_after_utc} only"
    return "" if leads_to(certs, trusted) else "the certificate is not signed by the mesh's root (istio-ca-root-cert)"


def _load(text: str) -> x509.Certificate:
    data = text.encode() if text.lstrip().startswith("-----BEGIN") else base64.b64decode(text, validate=True)
    return x509.load_pem_x509_certificate(data)


def _uris(cert: x509.Certificate) -> list[str]:
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return list(names.get_values_for_type(x509.UniformResourceIdentifier))
