# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server answers when it does not do what was asked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ..errors import AmbientError

UNREACHABLE = 0
# The API server's word for a manifest that is no object of its kind; its status for that is 500.
BAD_MANIFEST = ("failed to create typed patch object", "failed to convert new object")
# Admission answers with the same status and reason as a missing right.
_ADMISSION = ("exceeded quota", "denied the request", "denied request", "violates PodSecurity")
# What may be quoted of an answer about a Secret: names of fields, never values.
_OF_SECRET = re.compile(
    r"denied the request|exceeded quota|illegal base64 data|(?:unknown|duplicate) field \"[^\"]*\"|"
    r"field is immutable when `immutable` is set|field is immutable|Too long|Required value|Unsupported value|"
    r"admission webhook \"[^\"]*\"|(?<![\w.])\.(?:data|stringData|metadata|type|immutable)\b[\w.\[\]-]*|"
    + "|".join(BAD_MANIFEST)
)
_LONG = 200  # characters; a refused pod template is thousands


@dataclass(frozen=True)
class Cause:
    """One cause out of a Status: `field` as the API server writes it (`.spec.replicas`)."""

    reason: str
    field: str
    message: str


class ApiError(AmbientError):
    """A request that failed. `status` is the HTTP status, 0 where no answer came; `reason` the API's word."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        path: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, path=path, hint=hint)
        self.status = status
        self.reason = reason
        self.causes = causes


def from_response(status: int, body: bytes, path: str) -> ApiError:
    """The error for an answer that is no success; `path` says what was asked for."""
    data = _status_of(body)
    reason = str(data.get("reason") or "")
    message = str(
        data.get("message") or body[:200].decode(errors="replace").strip() or f"status {status}, no reason given"
    )
    raw_causes = (data.get("details") or {}).get("causes") or []
    causes = tuple(
        Cause(str(cause.get("reason", "")), str(cause.get("field", "")), str(cause.get("message", "")))
        for cause in raw_causes
    )
    for cause in causes:
        message = message.replace(cause.message, _without_dump(cause.message))
    if _about_secret(path) and _may_quote(status, message):
        message = _secret(status, reason, message, causes)
        causes = tuple(Cause(cause.reason, cause.field, "") for cause in causes)
    if status == 401:
        message = "the API server refuses the credentials (401 Unauthorized)"
    hint = _hint(status, reason, message, causes)
    return ApiError(" ".join(message.split()), status=status, reason=reason, causes=causes, path=path, hint=hint)


def _about_secret(path: str) -> bool:
    return re.search(r" /api/v1/(namespaces/[^/]+/)?secrets(/|$)", path) is not None


def _may_quote(status: int, message: str) -> bool:
    """Whether an answer is about what was sent: it quotes values, and so do webhooks."""
    return status in (400, 413, 422) or any(words in message for words in (*BAD_MANIFEST, *_ADMISSION))


def _secret(status: int, reason: str, message: str, causes: tuple[Cause, ...]) -> str:
    """What is wrong with a Secret, without what it holds."""
    known = [*(cause.field for cause in causes if cause.field), *_OF_SECRET.findall(message)]
    told = ", ".join(dict.fromkeys(known)) or "its answer is not shown, for it may quote the Secret"
    return f"the API server refuses the Secret ({status} {reason or 'no reason'}): {told}"


def _without_dump(message: str) -> str:
    """The reason without the value, where that is a whole pod template; the field says where to look."""
    if message.startswith("Invalid value: ") and len(message) > _LONG:
        return "Invalid value: " + message.rpartition(": ")[2]
    return message


def _hint(status: int, reason: str, message: str, causes: tuple[Cause, ...]) -> str:
    if any(words in message for words in BAD_MANIFEST):
        return "Mend that field of the manifest"
    if status == 401:
        return "The token or certificate is wrong or has expired: get new credentials"
    if any(cause.reason == "NamespaceTerminating" for cause in causes):
        return "Run again when the namespace is gone; its status says what holds it"
    if "failed calling webhook" in message:
        return "Look at the webhook's service and its pods, then run again"
    if status == 409 and reason == "Conflict" and not causes:
        return "Another client has changed it meanwhile: run again"
    if status == 403 and reason == "Forbidden" and not any(words in message for words in _ADMISSION):
        return "The user of this kubeconfig lacks the right"
    if status == 429:
        return "The API server is overloaded: run again later"
    if status == 413 or "Too long: may not be more than" in message:
        return "Make the object smaller: split what it holds"
    if status in (400, 422):
        immutable = "field is immutable" in message or "may not change" in message
        return "Delete the object first, or leave that field as it is" if immutable else "Mend the manifest"
    if status == 404 and message.startswith("namespaces "):
        return "Add the namespace to the set, or create it first"
    if status >= 500:
        return "The API server or its etcd is in trouble: run again when it is well"
    return ""


def _status_of(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def explain(error: AmbientError) -> str:
    """Why a request failed, in the words of the person who must do something about it."""
    conflicts = [cause for cause in getattr(error, "causes", ()) if cause.reason == "FieldManagerConflict"]
    if conflicts:
        fields = "; ".join(f"{cause.field} is held by {_holder(cause.message)}" for cause in conflicts)
        return f"conflict: {fields}. Take the field out of the values, or set force_conflicts to take it over"
    return f"{error.message}. {error.hint}" if error.hint else error.message


def _holder(message: str) -> str:
    parts = message.split('"')
    return parts[1] if len(parts) > 2 else message
