# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of manifests as far as they are read: a tree may hold what an API server would have refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import AmbientError
from ..manifests.identity import Object, group_of
from ..mesh.names import did_you_mean, is_dns_label, is_dns_subdomain
from .refused import refuse_values


def _both_ways(*fields: str) -> dict[str, Any]:
    """The fields of a source or an operation, each as it is and forbidden; there are no others."""
    names = [*fields, *(f"not{field[0].upper()}{field[1:]}" for field in fields)]
    return {_CLOSED: None, **dict.fromkeys(names, _VALUES)}


_SCALAR = object()  # a text or a number
_TEXT = object()
_FLAG = object()
_PORT = object()
_TEXTS: dict[str, Any] = {"*": _TEXT}  # a mapping of texts
_NUMBERS = range(1, 65536)
_CLOSED = "!"  # as a key: what is not named is no field
_VALUES = [_TEXT]
_SELECTOR = {_CLOSED: None, "matchLabels": _TEXTS}
_MODE = {"mode": frozenset({"UNSET", "DISABLE", "PERMISSIVE", "STRICT"})}
_TARGET = {"kind!": _SCALAR, "name!": _SCALAR}
_ATTACHED = {"spec": {"selector": _SELECTOR, "targetRef": _TARGET, "targetRefs": [_TARGET]}}
_REFERENCE = {"name!": _SCALAR, "namespace": _SCALAR, "port": _PORT}
_FILTERS = [{"requestMirror": {"backendRef!": _REFERENCE}}]
_ROUTE = {"spec": {"parentRefs": [_REFERENCE], "rules": [{"backendRefs": [_REFERENCE], "filters": _FILTERS}]}}
_DESTINATION = {"host!": _SCALAR, "port": {"number": _PORT}}
_DESTINATIONS = [{"destination": _DESTINATION}]
_ROUTES = [{"route": _DESTINATIONS, "mirror": _DESTINATION, "mirrors": _DESTINATIONS}]
_CONDITIONS = {"conditions": [{"type!": _SCALAR, "status": _SCALAR}]}
_EXPRESSION = {"key!": _SCALAR, "operator!": _SCALAR, "values": _VALUES}
_EXPRESSIONS = {**_SELECTOR, "matchExpressions": [_EXPRESSION]}
_PEER = {"podSelector": _EXPRESSIONS, "namespaceSelector": _EXPRESSIONS, "ipBlock": {"cidr": _SCALAR}}
_PORTS = [{"port": _SCALAR, "endPort": _PORT, "protocol": _SCALAR}]
_SOURCES = ("principals", "requestPrincipals", "namespaces", "serviceAccounts", "trustDomains")
_SOURCE = _both_ways(*_SOURCES, "ipBlocks", "remoteIpBlocks")
_OPERATION = _both_ways("hosts", "ports", "methods", "paths")
_PROTOCOL = frozenset({"TCP", "UDP", "SCTP"})
_POD_PORTS = [{"name": _SCALAR, "containerPort": _PORT, "protocol": _PROTOCOL}]
_SERVICE_PORT = {"port!": _PORT, "targetPort": _SCALAR, "protocol": _PROTOCOL}
_PODS = {
    "serviceAccountName": _TEXT,
    "hostNetwork": _FLAG,
    "containers": [{"ports": _POD_PORTS}],
    "initContainers": [{"restartPolicy": _SCALAR, "ports": _POD_PORTS}],
}
_MAKER = {"spec": {"template": {"metadata": {"labels": _TEXTS}, "spec": _PODS}}}
_GATEWAY = "gateway.networking.k8s.io"
_SECURITY = "security.istio.io"
_NETWORKING = "networking.istio.io"
_EXTENSIONS = "extensions.istio.io"
_META = {"metadata": {"labels": _TEXTS, "annotations": _TEXTS, "ownerReferences": [{"kind": _SCALAR, "name": _SCALAR}]}}

