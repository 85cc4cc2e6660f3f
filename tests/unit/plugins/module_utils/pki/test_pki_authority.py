# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a certificate authority, on certificates made here."""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.pki.authority import flaws
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass
class Authority:
    key: Any
    cert: Any

    @property
    def pem(self) -> bytes:
        return bytes(self.cert.public_bytes(serialization.Encoding.PEM))

    @property
    def key_pem(self) -> bytes:
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return bytes(self.key.private_bytes(*form))


def authority(
    name: str,
    issuer: Authority | None = None,
    *,
    days: tuple[int, int] = (-1, 365),
    ca: bool = True,
    signs: bool = True,
) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.cert.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + days[0] * DAY)
        .not_valid_after(NOW + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=signs, **usage), critical=True)
    )
    return Authority(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


def secret(own: Authority, root: Authority, **parts: bytes) -> dict[str, str]:
    data = {
        "ca-cert.pem": own.pem,
        "ca-key.pem": own.key_pem,
        "cert-chain.pem": own.pem + root.pem,
        "root-cert.pem": root.pem,
    }
    data |= {name.replace("__", "-") + ".pem": value for name, value in parts.items()}
    return {name: base64.b64encode(value).decode() for name, value in data.items() if value}


def said(data: dict[str, str]) -> list[str]:
    return [flaw.text for flaw in flaws(data, NOW)]


ROOT = authority("root")
OWN = authority("own", ROOT)


def test_a_good_one_also_without_chain_and_in_the_other_spelling() -> None:
    assert said(secret(OWN, ROOT)) == []
    assert said(secret(OWN, ROOT, cert__chain=b"")) == []
    assert said(secret(ROOT, ROOT)) == []
    good = secret(OWN, ROOT)
    spelt = {"tls.crt": good["ca-cert.pem"], "tls.key": good["ca-key.pem"], "ca.crt": good["root-cert.pem"]}
    assert said(spelt) == []


def test_a_chain_of_three() -> None:
    third = authority("third", OWN)
    assert said(secret(third, ROOT, cert__chain=third.pem + OWN.pem)) == []
    assert said(secret(third, ROOT, cert__chain=third.pem)) == [
        "ca-cert.pem does not lead to root-cert.pem by way of cert-chain.pem"
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "lacks ca-cert.pem, ca-key.pem, root-cert.pem"),
        (secret(OWN, ROOT, ca__key=b""), "lacks ca-key.pem"),
        (secret(OWN, ROOT, ca__cert=b"no"), "is no PEM certificate"),
        ({**secret(OWN, ROOT), "ca-cert.pem": "%"}, "is no PEM certificate"),
        (secret(OWN, ROOT, ca__key=ROOT.key_pem), "ca-key.pem is not the key of ca-cert.pem"),
        (secret(OWN, ROOT, ca__key=b"no"), "ca-key.pem is no private key"),
        (secret(OWN, authority("other")), "does not lead to root-cert.pem"),
        (secret(authority("leaf", ROOT, ca=False), ROOT), "is no certificate of an authority"),
        (secret(authority("mute", ROOT, signs=False), ROOT), "may not sign certificates"),
        (secret(authority("old", ROOT, days=(-9, -1)), ROOT), "ca-cert.pem has expired on 2026-05-31 00:00 UTC"),
        (secret(authority("new", ROOT, days=(1, 9)), ROOT), "ca-cert.pem is valid from 2026-06-02 00:00 UTC only"),
        (secret(authority("short", ROOT, days=(-1, 9)), ROOT), "ca-cert.pem expires on 2026-06-10"),
    ],
)
def test_what_is_wrong(data: dict[str, str], words: str) -> None:
    assert any(words in text for text in said(data)), said(data)
    assert not any("PRIVATE" in text for text in said(data))


def test_what_is_going_to_be_wrong_is_told_apart() -> None:
    (flaw, *_others) = flaws(secret(authority("short", ROOT, days=(-1, 9)), ROOT), NOW)
    assert flaw.later
