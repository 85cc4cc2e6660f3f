# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Gateway API's CRDs: as they were published, from a directory, a file or a URL."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ..errors import AmbientError
from ..manifests.files import files_below, read_text
from ..manifests.yaml import load_all
from .fetch import is_url, local_file

Object = dict[str, t.Any]

VARIABLE = "ambient_gateway_api_crds"
GROUP = "gateway.networking.k8s.io"
BUNDLE_VERSION = f"{GROUP}/bundle-version"
_PUBLISHED = "Give the CRDs as they were published"
_POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def crd_files(source: str, sha256: str, cache: Path) -> list[Path]:
    """Return the YAML files that ``source`` (a directory, a file or a URL) names.

    Raises:
        AmbientError: nothing there, or a digest that is missing or wrong.
    """
    if not source:
        raise AmbientError(
            "is not set, and ambient_gateway_api is install",
            path=VARIABLE,
            hint="Set it to the directory, file or URL of the CRDs, or set ambient_gateway_api to require",
        )
    directory = Path(source).expanduser()
    if is_url(source) or not directory.is_dir():
        return [local_file(source, sha256, cache, VARIABLE)]
    files = [path for path in files_below(directory, (".yaml", ".yml")) if path.parent == directory]
    files = [path for path in files if path.name != "kustomization.yaml"]
    if not files:
        raise AmbientError(
            "no YAML files", path=f"{VARIABLE}: {directory}", hint="Point it at the Gateway API's config/crd/standard"
        )
    return files


def crd_objects(files: t.Sequence[Path]) -> list[Object]:
    """Return the CRDs in the files, and the admission policy that comes with them.

    Raises:
        AmbientError: unreadable, not YAML, or an object that isn't part of the Gateway API.
    """
    objects: list[Object] = []
    for path in files:
        found = load_all(read_text(path), f"{VARIABLE}: {path}")
        if not found:
            raise AmbientError("holds no object", path=f"{VARIABLE}: {path}", hint=_PUBLISHED)
        objects.extend(found)
    for obj in objects:
        _check(obj)
    if not any(obj["kind"] == "CustomResourceDefinition" for obj in objects):
        raise AmbientError(
            "no CustomResourceDefinition found", path=VARIABLE, hint="Point it at the Gateway API's config/crd/standard"
        )
    return objects


def _check(obj: Object) -> None:
    kind = str(obj.get("kind"))
    name = str((obj.get("metadata") or {}).get("name"))
    crd = kind == "CustomResourceDefinition" and name.endswith(f".{GROUP}")
    policy = kind in _POLICIES and name.endswith(GROUP)
    if not (crd or policy):
        raise AmbientError(f"{kind} {name} is not part of the Gateway API", path=VARIABLE, hint=_PUBLISHED)
