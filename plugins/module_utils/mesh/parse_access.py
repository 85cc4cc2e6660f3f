# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the entries under `access` of a namespace."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import holds_password
from .access_texts import wrong_host, wrong_method, wrong_path, wrong_text
from .intents import Caller, CallerKind, Intent, Jwt, Target, TargetKind
from .names import is_dns_label, is_dns_subdomain
from .reader import Reader, shown, type_name

_KEYS = ("to", "from", "ports", "methods", "paths", "hosts", "jwt")
_NARROWING = ("to", "ports", "methods", "paths", "hosts", "jwt")
_NARROWING_TOKENS = ("audiences", "claims")
_EXAMPLE = "{to: {service: cart}, from: [{service_account: web}]}"
_FROM = "[{service_account: web}]"
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_CLAIM = re.compile(r"[^\s\[\]]+")
_LONGEST_ACCOUNT = 150  # the names of its policies hold it, and the name of a Service
_PRIVATE = {"d", "k", "p", "q"}  # of a key that is not public


def read_access(reader: Reader, path: str, value: Any, namespace: str) -> tuple[Intent, ...]:
    """The entries; their errors go to the reader."""
    found = [_intent(reader, where, entry, namespace) for where, entry in reader.entries(path, value, f"- {_EXAMPLE}")]
    return tuple(intent for intent in found if intent)


def _intent(reader: Reader, path: str, value: Any, namespace: str) -> Intent | None:
    fields = reader.entry(path, value, _KEYS, _EXAMPLE)
    if not fields:
        return None
    _refuse_nothing(reader, path, value, _NARROWING)
    target, selector = _target(reader, f"{path}.to", fields.get("to"))
    return Intent(
        target=target,
        selector=selector,
        callers=_callers(reader, f"{path}.from", fields, namespace),
        ports=_ports(reader, f"{path}.ports", fields.get("ports")),
        methods=_texts(reader, f"{path}.methods", fields.get("methods"), "[GET]", wrong_method),
        paths=_texts(reader, f"{path}.paths", fields.get("paths"), "[/api/*]", wrong_path),
        hosts=_texts(reader, f"{path}.hosts", fields.get("hosts"), "[shop.example]", wrong_host),
        jwt=_jwt(reader, f"{path}.jwt", fields["jwt"]) if "jwt" in fields else None,
        path=path,
    )


def _target(reader: Reader, path: str, value: Any) -> tuple[Target, Mapping[str, str]]:
    everything = Target(TargetKind.NAMESPACE)
    if value is None:
        return everything, {}
    fields = reader.mapping(path, value, ("service", "service_account", "selector"), "{service: cart}")
    named = [key for key in ("service", "service_account") if key in fields]
    if len(named) != 1:
        if isinstance(value, Mapping) and all(key in ("service", "service_account", "selector") for key in value):
            hint = "Write {service: cart}, or leave it out for everything in the namespace"
            reader.error(path, "takes one of service and service_account", hint)
        return everything, {}
    (key,) = named
    _check_target(reader, f"{path}.{key}", key, fields[key])
    if key == "service_account" and "selector" in fields:
        hint = "Take it out: the pods of a service account are read from the cluster"
        reader.error(f"{path}.selector", "a service account has no selector", hint)
    kind = TargetKind.SERVICE if key == "service" else TargetKind.ACCOUNT
    selector = fields.get("selector")
    if selector == {}:
        reader.error(f"{path}.selector", "no labels are given", "Write the Service's selector: {app: cart}")
    return Target(kind, str(fields[key])), reader.labels(f"{path}.selector", selector)


def _check_target(reader: Reader, path: str, key: str, name: Any) -> None:
    if key == "service":
        reader.name(path, name)
    elif reader.account(path, name) and len(name) > _LONGEST_ACCOUNT:
        message = f"{len(name)} characters are too many for the names of its policies"
        hint = f"Use at most {_LONGEST_ACCOUNT}, or give access to its Services: to: {{service: …}}"
        reader.error(path, message, hint)


def _callers(reader: Reader, path: str, fields: Mapping[str, Any], namespace: str) -> tuple[Caller, ...]:
    if "from" not in fields:
        reader.error(path, "who may call is missing", f"Write from: {_FROM}, or [{{any: true}}] for everybody")
        return ()
    entries = reader.entries(path, fields["from"], _FROM)
    if fields["from"] == []:
        reader.error(path, "nobody is named", f"Write {_FROM}, or take the entry out")
    found = [_caller(reader, where, entry, namespace) for where, entry in entries]
    return tuple(sorted({caller for caller in found if caller}, key=Caller.order))


