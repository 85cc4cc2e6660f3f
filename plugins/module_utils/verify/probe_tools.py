# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the probe works with: time, steps, and requests of the probe's clients."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from ..progress import Progress
from .cluster import Cluster, look
from .observations import Exchange
from .probe_objects import CONTAINER, Plan
from .verdict import Seen

T = TypeVar("T")

SETTLE = 15.0  # seconds that a change may take to reach a pod's ztunnel

_ERRORS = re.compile(r"(\d+)/\d+ requests had errors")
_STATUS = re.compile(r"StatusCode=(\d+)")
_ENVOY = re.compile(r"Server:istio-envoy|RBAC: access denied", re.IGNORECASE)


class Clock:
    """Time, so that tests need none."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Tools:
    """Looks until something is so, and asks as the probe's clients ask."""

    def __init__(self, cluster: Cluster, plan: Plan, progress: Progress, clock: Clock) -> None:
        self.cluster = cluster
        self.plan = plan
        self.progress = progress
        self.clock = clock

    def step(self, what: str, do: Callable[[], T]) -> Seen[T]:
        """Say what is done and do it; an error becomes the reason why nothing was seen."""
        self.progress.say(what)
        return look(do, what)

    def until(self, read: Callable[[], T], enough: Callable[[T], bool], seconds: float) -> T:
        """What is read once it is enough, or when the time is over."""
        end = self.clock.now() + seconds
        while True:
            found = read()
            if enough(found) or self.clock.now() >= end:
                return found
            self.clock.sleep(0.3)

    def pause(self, seconds: float) -> None:
        """Wait, if there is anything to wait for."""
        if seconds > 0:
            self.clock.sleep(seconds)

    def ask(self, space: str, url: str = "") -> Exchange:
        """One request that is answered, asked again until then."""
        return self.until(lambda: self.once(space, url), lambda answer: answer.ok, SETTLE)

    def refused(self, space: str, url: str = "") -> Exchange:
        """A request without an answer three times in a row: one alone may be an accident."""
        for dummy in range(3):
            answer = self.once(space, url)
            if answer.ok:
                break
        return answer

    def burst(self, space: str, count: int) -> int:
        """Requests of a client to the server, 20 a second, each on a connection of its own: how many failed.

        Where some got no answer at all, the client does not tell what the others got; they count as answered.
        """
        limits = ["--count", str(count), "--qps", "20", "--timeout", "2s", "--new-connection-per-request"]
        command = ["/usr/local/bin/client", *limits, self.plan.url]
        status, out, err = self.cluster.exec(space, self.plan.client, CONTAINER, command)
        if status == 0:
            return count - out.count("StatusCode=200")
        found = _ERRORS.search(err or out)
        return int(found[1]) if found else count

    def once(self, space: str, url: str = "", method: str = "GET", server: str = "") -> Exchange:
        """One request of a namespace's client; the answer counts if it is the server's."""
        who, server = f"{space}/{self.plan.client}", server or self.plan.server
        words = ["--method", method] if method != "GET" else []
        command = ["/usr/local/bin/client", "--count", "1", "--timeout", "3s", *words, url or self.plan.url]
        status, out, err = self.cluster.exec(space, self.plan.client, CONTAINER, command)
        found = _STATUS.search(out)
        code = int(found[1]) if status == 0 and found else 0
        envoy = _ENVOY.search(out)
        if code == 200 and f"Hostname={server}" in out:
            return Exchange(True, f"{who} got 200 from {server}", code, envoy[0] if envoy else "")
        cause = f"HTTP {code}" if code else _complaint(err or out, status)
        return Exchange(False, f"{who} got no answer from {server}: {cause}", code, envoy[0] if envoy else "")


def _complaint(output: str, status: int) -> str:
    """The cause at the end of what the client says."""
    lines = [line for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit status {status}"
    cause = last.rpartition("first error: ")[2]
    return re.sub(r'^Get "[^"]*": ', "", cause)[:200]
