# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of manifests as far as they are read: a tree may hold what an API server would have refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import AmbientError
from ..manifests.identity import Object
from ..mesh.names import did_you_mean


def _both_ways(*fields: str) -> dict[str, Any]:
    """The fields of a source or an operation, each as it is and forbidden; there are no others."""
    names = [*fields, *(f"not{field[0].upper()}{field[1:]}" for field in fields)]
    return {_CLOSED: None, **dict.fromkeys(names, _VALUES)}


_SCALAR = object()  # a text or a number
_NUMBER = object()
_TEXTS: dict[str, Any] = {"*": _SCALAR}  # a mapping of texts
_CLOSED = "!"  # as a key: what is not named is no field
_VALUES = [_SCALAR]
_SELECTOR = {_CLOSED: None, "matchLabels": _TEXTS}
_MODE = {"mode": frozenset({"UNSET", "DISABLE", "PERMISSIVE", "STRICT"})}
_TARGET = {"kind!": _SCALAR, "name!": _SCALAR}
_ATTACHED = {"spec": {"selector": _SELECTOR, "targetRef": _TARGET, "targetRefs": [_TARGET]}}
_ROUTE = {"spec": {"parentRefs": [{}], "rules": [{"backendRefs": [{}]}]}}
_CONDITIONS = {"conditions": [{"type!": _SCALAR, "status": _SCALAR}]}
_EXPRESSION = {"key!": _SCALAR, "operator!": _SCALAR, "values": _VALUES}
_EXPRESSIONS = {**_SELECTOR, "matchExpressions": [_EXPRESSION]}
_PEER = {"podSelector": _EXPRESSIONS, "namespaceSelector": _EXPRESSIONS, "ipBlock": {"cidr": _SCALAR}}
_PORTS = [{"port": _SCALAR, "protocol": _SCALAR}]
_SOURCES = ("principals", "requestPrincipals", "namespaces", "serviceAccounts", "trustDomains")
_SOURCE = _both_ways(*_SOURCES, "ipBlocks", "remoteIpBlocks")
_OPERATION = _both_ways("hosts", "ports", "methods", "paths")
_POD_PORTS = [{"name": _SCALAR, "containerPort": _NUMBER, "protocol": _SCALAR}]
_PODS = {
    "serviceAccountName": _SCALAR,
    "containers": [{"ports": _POD_PORTS}],
    "initContainers": [{"restartPolicy": _SCALAR, "ports": _POD_PORTS}],
}
_MAKER = {"spec": {"template": {"metadata": {"labels": _TEXTS}, "spec": _PODS}}}
_META = {"metadata": {"labels": _TEXTS, "annotations": _TEXTS, "ownerReferences": [{"kind": _SCALAR, "name": _SCALAR}]}}

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
                            "selector": _EXPRESSIONS,
                        }
                    }
                }
            ],
        },
        "status": _CONDITIONS,
    },
    "AuthorizationPolicy": {
        "spec": {
            "action": frozenset({"ALLOW", "DENY", "AUDIT", "CUSTOM"}),
            "provider": {"name": _SCALAR},
            "selector": _SELECTOR,
            "targetRef": _TARGET,
            "targetRefs": [_TARGET],
            "rules": [
                {
                    _CLOSED: None,
                    "from": [{_CLOSED: None, "source": _SOURCE}],
                    "to": [{_CLOSED: None, "operation": _OPERATION}],
                    "when": [{_CLOSED: None, "key!": _SCALAR, "values": _VALUES, "notValues": _VALUES}],
                }
            ],
        },
        "status": _CONDITIONS,
    },
    "RequestAuthentication": _ATTACHED,
    "WasmPlugin": _ATTACHED,
    "HTTPRoute": _ROUTE,
    "GRPCRoute": _ROUTE,
    "VirtualService": {"spec": {"hosts": _VALUES, "gateways": _VALUES, "http": [{"route": [{"destination": {}}]}]}},
    "ServiceEntry": {"spec": {"hosts": _VALUES}},
    "DestinationRule": {"spec": {"host": _SCALAR}},
    "TrafficExtension": _ATTACHED,
    "TCPRoute": _ROUTE,
    "TLSRoute": _ROUTE,
    "EnvoyFilter": {"spec": {"workloadSelector": {"labels": _TEXTS}, "targetRefs": [_TARGET]}},
    "Telemetry": _ATTACHED,
    "NetworkPolicy": {
        "spec": {
            "podSelector": _EXPRESSIONS,
            "ingress": [{"from": [_PEER], "ports": _PORTS}],
            "egress": [{"to": [_PEER], "ports": _PORTS}],
        }
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
        for each in value if _CLOSED in shape else ():
            if each not in shape and f"{each}!" not in shape:
                hint = did_you_mean(str(each), [key.removesuffix("!") for key in shape if key != _CLOSED])
                raise AmbientError("is no field that Istio has there", path=f"{what}{_at(path, each)}", hint=hint)
        for key, inner in shape.items():
            if key == _CLOSED:
                continue
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
    elif isinstance(shape, frozenset):
        _require(isinstance(value, str) and value in shape, f"one of {', '.join(sorted(shape))}", value, what, path)
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
