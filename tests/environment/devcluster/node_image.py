# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind node image: built from Debian, from kind's own files in the Go module cache, and from our binaries."""

from __future__ import annotations

import io
import tarfile
import uuid
from pathlib import Path

import toolchain

from . import cache, debian, golang, image_archive
from .docker import Docker
from .errors import SetupError
from .kind import BUILT_REPOSITORY
from .progress import progress
from .shell import run, succeeds

HERE = Path(__file__).resolve().parents[1]
CONFIGURE = HERE / "node" / "configure"
ON_DEBIAN = ("kube-proxy",)
# systemd ends on this signal only; it is part of what `docker commit` keeps.
STOP_SIGNAL = "--stop-signal=SIGRTMIN+3"
COMMIT_CHANGES = (
    "ENV container=docker",
    'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
    "CMD []",
)


def control_plane_images(kubeadm: Path) -> list[str]:
    """The image names that kubeadm's static pods will ask for."""
    version = toolchain.kubernetes_version()
    return run([kubeadm, "config", "images", "list", "--kubernetes-version", version], timeout=30).split()


def base_name(image: str) -> str:
    """`registry.k8s.io/coredns/coredns:v1.12.1` to `coredns`."""
    return image.rpartition("/")[2].partition(":")[0]


def ensure(docker: Docker) -> str:
    """The reference of the node image in the daemon, built if it is not there."""
    tools = {
        name: path
        for module in ("kubernetes", "etcd", "coredns", "pause")
        for name, path in toolchain.binaries(module).items()
    }
    kind_files = golang.module_directory(HERE / "toolchain" / "kind", "sigs.k8s.io/kind") / "images" / "base" / "files"
    rootfs = debian.rootfs("node", debian.NODE_PACKAGES)
    component = debian.rootfs("component", debian.COMPONENT_PACKAGES)
    keys = [path.parent.name for path in (*tools.values(), rootfs, component)]
    key = cache.key(*keys, kind_files, CONFIGURE, Path(__file__), Path(image_archive.__file__))
    reference = f"{BUILT_REPOSITORY}:{toolchain.kubernetes_version()}-{key}"
    with cache.lock("node-image"):
        if not docker.has_image(reference):
            with progress.step("build node image"):
                _build(docker, reference, tools, kind_files, rootfs, component)
    return reference


def _build(
    docker: Docker, reference: str, tools: dict[str, Path], kind_files: Path, rootfs: Path, component: Path
) -> None:
    names = control_plane_images(tools["kubeadm"])
    missing = [name for name in names if base_name(name) not in tools]
    if missing:
        raise SetupError(f"no binary for the control-plane images {', '.join(missing)}")
    pause = next(name for name in names if base_name(name) == "pause")
    archive = cache.root() / "node-images.tar"
    base = f"{BUILT_REPOSITORY}:base-{rootfs.parent.name.rpartition('-')[2]}"
    container = f"ambient-node-build-{uuid.uuid4().hex[:8]}"
    try:
        image_archive.write(
            archive,
            [
                image_archive.Image(name, tools[base_name(name)], component if base_name(name) in ON_DEBIAN else None)
                for name in names
            ],
        )
        if not docker.has_image(base):
            docker.run("import", rootfs, base)
        options = ("--privileged", "--network=none", STOP_SIGNAL, "--entrypoint=sleep")
        docker.run("run", "--detach", "--name", container, *options, base, "1h")
        docker.run("cp", "-", f"{container}:/", stdin=_additions(kind_files, tools))
        docker.run("cp", archive, f"{container}:/images.tar")
        docker.run("exec", container, "/kind/configure", toolchain.kubernetes_version(), pause, "/images.tar")
        changes = [word for change in COMMIT_CHANGES for word in ("--change", change)]
        docker.run("commit", *changes, container, reference)
    finally:
        archive.unlink(missing_ok=True)
        succeeds(["docker", "rm", "--force", "--volumes", container], env=docker.env)


def _additions(kind_files: Path, tools: dict[str, Path]) -> bytes:
    """A tar stream of what goes on top of Debian: kind's files, the node's binaries, the configuring script."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in sorted(p for p in kind_files.rglob("*") if p.is_file()):
            _add(archive, path, path.relative_to(kind_files).as_posix(), 0o644)
        for name in ("kubelet", "kubeadm", "kubectl"):
            _add(archive, tools[name], f"usr/bin/{name}", 0o755)
        _add(archive, CONFIGURE, "kind/configure", 0o755)
    return stream.getvalue()


def _add(archive: tarfile.TarFile, source: Path, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = source.stat().st_size, mode
    with source.open("rb") as content:
        archive.addfile(entry, content)
