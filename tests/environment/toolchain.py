# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binaries that cluster and tests need, built from the pinned modules under toolchain/."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from devcluster import cache, golang  # noqa: E402
from devcluster.errors import SetupError  # noqa: E402
from devcluster.progress import progress  # noqa: E402

ISTIO_VERSION = "1.31.0"
ISTIO_OLD_VERSION = "1.30.4"
# The released Envoy lacks a filter that istiod asks newer proxies for; it asks a 1.29 one for an Envoy filter instead.
WAYPOINT_AGENT_VERSION = "1.29.1"


@dataclass(frozen=True)
class Module:
    """A module to build: its directory, its packages, and the linker's settings.

    Args:
        rename: name of the built file to the name we give it.
        single: the name of the one binary, for a module that is not built by `tool` directives.
    """

    directory: str
    packages: tuple[str, ...] = ("tool",)
    ldflags: tuple[str, ...] = ()
    rename: dict[str, str] = field(default_factory=dict)
    single: str = ""

    @property
    def path(self) -> Path:
        return HERE / self.directory


def kubernetes_version() -> str:
    """The Kubernetes version that go.mod pins, as `v1.34.4`."""
    return golang.required_version(HERE / "toolchain" / "kubernetes", "k8s.io/kubernetes")


def _kubernetes_ldflags() -> tuple[str, ...]:
    version = kubernetes_version()
    major, minor = version.lstrip("v").split(".")[:2]
    flags = []
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        flags += [f"-X {package}.{name}={value}" for name, value in values.items()]
    return tuple(flags)


def _istio_ldflags(version: str) -> tuple[str, ...]:
    values = {"buildVersion": version, "buildTag": version, "buildHub": "docker.io/istio", "buildStatus": "Clean"}
    return tuple(f"-X istio.io/istio/pkg/version.{name}={value}" for name, value in values.items())


ECHO_NAMES = {"server": "echo-server", "client": "echo-client"}
MODULES: dict[str, Module] = {
    "kubernetes": Module("toolchain/kubernetes", ldflags=_kubernetes_ldflags()),
    "etcd": Module("toolchain/etcd", packages=("go.etcd.io/etcd/server/v3",), single="etcd"),
    "coredns": Module("toolchain/coredns", packages=(".",), single="coredns"),
    "pause": Module("toolchain/pause", packages=(".",), single="pause"),
    "kind": Module("toolchain/kind"),
    "helm": Module("toolchain/helm"),
    "istio": Module("toolchain/istio", ldflags=_istio_ldflags(ISTIO_VERSION), rename=ECHO_NAMES),
    "istio-waypoint": Module(
        "toolchain/istio",
        packages=("istio.io/istio/pilot/cmd/pilot-agent",),
        ldflags=_istio_ldflags(WAYPOINT_AGENT_VERSION),
        single="pilot-agent-waypoint",
    ),
    "registry": Module("toolchain/registry"),
    "istio-1.30": Module("toolchain/istio-1.30", ldflags=_istio_ldflags(ISTIO_OLD_VERSION)),
    "ztunnel_standin": Module("ztunnel_standin", packages=(".",), single="ztunnel-standin"),
}


def binaries(name: str) -> dict[str, Path]:
    """The binaries of one module by name, built if they are not in the cache.

    Args:
        name: a key of MODULES, such as `kubernetes`, `etcd`, `istio`.
    """
    if name not in MODULES:
        raise SetupError(f"unknown toolchain module {name}", hint=f"Known are {', '.join(MODULES)}")
    module = MODULES[name]

    def build(target: Path) -> None:
        with progress.step(f"build {name}"):
            output = target / module.single if module.single else target
            golang.build(module.path, output, module.packages, module.ldflags)
            for built, wanted in module.rename.items():
                (target / built).rename(target / wanted)

    folder = cache.artefact(name, module_key(module), build)
    return {path.name: path for path in sorted(folder.iterdir())}


def module_key(module: Module) -> str:
    """The hash of a module's inputs: its files, its packages, and its linker settings."""
    sources = sorted(p for p in module.path.rglob("*") if p.name in ("go.mod", "go.sum") or p.suffix == ".go")
    names = [p.relative_to(module.path).as_posix() for p in sources if not p.name.endswith("_test.go")]
    contents = [module.path / name for name in names]
    return cache.key(
        *names, *contents, *module.packages, *module.ldflags, module.single, str(sorted(module.rename.items()))
    )
