# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong on the wire, as data: `fake.inject(reset(), verb="patch", times=3)`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fakeapi.store import RefusedError


@dataclass(frozen=True)
class Fault:
    """What happens instead of the answer.

    Args:
        answer: this answer.
        carried_out: the request is carried out all the same.
        reset: the connection is reset.
        delay: seconds before anything else.
        cut: "body": the connection ends in the middle of the body; "json": the body ends too early, and says not so.
        watch: "cut": the watch breaks at once; "gone": it says that its version is too old.
    """

    answer: RefusedError | None = None
    carried_out: bool = False
    reset: bool = False
    delay: float = 0
    cut: str = ""
    watch: str = ""


@dataclass
class Rule:
    """A fault, the requests that it meets, and how many of them; `skip`: so many go through before."""

    fault: Fault
    verb: str = ""
    resource: str = ""
    name: str = ""
    times: int = 1
    skip: int = 0
    where: dict[str, str] = field(default_factory=dict)
    met: int = 0


def status(code: int, reason: str, message: str, *, retry_after: int = 0, cause: str = "") -> Fault:
    """An answer that is no success."""
    causes: tuple[dict[str, Any], ...] = ({"reason": cause, "message": message, "field": "metadata"},) if cause else ()
    return Fault(RefusedError(code, reason, message, causes, retry_after))


def busy(seconds: int = 1) -> Fault:
    """429 with Retry-After."""
    return status(429, "TooManyRequests", "too many requests, please try again later", retry_after=seconds)


def reset(*, carried_out: bool = False) -> Fault:
    """The connection is reset, before or after the request was carried out."""
    return Fault(reset=True, carried_out=carried_out)


def slow(seconds: float) -> Fault:
    """The answer comes late."""
    return Fault(delay=seconds)


def truncated() -> Fault:
    """The connection ends in the middle of the body."""
    return Fault(cut="body")


def cut_json() -> Fault:
    """The body ends in the middle of an object, as a proxy leaves it."""
    return Fault(cut="json")


def page_expired() -> Fault:
    """The rest of a list is no longer there."""
    return status(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")


def webhook_silent() -> Fault:
    """A webhook that does not answer within its time-out."""
    text = (
        'Internal error occurred: failed calling webhook "rev.validation.istio.io": failed to call webhook: Post '
        '"https://istiod.istio-system.svc:443/validate?timeout=10s": context deadline exceeded'
    )
    return status(500, "InternalError", text)


def terminating(namespace: str) -> Fault:
    """A namespace that takes nothing new."""
    text = f"unable to create new content in namespace {namespace} because it is being terminated"
    return status(403, "Forbidden", f'configmaps "one" is forbidden: {text}', cause="NamespaceTerminating")


def watch_cut() -> Fault:
    """A watch that breaks at once."""
    return Fault(watch="cut")


def watch_gone() -> Fault:
    """A watch whose version is too old."""
    return Fault(watch="gone")
