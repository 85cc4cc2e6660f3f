# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normal form of a manifest: what the API server could not keep track of, said in words that it can."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..errors import AmbientError
from .identity import Object

_TEMPLATE = ("spec", "template", "spec")
_POD_SPECS = {
    ("v1", "Pod"): ("spec",),
    ("v1", "ReplicationController"): _TEMPLATE,
    ("apps/v1", "DaemonSet"): _TEMPLATE,
    ("apps/v1", "Deployment"): _TEMPLATE,
    ("apps/v1", "ReplicaSet"): _TEMPLATE,
    ("apps/v1", "StatefulSet"): _TEMPLATE,
    ("batch/v1", "Job"): _TEMPLATE,
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
}


def normal(obj: Object) -> Object:
    """The manifest as it is sent.

    A Secret's `stringData` becomes `data`, a pod's `serviceAccount` `serviceAccountName`. The API server does so
    anyway, but leaves the ownership behind: it would neither see that somebody else changed a value, nor give ours
    precedence, nor take away one that we no longer set.
    """
    kind = (obj.get("apiVersion"), obj.get("kind"))
    if kind == ("v1", "Secret"):
        return _secret(obj)
    path = _POD_SPECS.get(kind) if all(isinstance(word, str) for word in kind) else None  # type: ignore[arg-type]
    return obj if path is None else _pod(obj, path)


def _pod(obj: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(obj, Mapping):
        return obj
    if path:
        below = _pod(obj.get(path[0]), path[1:])
        return obj if below is obj.get(path[0]) else {**obj, path[0]: below}
    if "serviceAccount" not in obj:
        return obj
    rest = {key: value for key, value in obj.items() if key != "serviceAccount"}
    return rest if rest.get("serviceAccountName") else {**rest, "serviceAccountName": obj["serviceAccount"]}


def _secret(obj: Object) -> Object:
    for field in ("data", "stringData"):
        _refuse_non_text(obj.get(field), field)
    for key, text in (obj.get("data") or {}).items():
        _refuse_no_base64(text or "", key)
    if "stringData" not in obj:
        return obj
    plain, data = obj["stringData"] or {}, obj.get("data") or {}
    merged: dict[str, Any] = {
        **data,
        **{key: base64.b64encode((text or "").encode()).decode() for key, text in plain.items()},
    }
    rest = {key: value for key, value in obj.items() if key != "stringData"}
    return {**rest, "data": merged} if merged else rest


def _refuse_non_text(values: Any, field: str) -> None:
    """Here and not by the API server: its message would show the value."""
    if values is None:
        return
    if not isinstance(values, Mapping):
        raise AmbientError(f"{field} of a Secret must be a mapping", hint="Give texts by key")
    for key, value in values.items():
        if value is not None and not isinstance(value, str):
            raise AmbientError(f"{field}[{key}] of a Secret must be a text", hint="Put it in quotes")


def _refuse_no_base64(text: str, key: str) -> None:
    """Here as well: the API server takes it for an error of its own."""
    try:
        base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError as error:
        raise AmbientError(
            f"data[{key}] of a Secret is no base64", hint="Give plain text in stringData, or encode it"
        ) from error


def merged(one: Any, other: Any) -> Any:
    """One manifest laid over another: mappings key by key, anything else replaced unless there is nothing instead."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: merged(one.get(key), other[key]) if key in other else one[key] for key in {**one, **other}}
    return one if other is None else other
