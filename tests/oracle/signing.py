# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs what calls show: certificates for identities, by the mesh's own authority, and tokens, by a key of the test."""

from __future__ import annotations

import base64
import datetime
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from .cases import Identity

_LIFE = 3600  # seconds
_KEY_ID = "oracle"


@dataclass(frozen=True)
class Authority:
    """The mesh's authority, as istiod keeps it in Secret istio-ca-secret."""

    certificate: x509.Certificate
    key: Any

    @classmethod
    def of(cls, secret: Mapping[str, Any]) -> Authority:
        """From the Secret."""
        certificate, key = (base64.b64decode(secret["data"][name]) for name in ("ca-cert.pem", "ca-key.pem"))
        return cls(x509.load_pem_x509_certificate(certificate), serialization.load_pem_private_key(key, None))

    def leaf(self, identity: Identity) -> dict[str, str]:
        """Certificate and key of an identity, in PEM, as the client reads them."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        name = x509.UniformResourceIdentifier(f"spiffe://{identity.principal}")
        signed = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(seconds=_LIFE))
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {"certificate": signed.public_bytes(serialization.Encoding.PEM).decode(), "key": private.decode()}


class TokenKey:
    """A key for tokens, made anew for each run."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self) -> str:
        """Its public half, as a RequestAuthentication has it inline."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": _KEY_ID, "n": _number(numbers.n)}
        return json.dumps({"keys": [{**key, "e": _number(numbers.e)}]})

    def token(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims, and the time at which it ends."""
        header = {"alg": "RS256", "kid": _KEY_ID, "typ": "JWT"}
        parts = [_encoded(json.dumps(part).encode()) for part in (header, {**claims, "exp": int(time.time()) + _LIFE})]
        signature = self._key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
        return ".".join([*parts, _encoded(signature)])


def _number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
