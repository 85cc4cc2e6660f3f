# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of one role: which charts, which namespaces, and whether anything changed since the last run."""

from __future__ import annotations

import hashlib
import json
import tempfile
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import AmbientError
from ..manifests import waves
from ..manifests.files import make_folder
from ..manifests.items import Item, dump_role
from ..manifests.labels import own
from ..manifests.yaml import load_all
from . import gateway_api
from .helm import Helm
from .objects import chart_objects, component_namespace
from .source import chart_dirs, fingerprint, staged
from .values import NAMESPACE_OF, Settings, Values, helm_values

# Part of the cache's key: raise it when the same inputs give other objects.
_FORMAT = 2
MANAGER = "alauda.ambient"
COMPONENTS_OF = {"control_plane": ("base", "istiod"), "cni": ("cni",), "ztunnel": ("ztunnel",)}
_RELEASE = {"base": "istio-base", "istiod": "istiod", "cni": "istio-cni", "ztunnel": "ztunnel"}


@dataclass(frozen=True)
class GatewayApi:
    """Where the Gateway API's CRDs come from; ``install`` false: they are somebody else's."""

    install: bool = False
    source: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Order:
    """Everything that the objects of one role depend on."""

    role: str
    mesh: str
    charts: t.Mapping[str, t.Any]
    settings: Settings
    gateway_api: GatewayApi = GatewayApi()


@dataclass(frozen=True)
class Written:
    """What came of it: whether the role file changed, whether helm had to run, how many objects there are."""

    changed: bool
    cached: bool
    count: int


def write_role(order: Order, dest: Path, cache: Path, helm_binary: str) -> Written:
    """Write a role's object file; where no input changed, neither helm runs nor is the file touched.

    Args:
        order: the inputs.
        dest: the role's object file.
        cache: folder for downloads and for the record of the last run.
        helm_binary: path or name of Helm 3.

    Raises:
        AmbientError: bad inputs, or helm's own words.
    """
    order.settings.check()
    helm = Helm(helm_binary)
    charts = chart_dirs(order.charts, COMPONENTS_OF[order.role], order.settings.version, helm, cache)
    values = {component: helm_values(component, order.settings) for component in charts}
    crds = _gateway_files(order, cache)
    key = _key(order, helm, charts, values, crds)
    record = cache / f"{order.role}.json"
    count = _recorded(record, key, dest)
    if count is not None:
        return Written(changed=False, cached=True, count=count)
    items = _items(order, helm, charts, values, crds)
    changed = dump_role(dest, order.role, items)
    make_folder(record.parent)
    record.write_text(json.dumps({"key": key, "file": _sha256(dest), "count": len(items)}), encoding="utf-8")
    return Written(changed=changed, cached=False, count=len(items))


def _gateway_files(order: Order, cache: Path) -> list[Path]:
    if order.role != "control_plane" or not order.gateway_api.install:
        return []
    return gateway_api.crd_files(order.gateway_api.source, order.gateway_api.sha256, cache)


def _items(
    order: Order, helm: Helm, charts: t.Mapping[str, Path], values: t.Mapping[str, Values], crds: t.Sequence[Path]
) -> list[Item]:
    helm.check_version()
    pairs: list[tuple[int, dict[str, t.Any]]] = []
    namespaces = dict.fromkeys(NAMESPACE_OF[component] for component in charts)
    for namespace in namespaces:
        pairs.append((waves.NAMESPACES, component_namespace(namespace, order.settings.discovery_selectors)))
    for obj in gateway_api.crd_objects(crds) if crds else []:
        pairs.append((waves.wave_of(obj), obj))
    with tempfile.TemporaryDirectory(prefix="ambient-charts-") as temporary:

        def render(component: str) -> str:
            chart = staged(charts[component], order.settings.version, Path(temporary) / component)
            try:
                return helm.template(_RELEASE[component], chart, NAMESPACE_OF[component], values[component])
            except AmbientError as error:
                raise _located(error, component, order.settings) from error

        with ThreadPoolExecutor() as pool:
            rendered = dict(zip(charts, pool.map(render, charts), strict=True))
    for component, text in rendered.items():
        pairs.extend(chart_objects(load_all(text, f"chart {component}"), component))
    return [
        Item(object=own(obj, order.mesh), wave=wave, patch=False, manager=MANAGER, role=order.role)
        for wave, obj in pairs
    ]


def _located(error: AmbientError, component: str, settings: Settings) -> AmbientError:
    """The error with the variable that it most probably comes from."""
    if settings.user.get(component):
        return AmbientError(error.message, path=f"ambient_values.{component}", hint="Correct these values")
    return AmbientError(error.message, path=f"chart {component}", hint="Check ambient_charts and ambient_helm")


def _key(
    order: Order, helm: Helm, charts: t.Mapping[str, Path], values: t.Mapping[str, Values], crds: t.Sequence[Path]
) -> str:
    inputs = {
        "format": _FORMAT,
        "mesh": order.mesh,
        "role": order.role,
        "helm": helm.identity(),
        "settings": asdict(order.settings),
        "values": values,
        "charts": {component: fingerprint(path) for component, path in charts.items()},
        "crds": [_sha256(path) for path in crds],
    }
    try:
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    except TypeError as error:
        raise AmbientError(f"a value is not JSON: {error}", path="ambient_values") from error


def _recorded(record: Path, key: str, dest: Path) -> int | None:
    """The number of objects in ``dest`` if it is what this key gave last time."""
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        if content["key"] == key and content["file"] == _sha256(dest):
            return int(content["count"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
