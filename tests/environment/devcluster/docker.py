# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker daemon that answers: the one that runs, or one that we install, start, record and can stop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from . import cache, debian
from .errors import SetupError
from .progress import progress
from .shell import run, succeeds

SOCKET = "unix:///var/run/docker.sock"
RUNTIME = Path(__file__).resolve().parents[1] / "node" / "runc-without-sys-resource"
PACKAGES = {command: command for command in ("containerd", "iptables", "runc")} | {
    "dockerd": "docker.io",
}
CAP_SYS_RESOURCE = 24
START_TIMEOUT = 60.0


class Docker:
    """The docker command against one daemon."""

    def __init__(self, host: str) -> None:
        self.host = host

    @property
    def env(self) -> dict[str, str]:
        """What commands that use this daemon need in their environment."""
        return {"DOCKER_HOST": self.host}

    def run(self, *arguments: str | Path, stdin: bytes | None = None, timeout: float | None = None) -> str:
        """Run `docker …` and return its output."""
        return run(["docker", *arguments], env=self.env, stdin=stdin, timeout=timeout)

    def has_image(self, reference: str) -> bool:
        """Whether the daemon holds this image."""
        return succeeds(["docker", "image", "inspect", reference], env=self.env)


def lacks_sys_resource(status: str | None = None) -> bool:
    """Whether this machine's bounding set is without CAP_SYS_RESOURCE, which privileged containers ask for."""
    text = status if status is not None else Path("/proc/self/status").read_text()
    bounding = next((line.split()[1] for line in text.splitlines() if line.startswith("CapBnd:")), "f" * 16)
    return not int(bounding, 16) >> CAP_SYS_RESOURCE & 1


def connect() -> Docker | None:
    """The daemon that answers: DOCKER_HOST or the user's docker context, else the system's socket."""
    if not debian.find("docker"):
        return None
    given = os.environ.get("DOCKER_HOST")
    candidates = [given] if given else [_context_host(), SOCKET]
    for host in dict.fromkeys(filter(None, candidates)):
        if succeeds(["docker", "info"], env={"DOCKER_HOST": host}, timeout=15):
            return Docker(host)
    return None


def _context_host() -> str:
    try:
        return run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], timeout=10).strip()
    except SetupError:
        return ""


def ensure() -> Docker:
    """A daemon that answers; installed and started where root on Debian may."""
    docker = connect()
    if docker:
        return docker
    if os.environ.get("DOCKER_HOST"):
        raise SetupError(
            f"no Docker daemon answers at DOCKER_HOST={os.environ['DOCKER_HOST']}",
            hint="Start it, or unset DOCKER_HOST",
        )
    if os.geteuid() != 0:
        raise SetupError(
            "no Docker daemon answers, and only root may start one",
            hint="Install and start Docker, or name a cluster with DEMO_CONTEXT",
        )
    debian.require(PACKAGES)
    debian.require({"docker": "docker-cli"})  # newer Debians package the client apart from the daemon
    return _start()


def _start() -> Docker:
    state = cache.root() / "run"
    state.mkdir(parents=True, exist_ok=True)
    command = [str(debian.find("dockerd")), "--host", SOCKET, "--pidfile", str(pid_file())]
    if lacks_sys_resource():
        debian.require({"jq": "jq"})
        # A copy in the cache: the daemon outlives the checkout.
        runtime = state / RUNTIME.name
        runtime.write_bytes(RUNTIME.read_bytes())
        runtime.chmod(0o755)
        command += ["--add-runtime", f"without-sys-resource={runtime}", "--default-runtime", "without-sys-resource"]
    log = state / "dockerd.log"
    _forget_stale()
    with progress.step("start dockerd"), log.open("ab") as output:
        daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and daemon.poll() is None:
            if succeeds(["docker", "info"], env={"DOCKER_HOST": SOCKET}, timeout=15):
                return Docker(SOCKET)
            time.sleep(0.5)
    tail = log.read_text(errors="replace").splitlines()[-10:]
    raise SetupError("dockerd does not start", hint=f"Its log is {log}", detail="\n".join(tail))


def pid_file() -> Path:
    """Where the process id of a dockerd that we started is recorded."""
    return cache.root() / "run" / "dockerd.pid"


def started_by_us() -> int | None:
    """The process id of our dockerd while it runs."""
    try:
        pid = int(pid_file().read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == "dockerd" else None


def stop() -> bool:
    """Stop a dockerd that we started; False if there is none."""
    pid = started_by_us()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_TIMEOUT
    while started_by_us() == pid and time.monotonic() < deadline:
        time.sleep(0.3)
    return True


def _forget_stale() -> None:
    """A killed dockerd leaves pid files behind that keep the next one from starting."""
    containerd_pid = Path("/var/run/docker/containerd/containerd.pid")
    for file, name in ((pid_file(), "dockerd"), (containerd_pid, "containerd")):
        try:
            running = Path(f"/proc/{int(file.read_text())}/comm").read_text().strip()
        except (OSError, ValueError):
            running = ""
        if running != name:
            file.unlink(missing_ok=True)
