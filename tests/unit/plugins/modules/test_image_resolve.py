# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_resolve as a module, against a registry on this machine."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from unit.plugins.modules.image_modules import failure, run_module

DIGEST = "sha256:" + "b" * 64


class Handler(http.server.BaseHTTPRequestHandler):
    """Knows istio/pilot:1.31.0."""

    def do_HEAD(self) -> None:
        known = self.path == "/v2/istio/pilot/manifests/1.31.0" and "oci.image.index" in self.headers["Accept"]
        self.send_response(200 if known else 404)
        if known:
            self.send_header("Docker-Content-Digest", DIGEST)
        self.end_headers()

    def log_message(self, *dummy: object) -> None:
        """Quiet."""


@pytest.fixture
def registry() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_tags_become_digests(registry: str) -> None:
    for check in (False, True):
        result = run_module(
            "image_resolve", images=[f"{registry}/istio/pilot:1.31.0", f"a.example.com/x@{DIGEST}"], check=check
        )
        assert not result["changed"]
        assert result["images"] == [
            {"ref": f"{registry}/istio/pilot@{DIGEST}", "digest": DIGEST},
            {"ref": f"a.example.com/x@{DIGEST}", "digest": DIGEST},
        ]


def test_errors(registry: str) -> None:
    assert failure("image_resolve", images=[f"{registry}/istio/none:1"]) == (
        f"{registry}/istio/none:1: the registry has no such image. Check ambient_hub and ambient_tag"
    )
    assert failure("image_resolve", images=["pilot"]) == (
        "images[0]: 'pilot' is no image with its registry. Give it as host/name:tag"
    )
    assert "127.0.0.1:9/x:latest: the registry can't be reached (" in failure("image_resolve", images=["127.0.0.1:9/x"])
