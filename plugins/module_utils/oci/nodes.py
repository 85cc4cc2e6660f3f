# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a kind cluster as a destination for images: containers that run containerd."""

from __future__ import annotations

import os
import subprocess
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..errors import AmbientError
from .shipment import Shipment, write_stream

_CLUSTER_LABEL = "io.x-k8s.kind.cluster"
_ROLE_LABEL = "io.x-k8s.kind.role"
_CTR = ("ctr", "--namespace", "k8s.io")
_QUERY_SECONDS = 60


@dataclass(frozen=True)
class Missing:
    """The images that a node lacks."""

    node: str
    images: tuple[Shipment, ...]


class Docker:
    """The docker command; ``host`` is the address of the daemon's socket, empty for docker's own choice."""

    def __init__(self, host: str = "") -> None:
        self._environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}

    def run(self, *arguments: str) -> str:
        """Output of a docker command that only asks; raises AmbientError."""
        try:
            done = subprocess.run(
                ["docker", *arguments],
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_QUERY_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise AmbientError("docker is not installed", hint="Install the docker command") from None
        except subprocess.TimeoutExpired:
            raise AmbientError(f"docker {arguments[0]} gave no answer in {_QUERY_SECONDS} s") from None
        if done.returncode:
            raise _failed(arguments, done.stderr)
        return done.stdout

    def feed(self, arguments: t.Sequence[str], produce: t.Callable[[t.Callable[[bytes], object]], object]) -> None:
        """Run a docker command that reads what ``produce`` writes; raises AmbientError."""
        with subprocess.Popen(
            ["docker", *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            if process.stdin is None or process.stderr is None:
                raise AmbientError("docker can't be started")
            try:
                produce(process.stdin.write)
                process.stdin.close()
            except BrokenPipeError:
                pass
            except BaseException:
                process.kill()
                raise
            message = process.stderr.read().decode("utf-8", "replace")
        if process.returncode:
            raise _failed(arguments, message)


def kind_nodes(docker: Docker, cluster: str) -> list[str]:
    """Names of a kind cluster's nodes; raises AmbientError if there is no such cluster or one of them is stopped."""
    rows = _containers(docker)
    nodes = [row for row in rows if row[2] == cluster and row[3] != "external-load-balancer"]
    if not nodes:
        known = ", ".join(sorted({row[2] for row in rows if row[2]})) or "none"
        raise AmbientError(f"there is no kind cluster {cluster!r}", hint=f"Known to docker: {known}")
    return _running(nodes)


def named_nodes(docker: Docker, names: t.Sequence[str]) -> list[str]:
    """The containers of these names; raises AmbientError if one is missing or stopped."""
    rows = {row[0]: row for row in _containers(docker)}
    for name in names:
        if name not in rows:
            raise AmbientError(f"there is no node {name!r}", hint="Name the node's container, as docker ps shows it")
    return _running([rows[name] for name in names])


def missing(docker: Docker, nodes: t.Sequence[str], images: t.Sequence[Shipment]) -> list[Missing]:
    """What each node lacks, in the order of the nodes; one query per node."""

    def ask(node: str) -> Missing:
        held = set(docker.run("exec", node, *_CTR, "images", "list", "--quiet").split())
        return Missing(node, tuple(image for image in images if image.ref not in held))

    with ThreadPoolExecutor(max(len(nodes), 1)) as pool:
        return list(pool.map(ask, nodes))


def load(docker: Docker, wanted: t.Sequence[Missing], say: t.Callable[[str], object]) -> dict[str, int]:
    """Send each node what it lacks, in one stream; returns the bytes sent to each."""

    def send(item: Missing) -> int:
        held = set(docker.run("exec", item.node, *_CTR, "content", "list", "--quiet").split())
        sent = 0

        def produce(write: t.Callable[[bytes], object]) -> None:
            nonlocal sent
            say(f"{item.node}: sending {len(item.images)} images")
            sent = write_stream(item.images, held, write)
            say(f"{item.node}: unpacking {sent >> 20} MiB")

        docker.feed(["exec", "--interactive", item.node, *_CTR, "images", "import", "-"], produce)
        for lost in missing(docker, [item.node], item.images)[0].images:
            raise AmbientError(f"{lost.ref} was imported but is not listed", path=f"node {item.node}")
        return sent

    with ThreadPoolExecutor(max(len(wanted), 1)) as pool:
        return dict(zip([item.node for item in wanted], pool.map(send, wanted), strict=True))


_Row = tuple[str, str, str, str]  # name, state, kind cluster, role in it


def _containers(docker: Docker) -> list[_Row]:
    fields = ("{{.Names}}", "{{.State}}", f'{{{{.Label "{_CLUSTER_LABEL}"}}}}', f'{{{{.Label "{_ROLE_LABEL}"}}}}')
    lines = docker.run("ps", "--all", "--format", "\t".join(fields)).splitlines()
    return [t.cast("_Row", tuple((line + "\t\t\t").split("\t")[:4])) for line in lines]


def _running(rows: t.Sequence[_Row]) -> list[str]:
    for name, state, *_rest in rows:
        if state != "running":
            raise AmbientError(f"the node {name} is {state or 'not running'}", hint=f"Start it: docker start {name}")
    return sorted(row[0] for row in rows)


def _failed(arguments: t.Sequence[str], message: str) -> AmbientError:
    lines = [line for line in message.splitlines() if line.strip()]
    text = lines[-1].strip() if lines else "no message"
    if "Cannot connect to the Docker daemon" in message or "permission denied" in message.lower():
        return AmbientError(f"docker can't be reached ({text})", hint="Start it, or name its socket in docker_host")
    return AmbientError(f"docker {' '.join(arguments[:6])} failed ({text})")
