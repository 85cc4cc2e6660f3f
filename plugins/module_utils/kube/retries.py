# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent again, how often, and after which pause."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

try:
    from urllib3 import Retry
    from urllib3.exceptions import MaxRetryError, ReadTimeoutError
except ImportError:  # `connect` says so
    Retry = object  # type: ignore[assignment, misc]

from .errors import BAD_MANIFEST, ApiError

_SHORTEST = 0.1
_LONGEST = 4.0
_RETRY_AFTER = 10.0  # the API server's own wish is 1 s; longer ones come from proxies
_BUSY = (429, 502, 503, 504)
Check = Callable[[], None]


class Patience(Retry):
    """urllib3's retries with pauses that grow and differ, so that many threads do not come back at once.

    `check` is called before each repetition; what it raises ends them.
    """

    check: Check | None = None

    def new(self, **changes: Any) -> Any:
        """As of urllib3, `check` included."""
        other = super().new(**changes)
        other.check = self.check
        return other

    def sleep(self, response: Any = None) -> None:
        """The pause before a repetition, and the question whether it may still be sent."""
        super().sleep(response)
        if self.check is not None:
            self.check()

    def get_backoff_time(self) -> float:
        """Seconds before the next attempt."""
        if not self.history:
            return 0.0
        return spread(_SHORTEST * 2 ** (len(self.history) - 1))

    def get_retry_after(self, response: Any) -> float | None:
        """What the API server asks for, within reason."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, _RETRY_AFTER) + random.uniform(0, 0.5)

    def increment(self, method: str | None = None, url: str | None = None, *args: Any, **words: Any) -> Any:
        """A second silence is the last: each has cost a whole time-out."""
        error = words.get("error")
        if isinstance(error, ReadTimeoutError) and any(
            isinstance(past.error, ReadTimeoutError) for past in self.history
        ):
            raise MaxRetryError(words["_pool"], url or "", error) from error
        return super().increment(method, url, *args, **words)


def patience(known: bool, check: Check | None = None) -> Patience:
    """The retries of one request; `known`: this API server has answered before, so that it is worth half a minute.

    Everything may be sent twice: applies, deletes of one UID, reviews; creates and replaces look whether the first
    attempt has arrived (`Client.create`).
    """
    unreachable = 12 if known else 2
    retries = Patience(
        total=None,
        connect=unreachable,
        read=unreachable,  # a load balancer whose API server is away resets what it has accepted
        other=1,
        redirect=2,
        status=10,
        status_forcelist=_BUSY,
        allowed_methods=None,
        raise_on_status=False,
    )
    retries.check = check
    return retries


def spread(seconds: float) -> float:
    """A pause of about this length, at most some seconds."""
    return min(_LONGEST, seconds) * random.uniform(0.75, 1.25)


def worth_repeating(error: ApiError, method: str) -> bool:
    """Whether the same request may succeed a moment later, judged by what the answer says."""
    if error.status == 500 and not any(words in error.message for words in BAD_MANIFEST):
        # A webhook that does not answer has cost its own time-out already; one that refuses connections is starting.
        return not ("failed calling webhook" in error.message and _timed_out(error.message))
    if error.status == 409 and method == "PATCH":
        return not any(cause.reason == "FieldManagerConflict" for cause in error.causes)
    return False


def arrived(sent: Any, live: Any) -> bool:
    """Whether all that was sent is there as it was sent, but for the resourceVersion."""
    if isinstance(live, dict) and isinstance(sent, dict):
        return all(
            key == "resourceVersion" or (key in live and arrived(value, live[key])) for key, value in sent.items()
        )
    return bool(live == sent)


def _timed_out(message: str) -> bool:
    return any(words in message for words in ("context deadline exceeded", "Client.Timeout", "i/o timeout"))
