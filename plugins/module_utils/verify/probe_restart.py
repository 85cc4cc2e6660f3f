# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests without a pause while something in their path restarts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable

from ..errors import AmbientError
from . import facts
from .cluster import ZTUNNEL
from .declared import GATEWAY_NAME
from .observations import Restart
from .pods import Object, full_name, is_ready, node_of
from .probe_objects import INSIDE, MANAGER
from .probe_tools import Tools
from .probe_waypoint_objects import WAYPOINT

_RESTARTED = "ambient.alauda.io/restarted"
_BURST = 10  # requests that the client is told to make at once: telling it takes longer than asking
_PAUSE = 0.02
_JOIN = 20.0


class Restarts:
    """Restarts ztunnel on the server's node, or the probe's waypoint, and counts the requests that fail meanwhile."""

    def __init__(self, tools: Tools, timeout: float) -> None:
        self.tools = tools
        self.cluster = tools.cluster
        self.timeout = timeout

    def ztunnel(self) -> Restart:
        """ztunnel's pod on the server's node goes, and its DaemonSet makes another."""

        def pods() -> list[Object]:
            found = facts.daemon(self.cluster, *ZTUNNEL).pods
            return [pod for pod in found if node_of(pod) == self.tools.plan.server_node]

        def restart() -> None:
            for pod in pods():
                self.cluster.restart(pod["metadata"]["namespace"], pod["metadata"]["name"])

        return self._under_load(restart, pods)

    def waypoint(self) -> Restart:
        """The waypoint's Deployment rolls out anew, as it does for another version."""
        template = {"metadata": {"annotations": {_RESTARTED: self.tools.plan.run}}}
        meta = {"name": WAYPOINT, "namespace": INSIDE}
        manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}

        def pods() -> list[Object]:
            return list(self.cluster.list("v1", "Pod", INSIDE, f"{GATEWAY_NAME}={WAYPOINT}"))

        return self._under_load(lambda: self.cluster.apply(manifest, MANAGER), pods)

    def _under_load(self, restart: Callable[[], object], pods: Callable[[], list[Object]]) -> Restart:
        old = {full_name(pod) for pod in pods()}
        if not old:
            raise AmbientError("there is no pod to restart")
        begin = self.tools.clock.now()
        load = _Load(self.tools)
        load.start()
        try:
            restart()
            now = self.tools.until(pods, lambda found: _is_renewed(old, found), self.timeout)
        finally:
            load.stop()
        trouble = "" if _is_renewed(old, now) else f"after {self.timeout:.0f} s no new pod has taken over"
        after = self.tools.ask(INSIDE)
        trouble = trouble or ("" if after.ok else f"afterwards {after.detail}")
        return Restart(load.asked, load.failed, self.tools.clock.now() - begin, trouble)


def _is_renewed(old: Iterable[str], pods: list[Object]) -> bool:
    names = {full_name(pod) for pod in pods}
    return not names & set(old) and any(is_ready(pod) for pod in pods)


class _Load:
    """Asks without end, in a thread of its own."""

    def __init__(self, tools: Tools) -> None:
        self.asked = 0
        self.failed = 0
        self._tools = tools
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def start(self) -> None:
        """Begin, with some requests before anything restarts."""
        self._burst()
        self._thread.start()

    def stop(self) -> None:
        """End, after the requests that are on their way."""
        self._end.set()
        self._thread.join(_JOIN)

    def _burst(self) -> None:
        self.failed += self._tools.burst(INSIDE, _BURST)
        self.asked += _BURST

    def _ask(self) -> None:
        while not self._end.wait(_PAUSE):
            # Where the API server did not get through to the client, no request was made.
            with contextlib.suppress(AmbientError):
                self._burst()
