# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's waypoint: it becomes ready, enforces a policy on methods, and cannot be got around."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import AmbientError
from .declared import GATEWAY_NAME
from .observations import Bypass, Exchange, Layer7, Observations
from .passive_waypoints import BOUND
from .pods import Object, condition, is_ready, is_true, why_not_ready
from .probe_objects import INSIDE, MANAGER, OUTSIDE, service
from .probe_restart import Restarts
from .probe_tools import SETTLE, Tools
from .probe_waypoint_objects import (
    BOUND_SERVICE,
    GATEWAY_API,
    LOCK,
    POLICY,
    SECURITY,
    WAYPOINT,
    bound_service,
    gateway,
    get_only,
    lock_down,
    urls_around,
    ways_around,
)

_COUNT = re.compile(r"rbac\S*\.(allowed|denied): (\d+)")
_ADMIN = 15000


class WaypointProbe:
    """The part of the probe that has a waypoint. It runs while the probe's namespace is enrolled."""

    def __init__(self, tools: Tools, seen: Observations, timeout: float) -> None:
        self.tools = tools
        self.cluster = tools.cluster
        self.seen = seen
        self.timeout = timeout

    @property
    def spaces(self) -> tuple[str, ...]:
        """Where a waypoint stands: a second one is of use only where ztunnel sends traffic to it."""
        return (INSIDE,) if self.seen.stand_in.value else (INSIDE, OUTSIDE)

    def make(self) -> str:
        """Make the waypoints; they become ready later."""
        for space in self.spaces:
            for manifest in gateway(self.tools.plan, space):
                self.cluster.apply(manifest, MANAGER)
        return ""

    def go(self) -> None:
        """Note what the waypoint does; what it was used for is undone afterwards."""
        seen, step = self.seen, self.tools.step
        seen.waypoint = step("waiting for the probe's waypoint", self._ready)
        if seen.waypoint.why or seen.waypoint.value:
            return
        try:
            seen.bound = step("binding the probe's Service to its waypoint", self._bind)
            seen.layer7 = step("asking through the waypoint", self._layer7)
            seen.bypass = step("trying to get around the waypoint", self._bypass)
            if self.tools.plan.disrupt:
                restarts = Restarts(self.tools, self.timeout)
                seen.waypoint_restart = step("asking while the waypoint restarts", restarts.waypoint)
        finally:
            step("taking the waypoint out of the path", self._release)

    def remove(self, spaces: Iterable[str]) -> None:
        """Delete the waypoints, so that nothing makes their pods anew."""
        for space in spaces:
            for api, kind in ((GATEWAY_API, "Gateway"), ("apps/v1", "Deployment")):
                if self.cluster.get(api, kind, WAYPOINT, space):
                    self.cluster.delete(api, kind, WAYPOINT, space)

    def _ready(self) -> str:
        """What keeps the waypoints from being ready, or ''."""
        return self.tools.until(self._unready, lambda why: not why, self.timeout)

    def _unready(self) -> str:
        for space in self.spaces:
            why = self._unready_in(space)
            if why:
                return f"{space}/{WAYPOINT} {why}"
        return ""

    def _unready_in(self, space: str) -> str:
        found = self.cluster.get(GATEWAY_API, "Gateway", WAYPOINT, space) or {}
        if not is_true(found, "Programmed"):
            said = condition(found, "Programmed")
            return f"is not programmed: {said.get('reason', 'no condition')} {said.get('message', '')}".strip()[:300]
        pods = self.pods(space)
        if any(is_ready(pod) for pod in pods):
            return ""
        if pods:
            return f"has no ready pod: {why_not_ready(pods[0])}"[:300]
        deployment = self.cluster.get("apps/v1", "Deployment", WAYPOINT, space) or {}
        said = condition(deployment, "ReplicaFailure") or condition(deployment, "Progressing")
        return f"has no pod: {said.get('message', 'istiod has made no Deployment')}"[:300]

    def pods(self, space: str = INSIDE) -> list[Object]:
        """The pods of a waypoint."""
        return list(self.cluster.list("v1", "Pod", space, f"{GATEWAY_NAME}={WAYPOINT}"))

    def _bind(self) -> str:
        """What istiod has against the binding, or ''."""
        self.cluster.apply(bound_service(), MANAGER)
        return self.tools.until(self._unbound, lambda why: not why, SETTLE)

    def _unbound(self) -> str:
        found = condition(self.cluster.get("v1", "Service", BOUND_SERVICE, INSIDE) or {}, BOUND)
        if found.get("status") == "True":
            return ""
        return f"{found.get('reason', 'no condition')}: {found.get('message', f'istiod has not set {BOUND}')}"

    def _layer7(self) -> Layer7:
        self.cluster.apply(get_only(self.seen.trust_domain), MANAGER)
        # Until the waypoint has it, both methods pass, or neither.
        patience = self.seen.patience(SETTLE)
        post = self.tools.until(lambda: self._request("POST"), lambda answer: answer.status == 403, patience)
        get = self.tools.until(lambda: self._request("GET"), lambda answer: answer.ok, patience)
        return Layer7(get, post, **self._counts())

    def _request(self, method: str) -> Exchange:
        return self.tools.once(INSIDE, method=method)

    def _counts(self) -> dict[str, int]:
        """How often the waypoint says that its policies let a request pass, and refused one; {} if it does not say."""
        counts = {"allowed": 0, "denied": 0}
        for pod in self.pods():
            meta = pod["metadata"]
            try:
                status, body = self.cluster.http_get(meta["namespace"], meta["name"], _ADMIN, "/stats?filter=rbac")
            except AmbientError:
                return {}
            if status != 200:
                return {}
            for word, number in _COUNT.findall(body):
                counts[word] += int(number)
        return counts

    def _bypass(self) -> Bypass:
        elsewhere = OUTSIDE in self.spaces
        for manifest in ways_around(elsewhere=elsewhere):
            self.cluster.apply(manifest, MANAGER)
        server = self.cluster.get("v1", "Pod", self.tools.plan.server, INSIDE) or {}
        ways = urls_around(server, elsewhere=elsewhere)
        patience = self.seen.patience(SETTLE)
        before = {way: self._answered(url, patience) for way, url in ways.items()}
        self.cluster.apply(lock_down(self.seen.trust_domain), MANAGER)
        after = self._refused(ways, patience)
        return Bypass(before, after, self.tools.ask(INSIDE))

    def _answered(self, url: str, patience: float) -> Exchange:
        return self.tools.until(lambda: self.tools.once(INSIDE, url), lambda answer: answer.ok, patience)

    def _refused(self, ways: Mapping[str, str], patience: float) -> dict[str, Exchange]:
        def attempt() -> dict[str, Exchange]:
            return {way: self.tools.refused(INSIDE, url) for way, url in ways.items()}

        return self.tools.until(attempt, lambda answers: not any(answer.ok for answer in answers.values()), patience)

    def _release(self) -> str:
        """As it was: what narrows goes first, then the label, then the waypoint."""
        self.cluster.delete(SECURITY, "AuthorizationPolicy", LOCK, INSIDE)
        self.cluster.apply(service(BOUND_SERVICE), MANAGER)
        self.cluster.delete(SECURITY, "AuthorizationPolicy", POLICY, INSIDE)
        for space in self.spaces:
            self.cluster.delete(GATEWAY_API, "Gateway", WAYPOINT, space)
        return ""
