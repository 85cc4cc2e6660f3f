# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of manifests as far as they are read: a tree may hold what an API server would have refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import AmbientError
from ..manifests.identity import Object

_SCALAR = object()  # a text or a number
_NUMBER = object()
_TEXTS: dict[str, Any] = {"*": _SCALAR}  # a mapping of texts
_VALUES = [_SCALAR]
_SELECTOR = {"matchLabels": _TEXTS}
_MODE = {"mode": _SCALAR}
_TARGET = {"kind!": _SCALAR, "name!": _SCALAR}
_CONDITIONS = {"conditions": [{"type!": _SCALAR, "status": _SCALAR}]}
_EXPRESSION = {"key!": _SCALAR, "operator!": _SCALAR, "values": _VALUES}
_PODS = {
    "serviceAccountName": _SCALAR,
    "containers": [{"ports": [{"name": _SCALAR, "containerPort": _NUMBER}]}],
}
_MAKER = {"spec": {"template": {"metadata": {"labels": _TEXTS}, "spec": _PODS}}}
_META = {"metadata": {"labels": _TEXTS, "annotations": _TEXTS, "ownerReferences": [{"kind": _SCALAR}]}}

#: By kind. A key that ends in `!` must be there; `*` stands for every key; what is not named may be anything.
_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "Service": {"spec": {"selector": _TEXTS, "ports": [{"port!": _NUMBER, "targetPort": _SCALAR}]}},
    "Pod": {"spec": _PODS, "status": {"phase": _SCALAR}},
    "Deployment": _MAKER,
    "StatefulSet": _MAKER,
    "DaemonSet": _MAKER,
    "Gateway": {
        "spec": {
            "gatewayClassName": _SCALAR,
            "listeners": [
                {
                    "allowedRoutes": {
                        "namespaces": {
                            "from": _SCALAR,
                            "selector": {**_SELECTOR, "matchExpressions": [_EXPRESSION]},
                        }
                    }
                }
            ],
        },
        "status": _CONDITIONS,
    },
    "AuthorizationPolicy": {
        "spec": {
            "action": _SCALAR,
            "provider": {"name": _SCALAR},
            "selector": _SELECTOR,
            "targetRef": _TARGET,
            "targetRefs": [_TARGET],
            "rules": [
                {
                    "from": [{"source": {"*": _VALUES}}],
                    "to": [{"operation": {"*": _VALUES}}],
                    "when": [{"key!": _SCALAR, "values": _VALUES, "notValues": _VALUES}],
                }
            ],
        },
        "status": _CONDITIONS,
    },
    "PeerAuthentication": {"spec": {"selector": _SELECTOR, "mtls": _MODE, "portLevelMtls": {"*": _MODE}}},
}


def checked(objects: Iterable[Object]) -> Iterator[Object]:
    """The objects; AmbientError with the object and the field of the first one that cannot be read."""
    for obj in objects:
        kind = str(obj.get("kind"))
        metadata = obj.get("metadata") or {}
        place = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
        for shape in (_META, _SHAPES.get(kind, {})):
            _look(obj, shape, f"{kind} {place}: ", "")
        yield obj


def _look(value: Any, shape: Any, what: str, path: str) -> None:
    if value is None:
        return
    if isinstance(shape, Mapping):
        _require(isinstance(value, Mapping), "a mapping", value, what, path)
        for key, inner in shape.items():
            name = key.removesuffix("!")
            if key != name and value.get(name) is None:
                raise AmbientError("is missing", path=f"{what}{_at(path, name)}", hint="Mend the manifest")
            for each in value if key == "*" else (name,):
                _look(value.get(each), inner, what, _at(path, each))
    elif isinstance(shape, list):
        _require(isinstance(value, list), "a list", value, what, path)
        for at, each in enumerate(value):
            _require(each is not None, "an entry", each, what, f"{path}[{at}]")
            _look(each, shape[0], what, f"{path}[{at}]")
    elif shape is _NUMBER:
        whole = isinstance(value, int) or (isinstance(value, str) and value.isdecimal())
        _require(whole and not isinstance(value, bool), "a number", value, what, path)
    else:
        _require(not isinstance(value, Mapping | list), "a text", value, what, path)


def _at(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _require(holds: bool, wanted: str, value: Any, what: str, path: str) -> None:
    if not holds:
        raise AmbientError(f"must be {wanted}, it is {value!r:.40}", path=f"{what}{path}", hint="Mend the manifest")
