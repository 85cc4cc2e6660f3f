# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages on this machine, and root file systems made of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import cache
from .errors import SetupError
from .progress import progress
from .shell import run

SUITE = "bookworm"
# Files of a root file system carry this date at the latest, so that a rebuild from the same packages is the same.
SOURCE_DATE_EPOCH = "1704067200"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
CLEAN_UP = 'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/var/log/*'

COMPONENT_PACKAGES = ("ca-certificates", "ipset", "iptables", "nftables")
NODE_PACKAGES = (
    "bash", "ca-certificates", "conntrack", "containerd", "containernetworking-plugins", "curl", "dbus", "e2fsprogs",
    "ebtables", "ethtool", "hostname", "iproute2", "ipset", "iptables", "jq", "kmod", "libseccomp2", "mount",
    "nftables", "pigz", "procps", "rsync", "runc", "socat", "systemd", "systemd-sysv", "util-linux",
)  # fmt: skip


def require(commands: dict[str, str]) -> None:
    """See to it that commands exist; install their packages as root on Debian.

    Args:
        commands: command name to the Debian package that brings it.
    """
    missing = {command: package for command, package in commands.items() if not find(command)}
    if not missing:
        return
    packages = sorted(set(missing.values()))
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(
            f"missing on this machine: {', '.join(missing)}",
            hint=f"Install them (Debian packages: {' '.join(packages)}), or run as root on Debian",
        )
    with progress.step(f"install {', '.join(packages)}"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], env=quiet)
        run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages], env=quiet)


def find(command: str) -> str | None:
    """The path of a command, looked for in the system directories too (a user's PATH may lack them)."""
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


def rootfs(name: str, packages: Sequence[str]) -> Path:
    """A tar archive of a minimal Debian with these packages."""
    mirror = os.environ.get("AMBIENT_DEBIAN_MIRROR", "")

    def build(target: Path) -> None:
        require({"mmdebstrap": "mmdebstrap"})
        with progress.step(f"make root file system {name}"):
            options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
            command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", *options]
            command += [
                f"--customize-hook={CLEAN_UP}",
                SUITE,
                str(target / "rootfs.tar"),
                *([mirror] if mirror else []),
            ]
            run(command, env={"SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH})

    inputs = cache.key(SUITE, SOURCE_DATE_EPOCH, CLEAN_UP, *LEFT_OUT, *packages)
    return cache.artefact(f"rootfs-{name}", inputs, build) / "rootfs.tar"
