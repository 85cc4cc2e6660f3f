# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a cluster up, from whatever state the last run left; write down what it is; take it down."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import toolchain

from . import assets, cache, debian, docker, kind, network, node_image, registry
from .docker import Docker
from .errors import SetupError
from .kubectl import Kubectl
from .progress import progress

NODE_COUNT = 2
PREFIX = "ambient-"


@dataclass(frozen=True)
class Target:
    """A cluster of ours: its name, and the directory of its kubeconfig and its description."""

    name: str
    directory: Path

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def description(self) -> Path:
        return self.directory / "environment.json"


@dataclass(frozen=True)
class Place:
    """Where a cluster is.

    Args:
        cluster: its name; for kind the one that its node containers are labelled with.
        context: the context in its kubeconfig.
        source: `kind-built`, `kind-published`, or `context` for one whose nodes we can't reach.
        docker_host: the daemon that runs its nodes, if we know it.
    """

    cluster: str
    context: str
    source: str
    docker_host: str = ""


def up(target: Target, *, replace: bool) -> str:
    """See to a Ready kind cluster under this name, and describe it. Returns `kept`, `repaired` or `created`."""
    require_own_name(target.name)
    daemon = docker.ensure()
    with cache.lock(f"cluster-{target.name}"):
        if replace:
            kind.delete(daemon, target.name)
        mirror = registry.answering()
        done = _keep(daemon, target) or _create(daemon, target, mirror)
        write(target, describe(target, _on_kind(daemon, target.name), mirror))
        return done


def require_own_name(name: str) -> None:
    """Refuse the name of a cluster that may not be ours."""
    if not name.startswith(PREFIX):
        raise SetupError(f"cluster {name} is not ours", hint=f"Names of ours start with {PREFIX}")


def _keep(daemon: Docker, target: Target) -> str:
    """`kept` or `repaired` for a cluster that is there and works; "" after removing one that does not."""
    if not kind.nodes(daemon, target.name):
        return ""
    try:
        started = kind.start(daemon, target.name)
        kind.write_kubeconfig(daemon, target.name, target.kubeconfig)
        kubectl = Kubectl(target.kubeconfig)
        network.connect(daemon, kubectl, NODE_COUNT, 90 if started else 20)
        if started:
            # What the API server remembers of nodes and pods is older than the restart; only a probe tells.
            network.probe(kubectl)
        network.wait_ready(kubectl, 60)
    except SetupError as failure:
        progress.say(f"cluster {target.name} is broken and will be replaced: {failure.message}")
        kind.delete(daemon, target.name)
        return ""
    return "repaired" if started else "kept"


def _create(daemon: Docker, target: Target, mirror: registry.Registry | None) -> str:
    image = choose_node_image(daemon, mirror)
    try:
        kind.create(daemon, target.name, image, target.kubeconfig)
        kubectl = Kubectl(target.kubeconfig)
        network.connect(daemon, kubectl, NODE_COUNT, 90)
        network.wait_ready(kubectl, 120)
        network.probe(kubectl)
    except SetupError:
        progress.say(f"cluster {target.name} did not come up; what is there stays for a look until the next `up`")
        raise
    return "created"


def choose_node_image(daemon: Docker, mirror: registry.Registry | None) -> str:
    """The published node image where a registry has it, else one that is built from the package registries."""
    if mirror is None:
        progress.say("no container registry answers: the node image is built from the package registries")
        return node_image.ensure(daemon)
    image = mirror.node_image
    try:
        if not daemon.has_image(image):
            with progress.step(f"pull {image}"):
                daemon.run("pull", "--quiet", image, timeout=900)
    except SetupError as failure:
        progress.say(f"{image} can't be pulled ({failure.message}): the node image is built")
        return node_image.ensure(daemon)
    return image


def component_rootfs() -> Path:
    """The root file system under the component images."""
    return debian.rootfs("component", debian.COMPONENT_PACKAGES)