def _caller(reader: Reader, path: str, value: Any, namespace: str) -> Caller | None:
    keys = [kind.value for kind in CallerKind]
    fields = reader.entry(path, value, keys, "{service_account: web}")
    if not fields:
        return None
    if len(fields) != 1:
        reader.error(path, f"says two things: {', '.join(sorted(fields))}", "Make an entry of each of them")
        return None
    ((key, said),) = fields.items()
    if key not in keys:
        return None
    kind = CallerKind(key)
    if kind is CallerKind.ANY:
        if said is not True:
            reader.error(f"{path}.any", f"{shown(said)} is not true", "Say any: true, or take the entry out")
        return Caller(kind, path=path)
    if kind is CallerKind.NAMESPACE:
        return Caller(kind, said, path=path) if reader.name(f"{path}.namespace", said) else None
    where, slash, name = said.rpartition("/") if isinstance(said, str) else ("", "", "")
    what, fits = ("Service", is_dns_label) if kind is CallerKind.SERVICE else ("service account", is_dns_subdomain)
    if not (fits(name) and (is_dns_label(where) if slash else True)):
        reader.error(f"{path}.{key}", f"{shown(said)} is not a {what}", "Write its name, or NAMESPACE/NAME")
        return None
    return Caller(kind, where or namespace, name, path)


def _ports(reader: Reader, path: str, value: Any) -> tuple[int, ...]:
    _refuse_empty(reader, path, value)
    return reader.ports(path, value)


def _refuse_empty(reader: Reader, path: str, value: Any) -> None:
    """A list without entries could mean nothing or all, and a template that came to nothing would open all."""
    if value == []:
        reader.error(path, "the list is empty", "Take it out to allow all of them")


def _refuse_nothing(reader: Reader, path: str, value: Mapping[str, Any], keys: Iterable[str]) -> None:
    """The same for a key that is left empty."""
    for key in keys:
        if key in value and value[key] is None:
            reader.error(f"{path}.{key}", "nothing is said", "Take it out if it shall not narrow anything")


def _texts(
    reader: Reader, path: str, value: Any, example: str, wrong: Callable[[str], tuple[str, str] | None]
) -> tuple[str, ...]:
    """Texts in their order in the alphabet. `wrong`: what is wrong with one, and what to do; None if nothing is."""
    _refuse_empty(reader, path, value)
    found = set()
    for where, text in reader.entries(path, value, example):
        if not isinstance(text, str):
            reader.error(where, f"{type_name(text)} where a string is expected", f"Write {example}")
        elif problem := wrong(text):
            reader.error(where, *problem)
        else:
            found.add(text)
    return tuple(sorted(found))


def _jwt(reader: Reader, path: str, value: Any) -> Jwt | None:
    keys = ("issuer", "jwks_uri", "jwks", "audiences", "claims")
    fields = reader.entry(path, value, keys, "{issuer: …, jwks_uri: …}")
    if not fields:
        return None
    issuer, uri, keys_text = (fields.get(key, "") for key in ("issuer", "jwks_uri", "jwks"))
    if not isinstance(issuer, str) or wrong_text(issuer) or "*" in issuer:
        message = f"{shown(issuer)} is not an issuer" if issuer else "the issuer is missing"
        reader.error(f"{path}.issuer", message, "Write the claim iss of its tokens, such as https://id.example")
    if bool(uri) == bool(keys_text):
        reader.error(path, "takes one of jwks_uri and jwks", "Write jwks_uri: https://id.example/keys")
    elif uri and not (isinstance(uri, str) and _URL.fullmatch(uri)):
        reader.error(f"{path}.jwks_uri", f"{shown(uri)} is not an address", "Write https://id.example/keys")
    elif uri and holds_password(uri):
        message = "holds a user or a password, which all would see who may read the policy"
        reader.error(f"{path}.jwks_uri", message, "Serve the public keys without a login, or give them as jwks")
    elif keys_text:
        _check_keys(reader, f"{path}.jwks", keys_text)
    _refuse_nothing(reader, path, value, _NARROWING_TOKENS)
    audiences = _texts(reader, f"{path}.audiences", fields.get("audiences"), "[shop]", wrong_text)
    claims = _claims(reader, f"{path}.claims", fields.get("claims"))
    return Jwt(str(issuer), str(uri), str(keys_text), audiences, claims)


def _check_keys(reader: Reader, path: str, text: Any) -> None:
    hint = """Write it as JSON text: '{"keys": [{"kty": "RSA", …}]}'"""
    if not isinstance(text, str):
        reader.error(path, f"{type_name(text)} where a string is expected", hint)
        return
    try:
        keys = json.loads(text)["keys"]
        public = all(_PRIVATE.isdisjoint(key) and key["kty"] for key in keys) and bool(keys)
    except (ValueError, TypeError, KeyError):
        reader.error(path, "is no JSON Web Key Set", hint)
        return
    if not public:
        reader.error(path, "holds a private key, or none", "Leave only the issuer's public keys in it")


def _claims(reader: Reader, path: str, value: Any) -> dict[str, tuple[str, ...]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not value:
        what = type_name(value) if not isinstance(value, Mapping) else "nothing"
        reader.error(path, f"{what} where a mapping of claims is expected", "Write {groups: [admin]}")
        return {}
    found = {}
    for name, values in sorted(value.items(), key=str):
        if not isinstance(name, str) or not _CLAIM.fullmatch(name):
            reader.error(path, f"{shown(name)} is not the name of a claim", "Leave out blanks and brackets")
        elif values is None:
            reader.error(f"{path}[{name}]", "nothing where a list is expected", "Write '[admin]'")
        else:
            found[name] = _texts(reader, f"{path}[{name}]", values, "[admin]", wrong_text)
    return found
