# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a registry what a tag is; anonymous, with a token where the registry wants one."""

from __future__ import annotations

import enum
import json
import re
import typing as t
from dataclasses import dataclass
from urllib.parse import urlencode

from ..errors import AmbientError

_HUB_HOSTS = {"docker.io": "registry-1.docker.io"}
_REFERENCE = re.compile(
    r"(?P<host>[^/@]+)/(?P<path>[a-z0-9._/-]+)(:(?P<tag>[\w][\w.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
    )
)


@dataclass(frozen=True)
class Answer:
    """What a server said: status (0: no connection), headers in lower case, body, and why there was no connection."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes = b""
    reason: str = ""


Ask = t.Callable[[str, str, t.Mapping[str, str]], Answer]


@dataclass(frozen=True)
class Reference:
    """An image's name in its parts; without tag and digest it means the tag ``latest``."""

    host: str
    path: str
    tag: str
    digest: str

    @property
    def repository(self) -> str:
        return f"{self.host}/{self.path}"


def parse_reference(text: str, where: str) -> Reference:
    """An image's name with its registry; raises AmbientError."""
    match = _REFERENCE.fullmatch(text)
    if not match or not re.search(r"[.:]|^localhost$", match["host"]):
        raise AmbientError(f"{text!r} is no image with its registry", path=where, hint="Give it as host/name:tag")
    return Reference(match["host"], match["path"], match["tag"] or "latest", match["digest"] or "")


def resolve(reference: Reference, ask: Ask) -> str:
    """The digest of a tag's manifest or index; raises AmbientError where the registry doesn't have it.

    ask: (method, url, headers) to answer.
    """
    if reference.digest:
        return reference.digest
    name = f"{reference.repository}:{reference.tag}"
    answer = _head(reference, ask)
    if answer.status == 0:
        raise AmbientError(f"the registry can't be reached ({answer.reason})", path=name)
    if answer.status in (401, 403):
        raise AmbientError("the registry wants a login", path=name, hint="Give the image by digest in ambient_images")
    if answer.status == 404:
        raise AmbientError("the registry has no such image", path=name, hint="Check ambient_hub and ambient_tag")
    digest = answer.headers.get("docker-content-digest", "")
    if answer.status != 200 or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise AmbientError(f"the registry gave no digest (status {answer.status})", path=name)
    return digest


class Existence(enum.Enum):
    """Whether a registry has an image, as far as it tells."""

    THERE = "there"
    MISSING = "missing"
    UNKNOWN = "unknown"


def existence(reference: Reference, ask: Ask) -> Existence:
    """Whether the registry has the image; AmbientError where it wants a login."""
    status = _head(reference, ask).status
    return {200: Existence.THERE, 404: Existence.MISSING}.get(status, Existence.UNKNOWN)


def _head(reference: Reference, ask: Ask) -> Answer:
    url = f"{_api(reference.host)}/v2/{reference.path}/manifests/{reference.digest or reference.tag}"
    answer = ask("HEAD", url, {"Accept": _ACCEPT})
    if answer.status == 401:
        token = _token(answer.headers.get("www-authenticate", ""), f"{reference.repository}:{reference.tag}", ask)
        answer = ask("HEAD", url, {"Accept": _ACCEPT, "Authorization": f"Bearer {token}"})
    return answer


def _api(host: str) -> str:
    """Plain HTTP on this machine only, as every container tool has it."""
    address = _HUB_HOSTS.get(host, host)
    local = address.partition(":")[0] in ("localhost", "127.0.0.1")
    return f"{'http' if local else 'https'}://{address}"


def _token(challenge: str, name: str, ask: Ask) -> str:
    fields = dict(_CHALLENGE.findall(challenge))
    realm = fields.pop("realm", "")
    if not challenge.lower().startswith("bearer ") or not realm.startswith("https://"):
        raise AmbientError("the registry wants a login", path=name, hint="Give the image by digest in ambient_images")
    answer = ask("GET", f"{realm}?{urlencode(fields)}", {})
    try:
        content = json.loads(answer.body)
        token = content.get("token") or content["access_token"]
    except (ValueError, KeyError, AttributeError, TypeError):
        token = None
    if answer.status != 200 or not isinstance(token, str):
        raise AmbientError(f"the registry gave no anonymous token (status {answer.status})", path=name)
    return token