def use_context(target: Target, context: str, kubeconfig: str) -> str:
    """Describe a cluster that exists: a context of a kubeconfig, copied; the original is only read. Returns `kept`."""
    given = kubeconfig or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    if not any(Path(part).exists() for part in given.split(os.pathsep)):
        raise SetupError(f"no kubeconfig at {given}", hint="Set KUBECONFIG, or leave DEMO_CONTEXT out")
    kubectl = Kubectl(given, context)
    try:
        flat = kubectl.run("config", "view", "--minify", "--flatten", "--raw")
    except SetupError as failure:
        raise SetupError(f"{given} has no context {context}", detail=failure.detail) from failure
    try:
        nodes = set(_node_names(kubectl))
    except SetupError as failure:
        raise SetupError(f"the cluster of context {context} can't be read", detail=failure.detail) from failure
    write_private(target.kubeconfig, flat)
    place = _kind_of_context(context, nodes) or Place(context, context, "context")
    if place.source == "context":
        progress.say(
            f"{context}: no kind cluster of this machine, so images can't be loaded; it pulls them from a registry"
        )
    write(target, describe(target, place, registry.answering()))
    return "kept"


def _kind_of_context(context: str, nodes: set[str]) -> Place | None:
    """The place of a context that is a kind cluster of this machine's Docker: its nodes are containers there."""
    daemon = docker.connect()
    name = context.removeprefix("kind-")
    if daemon is None or set(kind.nodes(daemon, name)) != nodes:
        return None
    return _on_kind(daemon, name)


def _on_kind(daemon: Docker, name: str) -> Place:
    return Place(name, f"kind-{name}", kind.source(daemon, name), daemon.host)


def _node_names(kubectl: Kubectl) -> list[str]:
    return [item["metadata"]["name"] for item in kubectl.get("nodes", "--request-timeout=10s")["items"]]


def describe(target: Target, place: Place, mirror: registry.Registry | None) -> dict[str, Any]:
    """What playbooks and tests need to know about a cluster and the files beside it."""
    builds = place.source != "context"
    chosen = assets.ztunnel(mirror) if builds else assets.Ztunnel("upstream", toolchain.ISTIO_VERSION, None)
    return {
        "cluster": place.cluster,
        "context": place.context,
        "nodes": _node_names(Kubectl(target.kubeconfig)),
        "source": place.source,
        "docker_host": place.docker_host,
        "helm": str(toolchain.binaries("helm")["helm"]),
        "istioctl": str(toolchain.binaries("istio")["istioctl"]),
        "kubectl": str(toolchain.binaries("kubernetes")["kubectl"]),
        "charts": str(assets.charts()),
        "gateway_api_crds": str(assets.gateway_api_crds()),
        "binaries": assets.binaries(chosen) if builds else {},
        "rootfs": str(component_rootfs()) if builds else "",
        "ztunnel": {"kind": chosen.kind, "version": chosen.version, "definition": chosen.definition},
        "istio_version": toolchain.ISTIO_VERSION,
        "registry": mirror.host if mirror and mirror.holds("istio/pilot", toolchain.ISTIO_VERSION) else None,
    }


def write(target: Target, facts: dict[str, Any]) -> None:
    """Write environment.json; an unchanged one keeps its time."""
    text = json.dumps(facts, indent=1) + "\n"
    if not target.description.exists() or target.description.read_text() != text:
        write_private(target.description, text)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(path)


def down(target: Target) -> bool:
    """Delete the cluster and its directory; False if neither was there. A named context's cluster stays."""
    require_own_name(target.name)
    if any(target.directory.glob("*")) and not target.kubeconfig.exists():
        raise SetupError(
            f"{target.directory} is no directory of a cluster", hint="It has no kubeconfig; look, then delete it"
        )
    daemon = docker.connect()
    existed = target.directory.exists()
    if daemon:
        with cache.lock(f"cluster-{target.name}"):
            existed = kind.delete(daemon, target.name) or existed
    guest = _guest(target)
    if guest:
        progress.say(f"the cluster of context {guest} stays, with whatever was installed on it")
    shutil.rmtree(target.directory, ignore_errors=True)
    return existed


def _guest(target: Target) -> str:
    """The context of the cluster that the directory describes, if that is not a cluster of ours by this name."""
    try:
        facts = json.loads(target.description.read_text())
    except (OSError, ValueError):
        return ""
    return "" if facts.get("cluster") == target.name else str(facts.get("context", ""))


def stop_docker() -> None:
    """Stop a dockerd that we started, unless a cluster still needs it."""
    daemon = docker.connect()
    if not (daemon and docker.started_by_us()):
        return
    others = kind.clusters(daemon)
    if others:
        progress.say(f"dockerd stays: {', '.join(sorted(others))} still there")
    elif docker.stop():
        progress.say("dockerd, which an earlier run started, is stopped")
