# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kills rely on: requests are read right, interleaved writes are seen, and nothing of a killed run is left."""

from __future__ import annotations

import sys
from pathlib import Path

from kills.evidence import interleaved
from kills.play import Play, wait_until_gone
from kills.wire import Request, Wire

_LOG = """\
I1123 23:30:39.000000   26637 proxy_server.go:131] Filter accepting PATCH /api/v1/namespaces/a 127.0.0.1
I1123 23:30:39.500000   26637 round_trippers.go:632] "Response" verb="PATCH" \
url="https://h:1/api/v1/namespaces/a?force=false" status="200 OK" milliseconds=250
I1123 23:30:39.600000   26637 round_trippers.go:632] "Response" verb="PATCH" \
url="https://h:1/api/v1/namespaces/a?dryRun=All" status="200 OK" milliseconds=1
I1123 23:30:39.600000   26637 round_trippers.go:632] "Response" verb="GET" \
url="https://h:1/api/v1/namespaces/a" status="200 OK" milliseconds=1
I1123 23:30:39.600000   26637 round_trippers.go:632] "Response" verb="POST" \
url="https://h:1/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" status="201 Created" milliseconds=1
I1123 23:30:39.700000   26637 round_trippers.go:632] "Response" verb="PUT" \
url="https://h:1/apis/coordination.k8s.io/v1/namespaces/a/leases/l" status="200 OK" milliseconds=1
"""


def request(begun: float, ended: float) -> Request:
    return Request("PATCH", "/api/v1/namespaces/a", "200 OK", begun, ended)


def test_only_writes_are_read_from_the_proxys_log(tmp_path: Path) -> None:
    log = tmp_path / "proxy.log"
    log.write_text(_LOG)
    wire = Wire(tmp_path / "kubeconfig", log)

    assert [found.object for found in wire.writes()] == ["namespaces/a", "leases/l"]
    (effect,) = wire.effects()
    assert round(effect.ended - effect.begun, 3) == 0.25


def test_a_write_that_ends_after_the_next_runs_first_is_seen() -> None:
    assert interleaved([request(1, 2)], [request(3, 4)]) == []
    assert interleaved([request(1, 2)], []) == []
    (words,) = interleaved([request(1, 2), request(2.5, 3.5)], [request(3, 4), request(5, 6)])
    assert "ended 0.500 s after the next run's namespaces/a began" in words


def test_everything_means_also_children_with_a_session_of_their_own(tmp_path: Path) -> None:
    code = "import subprocess; subprocess.run(['sleep', '60'], start_new_session=True)"
    play = Play([sys.executable, "-c", code], tmp_path / "output")
    while not (children := play.descendants()):
        pass
    play.kill_everything()

    assert wait_until_gone(children, 5) == []
