# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe: pods of its own, in namespaces of its own, taken through enrolment and back."""

from __future__ import annotations

from typing import Any

from ..errors import AmbientError
from ..manifests.identity import labels_of
from ..progress import Progress
from . import certificates, facts, ztunnel
from .cluster import ISTIOD_NAMESPACE, ZTUNNEL, Cluster
from .observations import Captured, Certified, Exchange, Kubelet, Observations, Plain, Strict, Unenrolled
from .pods import (
    REDIRECTION,
    Object,
    condition,
    full_name,
    identity,
    is_ready,
    is_redirected,
    node_of,
    redirection,
    restarts,
    why_not_ready,
)
from .probe_objects import (
    INSIDE,
    MANAGER,
    OUTSIDE,
    PROBE_LABEL,
    Plan,
    late_pod,
    namespace,
    peer_authentication,
    pod_url,
    workload,
)
from .probe_restart import Restarts
from .probe_tools import SETTLE, Clock, Tools
from .probe_waypoint import WaypointProbe
from .verdict import Seen

WATCH_PROBES = 4.5  # seconds in which three failing kubelet probes, one a second, would show
REMOVE = 60.0


class Probe:
    """One run. `go` notes what it finds; what the probe made is gone afterwards."""

    def __init__(
        self,
        cluster: Cluster,
        plan: Plan,
        seen: Observations,
        timeout: float,
        *,
        progress: Progress | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.cluster = cluster
        self.plan = plan
        self.seen = seen
        self.timeout = timeout
        self.clock = clock or Clock()
        self.tools = Tools(cluster, plan, progress or Progress(None), self.clock)
        self.waypoint = WaypointProbe(self.tools, seen, timeout)
        self._enrolled_at = 0.0
        self._strict_at = 0.0
        self._ready_since: dict[str, str] = {}

    def go(self) -> Observations:
        """Run it all. AmbientError, and nothing is touched, if a namespace of that name isn't the probe's."""
        self._refuse_foreign()
        try:
            self._remove()
            self._start()
        finally:
            self.seen.removed = self.tools.step("removing the probe", self._remove)
        return self.seen

    def _start(self) -> None:
        seen = self.seen
        seen.started = self.tools.step("starting the probe's pods", self._create)
        if seen.started.why or seen.started.value:
            return
        if self.plan.waypoint:  # it starts while the pods are looked at
            seen.waypoint = self.tools.step("making the probe's waypoint", self.waypoint.make)
        seen.plain = self.tools.step("asking without the mesh", self._plain)
        seen.enrolled = self.tools.step("enrolling the probe", self._enrol)
        if seen.is_enrolled:
            asked_at = self.clock.now()
            seen.meshed = self.tools.step("asking in the mesh", lambda: self.tools.ask(INSIDE))
            seen.log = self.tools.step("reading ztunnel's log", lambda: self._log(asked_at))
            seen.certified = self.tools.step("looking for the pods' certificates", self._certified)
            if seen.meshed.value and seen.meshed.value.ok:
                seen.strict = self.tools.step("asking under STRICT", self._strict)
            else:
                seen.strict = Seen(why="no request passes in the mesh, with or without STRICT")
            seen.captured = self.tools.step("making another pod", self._capture)
            seen.kubelet = self.tools.step("watching the kubelet's probes", self._kubelet)
            if self.plan.waypoint and not seen.waypoint.why:
                self.waypoint.go()
            if self.plan.disrupt:
                what = "asking while ztunnel restarts"
                seen.ztunnel_restart = self.tools.step(what, Restarts(self.tools, self.timeout).ztunnel)
            seen.unenrolled = self.tools.step("un-enrolling the probe", self._unenrol)

    def _refuse_foreign(self) -> None:
        for name in (INSIDE, OUTSIDE):
            found = self.cluster.get("v1", "Namespace", name)
            if found and PROBE_LABEL not in labels_of(found):
                raise AmbientError(
                    "this namespace has the name of the probe's but is not the probe's",
                    path=f"Namespace {name}",
                    hint="Rename or remove it, or run the passive verification only",
                )

    def _create(self) -> str:
        """Make everything and wait until the pods are ready; what keeps them from it, or ''."""
        for name in (INSIDE, OUTSIDE):
            self.cluster.apply(namespace(self.plan, name), MANAGER)
        for manifest in workload(self.plan):
            self.cluster.apply(manifest, MANAGER)
        pods = self.tools.until(
            self._everywhere, lambda found: len(found) == 3 and all(map(is_ready, found)), self.timeout
        )
        if len(pods) < 3:
            return f"only {len(pods)} of 3 are there"
        reasons: dict[str, list[str]] = {}
        for pod in pods:
            if not is_ready(pod):
                reasons.setdefault(why_not_ready(pod)[:300], []).append(full_name(pod))
        return "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())

    def _plain(self) -> Plain:
        return Plain(inside=self.tools.ask(INSIDE), outside=self.tools.ask(OUTSIDE))

    def _enrol(self) -> dict[str, str]:
        self._ready_since = {full_name(pod): _ready_since(pod) for pod in self._pods()}
        self.cluster.apply(namespace(self.plan, INSIDE, enrolled=True), MANAGER)
        marks = self.tools.until(self._redirections, lambda found: set(found.values()) == {"enabled"}, SETTLE)
        self._enrolled_at = self.clock.now()
        return marks

    def _redirections(self) -> dict[str, str]:
        return {full_name(pod): redirection(pod) for pod in self._pods()}

    def _log(self, asked_at: float) -> list[ztunnel.Connection]:
        return self.tools.until(lambda: self._lines(INSIDE, asked_at), bool, self.seen.patience(5.0, 0.0))

    def _lines(self, space: str, since: float) -> list[ztunnel.Connection]:
        """The log lines about a client of the probe and its server, from the ztunnels of both nodes."""
        seconds = int(self.clock.now() - since) + 5
        logs = [
            self.cluster.logs(pod["metadata"]["namespace"], pod["metadata"]["name"], "istio-proxy", seconds)
            for pod in self._ztunnels()
        ]
        found = [line for log in logs for line in ztunnel.connections(log)]
        return ztunnel.between(found, (space, self.plan.client), (INSIDE, self.plan.server))

    def _ztunnels(self) -> list[dict[str, Any]]:
        nodes = (self.plan.server_node, self.plan.client_node)
        daemon = facts.daemon(self.cluster, *ZTUNNEL)
        return [pod for pod in daemon.pods if node_of(pod) in nodes and is_ready(pod)]

    def _certified(self) -> Certified:
        return self.tools.until(self._certified_once, lambda found: not found.unknown and not found.unsigned, SETTLE)

    def _certified_once(self) -> Certified:
        pods = self._pods()
        known = facts.workloads(self.cluster, self.cluster.list("v1", "Pod", ISTIOD_NAMESPACE, "app=istiod"))
        unknown = [full_name(pod) for pod in pods if known.get(full_name(pod), {}).get("tunnelProtocol") != "HBONE"]
        roots, now = facts.roots(self.cluster), facts.utc_now()
        dumps = {node_of(pod): facts.config_dump(self.cluster, pod) for pod in self._ztunnels()}
        unsigned = []
        for pod in pods:
            who = identity(pod, self.seen.trust_domain)
            problem = certificates.held(dumps.get(node_of(pod), {}), who, roots, now)
            if problem:
                unsigned.append(f"{who} on {node_of(pod)}: {problem}")
        return Certified(tuple(unknown), tuple(unsigned))

    def _strict(self) -> Strict:
        before = self.tools.ask(OUTSIDE)
        self.cluster.apply(peer_authentication("STRICT"), MANAGER)
        self._strict_at = self.clock.now()
        patience = self.seen.patience(SETTLE, 1.0)
        outside = self.tools.until(lambda: self.tools.refused(OUTSIDE), lambda answer: not answer.ok, patience)
        inside = self.tools.ask(INSIDE)
        refused = [line["error"] for line in self._lines(OUTSIDE, self._strict_at) if line["error"]]
        return Strict(before, outside, inside, logged=refused[-1] if refused else "")

    def _capture(self) -> Captured:
        """A pod that is made in the enrolled namespace."""
        self.cluster.apply(late_pod(self.plan), MANAGER)
        name = self.plan.late

        def live() -> Object:
            return self.cluster.get("v1", "Pod", name, INSIDE) or {}

        pod = self.tools.until(live, lambda found: is_ready(found) and is_redirected(found), self.timeout)
        if not is_ready(pod):
            return Captured(redirection(pod), Exchange(False, f"{INSIDE}/{name} is not ready: {why_not_ready(pod)}"))
        url = pod_url(pod)
        answer = self.tools.until(
            lambda: self.tools.once(INSIDE, url, server=name), lambda found: found.ok, self.seen.patience(SETTLE)
        )
        self.cluster.delete("v1", "Pod", name, INSIDE)
        return Captured(redirection(pod), answer)

    def _kubelet(self) -> Kubelet:
        self.tools.pause(WATCH_PROBES - (self.clock.now() - max(self._strict_at, self._enrolled_at)))
        troubles = []
        for pod in self._pods():
            if restarts(pod):
                troubles.append(f"{full_name(pod)} was restarted {restarts(pod)} times")
            elif not is_ready(pod) or _ready_since(pod) != self._ready_since.get(full_name(pod)):
                troubles.append(f"{full_name(pod)} did not stay Ready: {why_not_ready(pod)}")
        now = self.clock.now()
        strict_for = now - self._strict_at if self._strict_at else 0.0
        return Kubelet(now - self._enrolled_at, strict_for, tuple(troubles))

    def _unenrol(self) -> Unenrolled:
        self.cluster.apply(namespace(self.plan, INSIDE), MANAGER)
        marks = self.tools.until(self._redirections, lambda found: not any(found.values()), SETTLE)
        left = [f"{name} is still marked {REDIRECTION}: {mark}" for name, mark in marks.items() if mark]
        return Unenrolled(tuple(left), inside=self.tools.ask(INSIDE), outside=self.tools.ask(OUTSIDE))

    def _remove(self) -> list[str]:
        """Delete both namespaces and wait; the names of those that stay."""
        mine = [name for name in (INSIDE, OUTSIDE) if self.cluster.get("v1", "Namespace", name)]
        # Gone at once: an empty namespace goes in one round of the namespace controller, a full one in two.
        self.waypoint.remove(mine)
        for pod in [pod for name in mine for pod in self.cluster.list("v1", "Pod", name)]:
            self.cluster.delete("v1", "Pod", str(pod["metadata"]["name"]), str(pod["metadata"]["namespace"]))
        for name in mine:
            self.cluster.delete("v1", "Namespace", name)
        return self.tools.until(
            lambda: [name for name in mine if self.cluster.get("v1", "Namespace", name)], lambda left: not left, REMOVE
        )

    def _everywhere(self) -> list[dict[str, Any]]:
        return [pod for space in (INSIDE, OUTSIDE) for pod in self.cluster.list("v1", "Pod", space, PROBE_LABEL)]

    def _pods(self) -> list[dict[str, Any]]:
        """The two pods in the mesh. Nothing may be said about pods that are gone."""
        names = (self.plan.server, self.plan.client)
        found = [pod for pod in self.cluster.list("v1", "Pod", INSIDE, PROBE_LABEL) if pod["metadata"]["name"] in names]
        if len(found) != 2:
            raise AmbientError(f"{len(found)} of the probe's 2 pods are there")
        return found


def _ready_since(pod: Object) -> str:
    return str(condition(pod, "Ready").get("lastTransitionTime", ""))


def observe(cluster: Cluster, plan: Plan, stand_in: Seen[str], timeout: float, progress: Progress) -> Observations:
    """Run the probe on a cluster."""
    seen = Observations(plan, facts.trust_domain(cluster), stand_in)
    return Probe(cluster, plan, seen, timeout, progress=progress).go()
