# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about the mesh: who wants to call what, and how. Names that nothing bears are refused."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import AmbientError
from ..mesh.names import did_you_mean
from . import unknowns
from .classes import named_accounts
from .matching import Call
from .parts import Service
from .unknowns import Unknown
from .wording import counted
from .world import World

_UNNAMED = "default"  # the account that Kubernetes makes in every namespace
_PORTS = range(1, 65536)
_LONGEST_PORT = 5
_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"[^\s/*,]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Request:
    """What is known of a call. None: nothing is; an empty mapping: there is none, such as no token."""

    port: int | None = None
    method: str | None = None
    path: str | None = None
    host: str | None = None
    headers: Mapping[str, str | Sequence[str]] | None = None
    claims: Mapping[str, Any] | None = None
    address: str | None = None

    @property
    def unknown(self) -> Unknown:
        """What is not known, the port apart."""
        words = {
            unknowns.METHOD: self.method,
            unknowns.PATH: self.path,
            unknowns.HOST: self.host,
            unknowns.HEADERS: self.headers,
            unknowns.TOKEN: self.claims,
            unknowns.SOURCE: self.address,
            unknowns.DESTINATION: None,
        }
        return frozenset(word for word, value in words.items() if value is None)

    def call(self, principal: str, port: int) -> Call:
        """The call as a proxy sees it."""
        return Call(
            principal,
            port,
            source_ip=self.address or "",
            method=self.method or "",
            path=self.path or "",
            host=self.host or "",
            headers=self.headers or {},
            claims=self.claims or {},
        )

    def __str__(self) -> str:
        if self.method is None and self.path is None:
            return "any request"
        return f"{self.method or 'any method'} {self.path or 'any path'}"


@dataclass(frozen=True)
class Question:
    """May a service account call a Service? Both by namespace and name."""

    account: tuple[str, str]
    service: tuple[str, str]
    request: Request = Request()

    def __str__(self) -> str:
        port = f" port {self.request.port}" if self.request.port else ""
        return f"{'/'.join(self.account)} to Service {'/'.join(self.service)}{port}, {self.request}"


def question_of(world: World, params: Mapping[str, Any]) -> Question:
    """The question that the options `from`, `to`, `port`, `method` … ask of a world.

    Raises:
        AmbientError: for a name that is not there, with the one that was probably meant.
    """
    account = known_account(world, pair(params.get("from"), "from"))
    to, colon, port = str(params.get("to") or "").partition(":")
    service = known_service(world, pair(to, "to"))
    if not colon:
        return Question(account, (service.namespace, service.name), request_of(params, service))
    if not port.isdecimal() or len(port) > _LONGEST_PORT:
        raise AmbientError(f"{port!r:.40} is no port", path="to", hint="Write NAMESPACE/NAME or NAMESPACE/NAME:PORT")
    if params.get("port") not in (None, int(port)):
        raise AmbientError(f"is {params['port']}, and to says {port}", path="port", hint="Say it in one of the two")
    given = {**params, "port": int(port)}
    return Question(account, (service.namespace, service.name), request_of(given, service))


def request_of(params: Mapping[str, Any], service: Service | None = None) -> Request:
    """What the options say about a call; AmbientError for what no call can have, such as an empty method."""
    port = params.get("port")
    if port is not None and service is not None and service.ports and not service.has(port):
        known = ", ".join(str(each.number) for each in service.ports)
        raise AmbientError(f"Service {service} has no port {port}", path="port", hint=f"Known: {known}")
    if port is not None and port not in _PORTS:
        raise AmbientError(f"{port} is no port", path="port", hint="Give a number from 1 to 65535")
    path = params.get("path")
    if path is not None and (not str(path).startswith("/") or _CONTROL.search(str(path))):
        hint = "Begin it with /, and leave out control characters"
        raise AmbientError(f"{path!r} is no path", path="path", hint=hint)
    return Request(
        port,
        _text(params, "method", _METHOD, "no method of HTTP", "Name one, such as GET, or leave it out for any"),
        path,
        _text(params, "request_host", _HOST, "no host of a call", "Such as shop.example or shop.example:8080"),
        _headers(params),
        params.get("claims"),
        _address(params),
    )


