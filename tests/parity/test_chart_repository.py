# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts from a repository, with the real helm: the same objects as from the directory."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import toolchain
from ansible_collections.alauda.ambient.plugins.module_utils.charts.helm import Helm
from ansible_collections.alauda.ambient.plugins.module_utils.charts.roles import Order, write_role
from ansible_collections.alauda.ambient.plugins.module_utils.charts.source import chart_dirs
from ansible_collections.alauda.ambient.plugins.module_utils.charts.values import Settings
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from devcluster import assets

VERSION = toolchain.ISTIO_VERSION


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, *args: object) -> None:  # type: ignore[override]
        """Say nothing."""


@pytest.fixture(scope="module")
def helm() -> Path:
    return toolchain.binaries("helm")["helm"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, helm: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A chart repository with ztunnel's chart: its URL, and the digests."""
    folder = tmp_path_factory.mktemp("repository")
    [chart] = chart_dirs({"directory": str(assets.charts())}, ["ztunnel"], VERSION, Helm(str(helm)), folder).values()
    for command in (["package", chart, "--version", VERSION, "--app-version", VERSION], ["repo", "index", "."]):
        subprocess.run([helm, *command], cwd=folder, check=True, capture_output=True)
    digest = hashlib.sha256((folder / f"ztunnel-{VERSION}.tgz").read_bytes()).hexdigest()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", {"ztunnel": digest}
    server.shutdown()
    server.server_close()


def objects(charts: dict[str, object], helm: Path, folder: Path) -> list[object]:
    dest = folder / "ztunnel.json"
    write_role(Order("ztunnel", "default", charts, Settings(VERSION)), dest, folder / "cache", str(helm))
    found: list[object] = json.loads(dest.read_text())["items"]
    return found


def test_a_repository_gives_what_the_directory_gives(
    repository: tuple[str, dict[str, str]], helm: Path, tmp_path: Path
) -> None:
    url, digests = repository
    pulled = objects({"repository": url, "sha256": digests}, helm, tmp_path / "a")
    assert pulled == objects({"directory": str(assets.charts())}, helm, tmp_path / "b")
    assert pulled


def test_a_pulled_chart_is_not_pulled_again(repository: tuple[str, dict[str, str]], helm: Path, tmp_path: Path) -> None:
    url, digests = repository
    first = objects({"repository": url, "sha256": digests}, helm, tmp_path)
    assert objects({"repository": "http://127.0.0.1:1", "sha256": digests}, helm, tmp_path) == first


def test_another_package_than_expected_is_refused(
    repository: tuple[str, dict[str, str]], helm: Path, tmp_path: Path
) -> None:
    with pytest.raises(AmbientError, match=r"ambient_charts.sha256.ztunnel: .* expected 0000"):
        objects({"repository": repository[0], "sha256": {"ztunnel": "0" * 64}}, helm, tmp_path)


def test_a_repository_that_does_not_answer_is_one_line(helm: Path, tmp_path: Path) -> None:
    with pytest.raises(AmbientError, match="helm pull failed") as error:
        objects({"repository": "http://127.0.0.1:1", "sha256": {"ztunnel": "0" * 64}}, helm, tmp_path)
    assert "\n" not in str(error.value)
