# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a certificate authority that somebody plugs into istiod fit to sign: the Secret cacerts."""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .signing import HAS_CRYPTOGRAPHY, leads_to

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

CERT, KEY, CHAIN, ROOT = "ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"
#: The other spelling, as cert-manager writes it.
_TLS = {"tls.crt": CERT, "tls.key": KEY, "ca.crt": ROOT}
SOON = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Flaw:
    """What is wrong, and whether it is only going to be."""

    text: str
    later: bool = False


def flaws(data: Mapping[str, str], now: datetime.datetime) -> Iterator[Flaw]:
    """What is wrong with the authority. Nothing of the private key is ever told.

    Args:
        data: the data of the Secret, base64.
        now: the time to judge validity at, with a time zone.
    """
    known = {_TLS.get(key, key): value for key, value in data.items()}
    missing = [key for key in (CERT, KEY, ROOT) if not known.get(key)]
    if missing:
        yield Flaw(f"lacks {', '.join(missing)}; istiod would make a root of its own instead")
        return
    try:
        pem = {key: base64.b64decode(known[key], validate=True) for key in (CERT, KEY, CHAIN, ROOT) if known.get(key)}
        own = x509.load_pem_x509_certificates(pem[CERT])
        between = x509.load_pem_x509_certificates(pem[CHAIN]) if CHAIN in pem else []
        roots = x509.load_pem_x509_certificates(pem[ROOT])
    except (ValueError, binascii.Error):
        yield Flaw(f"{CERT}, {CHAIN} or {ROOT} is no PEM certificate")
        return
    yield from _unfit(own[0])
    yield from _other_key(own[0], pem[KEY])
    chain = [*own, *(cert for cert in between if cert not in own)]
    if not leads_to(chain, roots):
        yield Flaw(f"{CERT} does not lead to {ROOT} by way of {CHAIN}")
    for title, certs in ((CERT, own), (CHAIN, between), (ROOT, roots)):
        yield from _out_of_time(title, certs, now)


def _unfit(cert: x509.Certificate) -> Iterator[Flaw]:
    try:
        is_authority = cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        yield Flaw(f"{CERT} is no certificate of an authority (basicConstraints CA)")
    try:
        signs = cert.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        signs = True
    if not signs:
        yield Flaw(f"{CERT} may not sign certificates (keyUsage keyCertSign)")


def _other_key(cert: x509.Certificate, pem: bytes) -> Iterator[Flaw]:
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        yield Flaw(f"{KEY} is no private key without a password")
        return
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != cert.public_key().public_bytes(*form):
        yield Flaw(f"{KEY} is not the key of {CERT}")


def _out_of_time(title: str, certs: list[x509.Certificate], now: datetime.datetime) -> Iterator[Flaw]:
    for cert in certs:
        if now < cert.not_valid_before_utc:
            yield Flaw(f"{title} is valid from {cert.not_valid_before_utc:%Y-%m-%d %H:%M} UTC only")
        elif now > cert.not_valid_after_utc:
            yield Flaw(f"{title} has expired on {cert.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
        elif now + SOON > cert.not_valid_after_utc:
            yield Flaw(f"{title} expires on {cert.not_valid_after_utc:%Y-%m-%d}", later=True)