#: By group and kind. A key that ends in `!` must be there; `*` stands for every key; what is not named may be anything.
_SHAPES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("", "Namespace"): {},
    ("", "ServiceAccount"): {},
    ("", "Service"): {"spec": {"selector": _TEXTS, "ports": [_SERVICE_PORT]}},
    ("", "Pod"): {"spec": _PODS, "status": {"phase": _SCALAR}},
    ("apps", "Deployment"): _MAKER,
    ("apps", "StatefulSet"): _MAKER,
    ("apps", "DaemonSet"): _MAKER,
    (_GATEWAY, "Gateway"): {
        "spec": {
            "gatewayClassName": _SCALAR,
            "listeners": [
                {
                    "port": _PORT,
                    "allowedRoutes": {
                        "namespaces": {
                            "from": frozenset({"All", "Same", "Selector", "None"}),
                            "selector": _EXPRESSIONS,
                        }
                    },
                }
            ],
        },
        "status": _CONDITIONS,
    },
    (_SECURITY, "AuthorizationPolicy"): {
        "spec": {
            _CLOSED: None,
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
    (_SECURITY, "RequestAuthentication"): _ATTACHED,
    (_EXTENSIONS, "WasmPlugin"): _ATTACHED,
    (_GATEWAY, "HTTPRoute"): _ROUTE,
    (_GATEWAY, "GRPCRoute"): _ROUTE,
    (_NETWORKING, "VirtualService"): {
        "spec": {"hosts": _VALUES, "gateways": _VALUES, "http": _ROUTES, "tls": _ROUTES, "tcp": _ROUTES}
    },
    (_NETWORKING, "ServiceEntry"): {"spec": {"hosts": _VALUES}},
    (_NETWORKING, "DestinationRule"): {"spec": {"host": _SCALAR}},
    (_EXTENSIONS, "TrafficExtension"): _ATTACHED,
    (_GATEWAY, "TCPRoute"): _ROUTE,
    (_GATEWAY, "TLSRoute"): _ROUTE,
    (_NETWORKING, "EnvoyFilter"): {"spec": {"workloadSelector": {"labels": _TEXTS}, "targetRefs": [_TARGET]}},
    ("telemetry.istio.io", "Telemetry"): _ATTACHED,
    ("networking.k8s.io", "NetworkPolicy"): {
        "spec": {
            "podSelector": _EXPRESSIONS,
            "ingress": [{"from": [_PEER], "ports": _PORTS}],
            "egress": [{"to": [_PEER], "ports": _PORTS}],
        }
    },
    (_SECURITY, "PeerAuthentication"): {
        "spec": {_CLOSED: None, "selector": _SELECTOR, "mtls": _MODE, "portLevelMtls": {"*": _MODE}}
    },
}


def checked(objects: Iterable[Object]) -> Iterator[Object]:
    """The objects; AmbientError with the object and the field of the first one that cannot be read."""
    for obj in objects:
        metadata = obj.get("metadata") or {}
        place = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
        what = f"{obj.get('kind')} {place}: "
        _look(obj, _META, what, "")
        key = (group_of(obj), str(obj.get("kind")))
        shape = _SHAPES.get(key)
        if meant := next((kind for group, kind in _SHAPES if _alike((group, kind), key)), ""):
            raise AmbientError("is no kind of that API", path=f"{what}kind", hint=f"Did you mean {meant}?")
        if shape is not None:
            _refuse_odd_names(obj, what)
            _look(obj, shape, what, "")
        if obj.get("kind") == "AuthorizationPolicy" and shape:
            refuse_values(obj.get("spec") or {}, what)
        yield obj


def _alike(known: tuple[str, str], key: tuple[str, str]) -> bool:
    """Whether they differ in capitals alone."""
    return known != key and (known[0], known[1].lower()) == (key[0], key[1].lower())


def _refuse_odd_names(obj: Object, what: str) -> None:
    """Names that Kubernetes does not take; those of a template that nobody has rendered are such."""
    for key, fits in (("name", is_dns_subdomain), ("namespace", is_dns_label)):
        name = (obj.get("metadata") or {}).get(key)
        if name and not fits(str(name)):
            hint = "Render the template first" if "{" in str(name) else "Mend the manifest"
            raise AmbientError(f"{name!r} is not a name that Kubernetes takes", path=f"{what}metadata.{key}", hint=hint)


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
    elif shape is _PORT:
        whole = isinstance(value, int) and not isinstance(value, bool)
        _require(whole and value in _NUMBERS, "a number from 1 to 65535", value, what, path)
    elif shape is _FLAG:
        _require(isinstance(value, bool), "true or false", value, what, path)
    elif shape is _TEXT:
        _require(isinstance(value, str), "a text", value, what, path)
    else:
        _require(not isinstance(value, Mapping | list), "a text", value, what, path)


def _at(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _require(holds: bool, wanted: str, value: Any, what: str, path: str) -> None:
    if not holds:
        raise AmbientError(f"must be {wanted}, it is {value!r:.40}", path=f"{what}{path}", hint="Mend the manifest")
