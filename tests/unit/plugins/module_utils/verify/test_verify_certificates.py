# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a workload certificate is what it claims."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.verify import certificates
from unit.plugins.module_utils.verify.verify_world import DAY, NOW, authority, spiffe

WHO = spiffe("shop", "cart")


def problem(chain: tuple[str, ...], who: str = WHO) -> str:
    return certificates.problem(chain, who, authority().pem, NOW)


@pytest.mark.parametrize("encode", [str, lambda pem: base64.b64encode(pem.encode()).decode()])
def test_a_good_certificate(encode: type) -> None:
    assert problem((encode(authority().leaf(WHO)),)) == ""


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ((), "there is no certificate"),
        (("rubbish",), "cannot be read"),
        ((authority().leaf(spiffe("shop", "till")),), "is for spiffe://cluster.local/ns/shop/sa/till"),
        ((authority().leaf(WHO, until=NOW - DAY),), "valid from"),
        ((authority("stranger").leaf(WHO),), "not signed by the mesh's root"),
        ((authority("stranger").leaf(WHO), authority("stranger").pem), "not signed by the mesh's root"),
    ],
)
def test_a_bad_certificate(chain: tuple[str, ...], expected: str) -> None:
    assert expected in problem(chain)
