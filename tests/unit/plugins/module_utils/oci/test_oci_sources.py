# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources: paths, members and URLs, and the sha256 that they must have."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.oci.sources import SourceSpec
from unit.plugins.module_utils.oci.conftest import Build
from unit.plugins.module_utils.oci.oci_world import contents, one_file


class Server(http.server.ThreadingHTTPServer):
    """Serves /program, cuts /cut short, and counts what it was asked."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.requests = content, 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        if self.path not in ("/program", "/cut"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content[: 3 if self.path == "/cut" else None])

    def log_message(self, *dummy: object) -> None:
        """Quiet."""


@pytest.fixture
def server(program: Path) -> Iterator[Server]:
    with Server(program.read_bytes()) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_right_sha256_passes(build: Build, program: Path) -> None:
    for wanted in (sha256(program), f"sha256:{sha256(program)}", sha256(program).upper()):
        build(one_file(), sources={"program": SourceSpec(path=str(program), sha256=wanted)})


def test_a_wrong_sha256_is_an_error_also_when_all_is_built(build: Build, program: Path, tmp_path: Path) -> None:
    first = build(one_file())
    with pytest.raises(AmbientError) as failure:
        build(one_file(), sources={"program": SourceSpec(path=str(program), sha256="0" * 64)})
    assert str(failure.value) == (
        f"sources.program: {program} has sha256 {sha256(program)}, wanted is {'0' * 64}. "
        "Use the right file, or correct sha256"
    )
    assert first.digest in contents(tmp_path / "layout")[2]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (SourceSpec(), "sources.program: needs either path or url"),
        (SourceSpec(path="/a", url="http://b"), "sources.program: needs either path or url"),
        (SourceSpec(path="/nowhere/program"), "sources.program: /nowhere/program does not exist"),
        (SourceSpec(path="/", sha256="12"), "sources.program: '12' is no sha256. It has 64 hexadecimal digits"),
        (SourceSpec(path="/"), "/: is a directory, a file is needed"),
        (SourceSpec(url="http://127.0.0.1:9/x"), "sources.program: a url needs its sha256"),
        (SourceSpec(url="http://127.0.0.1:9/x", sha256="0" * 64), "http://127.0.0.1:9/x can't be fetched"),
    ],
)
def test_broken_sources(build: Build, spec: SourceSpec, message: str) -> None:
    with pytest.raises(AmbientError) as failure:
        build(one_file(), sources={"program": spec})
    assert message in str(failure.value)


def test_sources_must_be_given_and_used(build: Build, program: Path) -> None:
    with pytest.raises(AmbientError, match=r"the source 'program' is not given\. Given: none"):
        build(one_file(), sources={})
    with pytest.raises(AmbientError, match="no file of the image uses the source 'other'"):
        build(one_file(), sources={"program": str(program), "other": str(program)})


def test_a_url_is_fetched_once(build: Build, server: Server, program: Path, tmp_path: Path) -> None:
    spec = {"program": SourceSpec(url=server.url("/program"), sha256=sha256(program))}
    assert build(one_file(), sources=spec).digest == build(one_file(), dest="other").digest
    assert not build(one_file(), sources=spec).changed
    assert server.requests == 1
    assert [path.name for path in (tmp_path / ".downloads").iterdir()] == [sha256(program)]


def test_a_damaged_download_is_fetched_again(build: Build, server: Server, program: Path, tmp_path: Path) -> None:
    spec = {"program": SourceSpec(url=server.url("/program"), sha256=sha256(program))}
    build(one_file(), sources=spec)
    (tmp_path / ".downloads" / sha256(program)).write_bytes(b"damaged")
    assert not build(one_file(), sources=spec).changed
    assert server.requests == 2


@pytest.mark.parametrize(
    ("path", "message"), [("/cut", "gave sha256"), ("/nothing", "can't be fetched (HTTP Error 404: Not Found)")]
)
def test_what_is_wrong_is_never_kept(
    build: Build, server: Server, program: Path, tmp_path: Path, path: str, message: str
) -> None:
    with pytest.raises(AmbientError) as failure:
        build(one_file(), sources={"program": SourceSpec(url=server.url(path), sha256=sha256(program))})
    assert message in str(failure.value) and "sources.program" in str(failure.value)
    assert list((tmp_path / ".downloads").iterdir()) == []
    assert not (tmp_path / "layout").exists()


def test_a_member_of_an_archive_is_a_source(build: Build, rootfs: Path, tmp_path: Path) -> None:
    spec = {"program": SourceSpec(path=str(rootfs), member="etc/ssl/bundle.crt")}
    image = build(one_file("/etc/bundle.crt"), sources=spec)
    _manifest, _config, held = contents(tmp_path / "layout")
    assert b"certificates" in held[image.layers[0].digest]
    rootfs.touch()
    assert not build(one_file("/etc/bundle.crt"), sources=spec).changed
    with pytest.raises(AmbientError, match="no file etc/none in the archive"):
        build(one_file(), sources={"program": SourceSpec(path=str(rootfs), member="etc/none")})


def test_a_file_that_changes_while_it_is_read_is_noticed(
    build: Build, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.alauda.ambient.plugins.module_utils.oci import files

    def change_first(*arguments: object) -> None:
        program.write_bytes(b"x" * program.stat().st_size)

    monkeypatch.setattr(files, "check_program", change_first)
    with pytest.raises(AmbientError, match=r"program: changed while it was read\. Run again"):
        build(one_file())
