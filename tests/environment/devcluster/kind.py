# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kind clusters by name: create, start again, delete. The user's kubeconfig is never read or written."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import toolchain

from . import cache
from .docker import RUNTIME, Docker, lacks_sys_resource
from .errors import SetupError
from .progress import progress
from .shell import run

POD_SUBNET = "10.244.0.0/16"
FILES_ON_NODE = "/kind/ambient"
CONTAINERD_DROP_IN = "/etc/systemd/system/containerd.service.d/ambient.conf"
BUILT_REPOSITORY = "ambient.local/kind-node"
LABEL = "io.x-k8s.kind.cluster"
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
# Each node's systemd, containerd and kubelet take dozens; where none is left, a node stops without a word.
INSTANCES = 512


def nodes(docker: Docker, name: str) -> dict[str, bool]:
    """The node containers of a cluster: name to whether it runs."""
    listed = docker.run("ps", "--all", "--filter", f"label={LABEL}={name}", "--format", "{{.Names}}\t{{.State}}")
    rows = [line.split("\t") for line in listed.splitlines()]
    return {row[0]: row[1] == "running" for row in sorted(rows)}


def clusters(docker: Docker) -> set[str]:
    """The names of all kind clusters that this daemon knows, whoever made them."""
    return set(docker.run("ps", "--all", "--filter", f"label={LABEL}", "--format", f'{{{{.Label "{LABEL}"}}}}').split())


def config(files: Path, restricted: bool) -> dict[str, Any]:
    """kind's configuration: one control plane, one worker, no CNI; capabilities restricted where the machine's are.

    Args:
        files: a directory of this machine that appears at /kind/ambient on each node.
        restricted: the machine lacks CAP_SYS_RESOURCE, so containerd on the nodes must do without, too.
    """
    mounts = [{"hostPath": str(files), "containerPath": FILES_ON_NODE, "readOnly": True}]
    patches = []
    if restricted:
        mounts.append(
            {"hostPath": str(files / "containerd.conf"), "containerPath": CONTAINERD_DROP_IN, "readOnly": True}
        )
        patches = [_containerd_patch()]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"disableDefaultCNI": True, "podSubnet": POD_SUBNET},
        "containerdConfigPatches": patches,
        "nodes": [{"role": role, "extraMounts": mounts} for role in ("control-plane", "worker")],
    }


def _containerd_patch() -> str:
    plugin = 'plugins."io.containerd.grpc.v1.cri"'
    return "\n".join([
        "version = 2",
        f"[{plugin}]",
        "  restrict_oom_score_adj = true",
        f"[{plugin}.containerd.runtimes.runc.options]",
        f'  BinaryName = "{FILES_ON_NODE}/{RUNTIME.name}"',
    ])  # fmt: skip


def _drop_in() -> str:
    """What containerd's unit asks for beyond the machine's limits, set to what there is."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    limit = "infinity" if processes == resource.RLIM_INFINITY else processes
    return f"[Service]\nOOMScoreAdjust=\nLimitNOFILE={hard}\nLimitNPROC={limit}\n"


def node_files(name: str) -> Path:
    """The directory that the nodes of a cluster see at /kind/ambient; it lives as long as the cluster."""
    target = cache.root() / "clusters" / name
    target.mkdir(parents=True, exist_ok=True)
    (target / "containerd.conf").write_text(_drop_in())
    echo = toolchain.binaries("istio")
    for source in (RUNTIME, echo["echo-server"], echo["echo-client"]):
        to = target / source.name
        if not to.exists() or to.stat().st_size != source.stat().st_size:
            to.unlink(missing_ok=True)
            shutil.copyfile(source, to)
            to.chmod(0o755)
    return target


def create(docker: Docker, name: str, image: str, kubeconfig: Path) -> None:
    """Create a cluster whose nodes wait for their network."""
    allow_inotify(INOTIFY)
    files = node_files(name)
    text = json.dumps(config(files, lacks_sys_resource()))
    with progress.step(f"kind create cluster {name}"):
        kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [toolchain.binaries("kind")["kind"], "create", "cluster", "--retain"]
        command += ["--name", name, "--image", image, "--config", "-", "--kubeconfig", kubeconfig]
        try:
            run(command, env=docker.env, stdin=text.encode(), timeout=400)
        except SetupError as failure:
            raise SetupError(failure.message, hint=_hint(failure.detail), detail=failure.detail) from failure


def allow_inotify(setting: Path) -> None:
    """Raise the kernel's limit of inotify instances where it is low, or say that a person should."""
    if not setting.exists() or int(setting.read_text()) >= INSTANCES:
        return
    before = setting.read_text().strip()
    try:
        setting.write_text(f"{INSTANCES}\n")
    except OSError:
        progress.say(f"if a node stops: sysctl fs.inotify.max_user_instances={INSTANCES} (it is {before})")
    else:
        progress.say(f"fs.inotify.max_user_instances raised from {before} to {INSTANCES}, until the next boot")


def _hint(detail: str) -> str:
    if "stopped container" in detail or "broken pipe" in detail:
        return f"A node stopped. Look at {INOTIFY} (several clusters want {INSTANCES}) and at `docker logs` of the node"
    if "unable to apply caps" in detail:
        return "This Docker may not start privileged containers: stop it, so that one with a fitting runtime is started"
    return ""


def write_kubeconfig(docker: Docker, name: str, kubeconfig: Path) -> None:
    """Write the kubeconfig of a cluster that is there; its directory may have been cleaned meanwhile."""
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    words: list[str | Path] = ["export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig]
    run([toolchain.binaries("kind")["kind"], *words], env=docker.env, timeout=30)


def source(docker: Docker, name: str) -> str:
    """Where the nodes' image came from: `kind-built` here, or `kind-published` by a registry."""
    image = docker.run("inspect", "--format", "{{.Config.Image}}", next(iter(nodes(docker, name)))).strip()
    return "kind-built" if image.startswith(BUILT_REPOSITORY) else "kind-published"


def delete(docker: Docker, name: str) -> bool:
    """Delete a cluster's containers, with their volumes, and its files; False if there was no container."""
    found = nodes(docker, name)
    if found:
        with progress.step(f"delete cluster {name}"):
            docker.run("rm", "--force", "--volumes", *found, timeout=120)
    shutil.rmtree(cache.root() / "clusters" / name, ignore_errors=True)
    return bool(found)


def start(docker: Docker, name: str) -> bool:
    """Start node containers that stand still; True if there were any."""
    stopped = [node for node, running in nodes(docker, name).items() if not running]
    if stopped:
        with progress.step(f"start the nodes of {name} again"):
            docker.run("start", *stopped, timeout=120)
    return bool(stopped)
