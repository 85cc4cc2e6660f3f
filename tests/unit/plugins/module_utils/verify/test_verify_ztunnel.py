# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ztunnel says: access log as text and as JSON, dump, metrics, and whether it is the stand-in."""

from __future__ import annotations

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.verify import ztunnel
from unit.plugins.module_utils.verify.verify_world import MUTUAL, STAND_IN_IMAGE, ZTUNNEL_IMAGE, pod

TEXT = (
    '2026-01-01T00:00:00.1Z\tinfo\taccess\tconnection complete\tsrc.addr=10.244.1.13:52252 src.workload="client-1" '
    'src.namespace="verify" src.identity="spiffe://td/ns/verify/sa/client" dst.addr=10.244.1.12:15008 '
    'dst.hbone_addr=10.244.1.12:8080 dst.workload="server-1" dst.namespace="verify" '
    'dst.identity="spiffe://td/ns/verify/sa/server" direction="inbound" bytes_sent=1 duration="1ms"'
)
JSON = (
    '{"level":"error","time":"2026-01-01T00:00:00Z","scope":"access","message":"connection complete",'
    '"src.workload":"client-1","src.namespace":"verify","dst.workload":"server-1","dst.namespace":"verify",'
    '"bytes_sent":0,"error":"connection closed due to policy rejection: explicitly denied"}'
)


@pytest.mark.parametrize("line", [TEXT, JSON])
def test_lines_of_the_access_log(line: str) -> None:
    noise = "2026 info xds received response\n{broken json connection complete\n"
    found = ztunnel.between(ztunnel.connections(noise + line), ("verify", "client-1"), ("verify", "server-1"))
    assert len(found) == 1


def test_fields_of_text_and_json() -> None:
    text, structured = ztunnel.connections(f"{TEXT}\n{JSON}")
    assert (text["src.identity"], text["direction"], text["error"]) == (
        "spiffe://td/ns/verify/sa/client",
        "inbound",
        "",
    )
    assert structured["error"] == "connection closed due to policy rejection: explicitly denied"
    assert str(structured).startswith("src.workload=client-1 dst.workload=server-1 error=")


def test_other_pods_are_other_connections() -> None:
    assert not ztunnel.between(ztunnel.connections(TEXT), ("verify", "client-2"), ("verify", "server-1"))


def test_mutual_tls_is_counted_with_both_principals_only() -> None:
    one_sided = MUTUAL.replace('destination_principal="spiffe://', 'destination_principal="unknown')
    assert ztunnel.mutual_tls_connections(MUTUAL + one_sided + "# HELP x\n") == 3


def test_the_state_of_a_certificate_may_be_an_object() -> None:
    found = ztunnel.certificates({"certificates": [{"identity": "spiffe://a", "state": {"Unavailable": "denied"}}]})
    assert "denied" in found["spiffe://a"].state


def test_the_stand_in_is_known_by_image_or_readiness() -> None:
    assert ztunnel.marker(pod("ztunnel", "z", image=STAND_IN_IMAGE)) == "image name ambient.local/ztunnel-standin"
    real = pod("ztunnel", "z", image=ZTUNNEL_IMAGE)
    assert ztunnel.marker(real, "ztunnel stand-in, no encryption; ready") == "readiness answer"
    assert ztunnel.marker(real, "") == ""
