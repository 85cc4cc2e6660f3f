# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of ways to a cluster, and the errors that say what is missing."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devcluster import assets, cluster, debian, docker, golang, kind, registry, shell
from devcluster.errors import SetupError

BUILT = "ambient.local/kind-node:built"


class Daemon:
    """Stands in for Docker: remembers what was asked, refuses to pull what it does not know."""

    def __init__(self, pullable: tuple[str, ...] = ()) -> None:
        self.pullable = pullable
        self.pulled: list[str] = []

    def has_image(self, reference: str) -> bool:
        return reference in self.pulled

    def run(self, *arguments: str, **_options: object) -> str:
        if arguments[0] == "pull":
            if arguments[-1] not in self.pullable:
                raise SetupError("exit status 1: docker pull")
            self.pulled.append(arguments[-1])
        return ""


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AMBIENT_REGISTRY", "AMBIENT_NODE_IMAGE", "AMBIENT_ZTUNNEL_BINARY", "DOCKER_HOST", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AMBIENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cluster.node_image, "ensure", lambda _daemon: BUILT)


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, int]], registry.Registry]]:
    """A registry on this machine that answers paths with a status."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(statuses: dict[str, int]) -> registry.Registry:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(statuses.get(self.path, 404))
                self.end_headers()

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_arguments: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        host = f"127.0.0.1:{server.server_port}"
        return registry.Registry(host, f"http://{host}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_no_registry_means_built() -> None:
    assert cluster.choose_node_image(Daemon(), None) == BUILT


def test_published_image_goes_before_built() -> None:
    mirror = registry.Registry("localhost:5000", "http://localhost:5000")
    daemon = Daemon(pullable=(mirror.node_image,))
    assert cluster.choose_node_image(daemon, mirror) == mirror.node_image
    assert daemon.pulled == [mirror.node_image]


def test_registry_without_the_image_means_built(capsys: pytest.CaptureFixture[str]) -> None:
    mirror = registry.Registry("localhost:5000", "http://localhost:5000")
    assert cluster.choose_node_image(Daemon(), mirror) == BUILT


def test_published_image_is_pinned_by_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = registry.Registry("docker.io", "https://registry-1.docker.io")
    assert hub.node_image.startswith("docker.io/kindest/node:v1.34.")
    assert "@sha256:" in hub.node_image
    monkeypatch.setenv("AMBIENT_NODE_IMAGE", "kindest/node:mine")
    assert hub.node_image == "docker.io/kindest/node:mine"


@pytest.mark.parametrize(("status", "found"), [(200, True), (401, True), (403, False), (500, False)])
def test_a_registry_answers_with_200_or_401(
    serve: Callable[[dict[str, int]], registry.Registry], monkeypatch: pytest.MonkeyPatch, status: int, found: bool
) -> None:
    here = serve({"/v2/": status})
    monkeypatch.setenv("AMBIENT_REGISTRY", here.host)
    assert (registry.answering() == here) is found


def test_a_mirror_is_asked_for_the_image(serve: Callable[[dict[str, int]], registry.Registry]) -> None:
    here = serve({"/v2/": 200, "/v2/istio/ztunnel/manifests/1.31.0": 200})
    assert here.holds("istio/ztunnel", "1.31.0")
    assert not here.holds("istio/pilot", "1.31.0")


def test_a_registry_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PATIENCE", 0.2)
    monkeypatch.setattr(registry, "_status", lambda *_arguments, **_options: time.sleep(5) or 200)
    begun = time.monotonic()
    assert registry.answering() is None
    assert time.monotonic() - begun < 2


def test_registry_none_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBIENT_REGISTRY", "none")
    monkeypatch.setattr(registry, "_status", lambda *_arguments, **_options: pytest.fail("it was asked"))
    assert registry.answering() is None


def test_plain_http_on_this_machine_only() -> None:
    assert registry.candidates("localhost:5000") == ["http://localhost:5000"]
    assert registry.candidates("mirror.example:5000") == ["https://mirror.example:5000"]
    assert registry.candidates("docker.io") == ["https://registry-1.docker.io"]


def test_a_given_ztunnel_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "ztunnel"
    binary.write_text('#!/bin/sh\necho \'version.BuildInfo{Version:"1.31.0", GitRevision:"x"}\'\n')
    binary.chmod(0o755)
    monkeypatch.setenv("AMBIENT_ZTUNNEL_BINARY", str(binary))
    chosen = assets.ztunnel(registry.Registry("docker.io", "https://registry-1.docker.io"))
    assert chosen == assets.Ztunnel("binary", "1.31.0", binary)


def test_upstream_ztunnel_goes_before_the_stand_in() -> None:
    chosen = assets.ztunnel(registry.Registry("docker.io", "https://registry-1.docker.io"))
    assert (chosen.kind, chosen.path) == ("upstream", None)


def test_a_ztunnel_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBIENT_ZTUNNEL_BINARY", str(tmp_path / "none"))
    with pytest.raises(SetupError, match=r"AMBIENT_ZTUNNEL_BINARY=.*/none is no executable file"):
        assets.ztunnel(None)


@pytest.mark.parametrize("act", [cluster.down, lambda target: cluster.up(target, replace=True)])
def test_a_cluster_that_is_not_ours_is_left_alone(tmp_path: Path, act: Callable[[cluster.Target], object]) -> None:
    with pytest.raises(SetupError, match=r"cluster production is not ours. Names of ours start with ambient-"):
        act(cluster.Target("production", tmp_path / "dir"))


def test_a_named_context_needs_a_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no kubeconfig at .*/none. Set KUBECONFIG"):
        cluster.use_context(cluster.Target("ambient-demo", tmp_path), "prod", str(tmp_path / "none"))


def test_a_directory_that_is_not_a_clusters_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SetupError, match="is no directory of a cluster"):
        cluster.down(cluster.Target("ambient-demo", tmp_path))
    assert (tmp_path / "thesis.txt").exists()


def test_a_low_limit_of_inotify_is_raised_or_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(kind.progress, "say", said.append)
    setting = tmp_path / "max_user_instances"
    setting.write_text("128\n")
    kind.allow_inotify(setting)
    kind.allow_inotify(setting)
    assert (setting.read_text(), len(said)) == ("512\n", 1) and "raised from 128 to 512" in said[0]
    setting.write_text("1024\n")
    kind.allow_inotify(setting)
    assert (setting.read_text(), len(said)) == ("1024\n", 1)
    setting.write_text("128\n")

    def refuse(*dummy: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    kind.allow_inotify(setting)
    assert said[1:] == ["if a node stops: sysctl fs.inotify.max_user_instances=512 (it is 128)"]


def test_the_cluster_of_a_named_context_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(cluster.docker, "connect", lambda: None)
    monkeypatch.setattr(cluster.progress, "say", said.append)
    target = cluster.Target("ambient-demo", tmp_path / "demo")
    target.directory.mkdir()
    target.kubeconfig.touch()
    target.description.write_text('{"cluster": "prod", "context": "prod-admin"}')
    assert cluster.down(target)
    assert said == ["the cluster of context prod-admin stays, with whatever was installed on it"]
    assert not target.directory.exists()


def test_missing_commands_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(debian, "find", lambda _command: None)
    with pytest.raises(SetupError) as caught:
        debian.require({"docker": "docker.io", "dockerd": "docker.io"})
    assert str(caught.value) == (
        "missing on this machine: docker, dockerd. Install them (Debian packages: docker.io), or run as root on Debian"
    )


def test_no_daemon_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "connect", lambda: None)
    monkeypatch.setattr(docker.os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"no Docker daemon answers, and only root may start one. .*DEMO_CONTEXT"):
        docker.ensure()


def test_a_named_daemon_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "connect", lambda: None)
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    with pytest.raises(SetupError, match="no Docker daemon answers at DOCKER_HOST=tcp://elsewhere:2375"):
        docker.ensure()


def test_a_failed_command_says_which_and_why() -> None:
    with pytest.raises(SetupError) as caught:
        shell.run(["sh", "-c", "echo reason >&2; exit 3"])
    assert str(caught.value) == "exit status 3: sh -c echo reason >&2; exit 3\nreason"
    with pytest.raises(SetupError, match="command not found: no-such-command"):
        shell.run(["no-such-command"])
    with pytest.raises(SetupError, match="no answer within 0 s"):
        shell.run(["sleep", "5"], timeout=0.1)


@pytest.mark.parametrize(
    ("answer", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.9 linux/amd64", (1, 9)), ("nonsense", (0, 0))],
)
def test_go_version(answer: str, version: tuple[int, int]) -> None:
    assert golang.version_of(answer) == version


def test_the_version_that_a_module_requires(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(
        "module x\n\nrequire example.com/a v1.2.3\n\nrequire (\n\texample.com/b v0.1.0 // indirect\n)\n"
    )
    assert golang.required_version(tmp_path, "example.com/a") == "v1.2.3"
    assert golang.required_version(tmp_path, "example.com/b") == "v0.1.0"
    with pytest.raises(SetupError, match=r"does not require example.com/c"):
        golang.required_version(tmp_path, "example.com/c")