def _text(params: Mapping[str, Any], option: str, shape: re.Pattern[str], what: str, hint: str) -> str | None:
    text = params.get(option)
    if text is not None and not shape.fullmatch(str(text)):
        raise AmbientError(f"{text!r} is {what}", path=option, hint=hint)
    return text


def _headers(params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The headers; AmbientError for a value that is no text, and for a name that stands twice."""
    seen: dict[str, str] = {}
    for name, value in (params.get("headers") or {}).items():
        path = f"headers.{name}"
        if not all(isinstance(each, str) for each in (name, *(value if isinstance(value, list) else [value]))):
            hint = "Put it in quotes; an empty mapping says that there are no headers"
            raise AmbientError(f"must be a text, or a list of texts, it is {value!r:.40}", path=path, hint=hint)
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise AmbientError(f"is the same header as {other}", path=path, hint="Give its values as one list")
    return params.get("headers")


def pair(text: Any, option: str) -> tuple[str, str]:
    """`NAMESPACE/NAME` in two; AmbientError where it is not that."""
    namespace, slash, name = str(text or "").partition("/")
    if not (namespace and slash and name) or "/" in name:
        shape = "must be NAMESPACE/NAME"
        raise AmbientError(shape if not text else f"{shape}, it is {text!r}", path=option, hint="Such as shop/cart")
    return namespace, name


def known_account(world: World, account: tuple[str, str], option: str = "from") -> tuple[str, str]:
    """The service account, if there is one; in manifests also one that a policy names."""
    namespace, name = account
    there = (namespace in world.namespaces) and name == _UNNAMED
    if account in world.accounts or there or (not world.live and account in named_accounts(world)):
        return account
    same = {f"{at}/{each}" for at, each in world.accounts if at == namespace}
    known = same or {f"{at}/{each}" for at, each in world.accounts}
    raise AmbientError(
        f"there is no service account {namespace}/{name}", path=option, hint=_hint(f"{namespace}/{name}", known, world)
    )


def known_service(world: World, service: tuple[str, str], option: str = "to") -> Service:
    """The Service, if there is one."""
    found = world.services.get(service)
    if found is None:
        same = {f"{at}/{each}" for at, each in world.services if at == service[0]}
        known = same or {f"{at}/{each}" for at, each in world.services}
        raise AmbientError(
            f"there is no Service {'/'.join(service)}", path=option, hint=_hint("/".join(service), known, world)
        )
    return found


def known_namespace(world: World, namespace: str, option: str) -> str:
    """The namespace, if there is one, or something in it."""
    inside = {at for at, _name in (*world.services, *world.accounts)}
    if namespace not in world.namespaces and namespace not in inside:
        known = {*world.namespaces, *inside}
        raise AmbientError(f"there is no namespace {namespace}", path=option, hint=_hint(namespace, known, world))
    return namespace


def _hint(word: str, known: set[str], world: World) -> str:
    """The name that was probably meant, or what was read where there is none at all."""
    if known:
        return did_you_mean(word, known)
    read = ", ".join(counted(len(found), kind) for kind, found in sorted(world.objects.items()) if found)
    then = "Look whether it is the right cluster" if world.live else "Add its manifest to the tree"
    return f"There is none at all; read were {read or 'no objects'}. {then}"


def _address(params: Mapping[str, Any]) -> str | None:
    address = params.get("source_ip")
    if address is None:
        return None
    try:
        return str(ipaddress.ip_address(str(address)))
    except ValueError as error:
        raise AmbientError(f"{address!r} is no IP address", path="source_ip", hint="Such as 10.0.0.7") from error
