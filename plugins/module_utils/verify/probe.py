# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe: pods of its own, in namespaces of its own, taken through enrolment and back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import AmbientError
from ..progress import Progress
from . import certificates, facts, ztunnel
from .cluster import ISTIOD_NAMESPACE, ZTUNNEL, Cluster, look
from .observations import Certified, Exchange, Kubelet, Observations, Plain, Strict, Unenrolled
from .pods import REDIRECTION, Object, condition, identity, is_ready, labels_of, name_of, node_of, redirection, restarts
from .probe_objects import (
    CONTAINER,
    INSIDE,
    MANAGER,
    OUTSIDE,
    PROBE_LABEL,
    Plan,
    namespace,
    peer_authentication,
    workload,
)
from .verdict import Seen

T = TypeVar("T")

SETTLE = 15.0  # seconds that a change may take to reach a pod's ztunnel
WATCH_PROBES = 4.5  # seconds in which three failing kubelet probes, one a second, would show
REMOVE = 60.0


class Clock:
    """Time, so that tests need none."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


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
        self.progress = progress or Progress(None)
        self.clock = clock or Clock()
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
            self.seen.removed = self._step("removing the probe", self._remove)
        return self.seen

    def _start(self) -> None:
        seen = self.seen
        seen.started = self._step("starting the probe's pods", self._create)
        if seen.started.why or seen.started.value:
            return
        seen.plain = self._step("asking without the mesh", self._plain)
        seen.enrolled = self._step("enrolling the probe", self._enrol)
        if seen.is_enrolled:
            asked_at = self.clock.now()
            seen.meshed = self._step("asking in the mesh", lambda: self._ask(INSIDE))
            seen.log = self._step("reading ztunnel's log", lambda: self._log(asked_at))
            seen.certified = self._step("looking for the pods' certificates", self._certified)
            if seen.meshed.value and seen.meshed.value.ok:
                seen.strict = self._step("asking under STRICT", self._strict)
            else:
                seen.strict = Seen(why="no request passes in the mesh, with or without STRICT")
            seen.kubelet = self._step("watching the kubelet's probes", self._kubelet)
            seen.unenrolled = self._step("un-enrolling the probe", self._unenrol)

    def _step(self, what: str, do: Callable[[], T]) -> Seen[T]:
        self.progress.say(what)
        return look(do, what)

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
        pods = self._until(self._everywhere, lambda found: len(found) == 3 and all(map(is_ready, found)), self.timeout)
        if len(pods) < 3:
            return f"only {len(pods)} of 3 are there"
        reasons: dict[str, list[str]] = {}
        for pod in pods:
            if not is_ready(pod):
                reasons.setdefault(_why_not_ready(pod)[:300], []).append(name_of(pod))
        return "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())

    def _plain(self) -> Plain:
        return Plain(inside=self._ask(INSIDE), outside=self._ask(OUTSIDE))

    def _enrol(self) -> dict[str, str]:
        self._ready_since = {name_of(pod): _ready_since(pod) for pod in self._pods()}
        self.cluster.apply(namespace(self.plan, INSIDE, enrolled=True), MANAGER)
        marks = self._until(self._redirections, lambda found: set(found.values()) == {"enabled"}, SETTLE)
        self._enrolled_at = self.clock.now()
        return marks

    def _redirections(self) -> dict[str, str]:
        return {name_of(pod): redirection(pod) for pod in self._pods()}

    def _ask(self, space: str) -> Exchange:
        """One request that is answered, asked again until then."""
        return self._until(lambda: self._ask_once(space), lambda answer: answer.ok, SETTLE)

    def _refused(self, space: str) -> Exchange:
        """A request without an answer three times in a row: one alone may be an accident."""
        for dummy in range(3):
            answer = self._ask_once(space)
            if answer.ok:
                break
        return answer

    def _ask_once(self, space: str) -> Exchange:
        command = ["/usr/local/bin/client", "--count", "1", "--timeout", "3s", self.plan.url]
        status, out, err = self.cluster.exec(space, self.plan.client, CONTAINER, command)
        who = f"{space}/{self.plan.client}"
        if status == 0 and "StatusCode=200" in out and f"Hostname={self.plan.server}" in out:
            return Exchange(True, f"{who} got 200 from {self.plan.server}")
        return Exchange(False, f"{who} got no answer from {self.plan.server}: {_complaint(err or out, status)}")

    def _log(self, asked_at: float) -> list[ztunnel.Connection]:
        patience = 0.0 if self.seen.stand_in.value else 5.0
        return self._until(lambda: self._lines(INSIDE, asked_at), bool, patience)

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
        return self._until(self._certified_once, lambda found: not found.unknown and not found.unsigned, SETTLE)

    def _certified_once(self) -> Certified:
        pods = self._pods()
        known = facts.workloads(self.cluster, self.cluster.list("v1", "Pod", ISTIOD_NAMESPACE, "app=istiod"))
        unknown = [name_of(pod) for pod in pods if known.get(name_of(pod), {}).get("tunnelProtocol") != "HBONE"]
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
        before = self._ask(OUTSIDE)
        self.cluster.apply(peer_authentication("STRICT"), MANAGER)
        self._strict_at = self.clock.now()
        # The stand-in enforces nothing, so there is nothing to wait for; one look shows it.
        patience = 1.0 if self.seen.stand_in.value else SETTLE
        outside = self._until(lambda: self._refused(OUTSIDE), lambda answer: not answer.ok, patience)
        inside = self._ask(INSIDE)
        refused = [line["error"] for line in self._lines(OUTSIDE, self._strict_at) if line["error"]]
        return Strict(before, outside, inside, logged=refused[-1] if refused else "")

    def _kubelet(self) -> Kubelet:
        self._pause(WATCH_PROBES - (self.clock.now() - max(self._strict_at, self._enrolled_at)))
        troubles = []
        for pod in self._pods():
            if restarts(pod):
                troubles.append(f"{name_of(pod)} was restarted {restarts(pod)} times")
            elif not is_ready(pod) or _ready_since(pod) != self._ready_since.get(name_of(pod)):
                troubles.append(f"{name_of(pod)} did not stay Ready: {_why_not_ready(pod)}")
        now = self.clock.now()
        strict_for = now - self._strict_at if self._strict_at else 0.0
        return Kubelet(now - self._enrolled_at, strict_for, tuple(troubles))

    def _unenrol(self) -> Unenrolled:
        self.cluster.apply(namespace(self.plan, INSIDE), MANAGER)
        marks = self._until(self._redirections, lambda found: not any(found.values()), SETTLE)
        left = [f"{name} is still marked {REDIRECTION}: {mark}" for name, mark in marks.items() if mark]
        return Unenrolled(tuple(left), inside=self._ask(INSIDE), outside=self._ask(OUTSIDE))

    def _remove(self) -> list[str]:
        """Delete both namespaces and wait; the names of those that stay."""
        mine = [name for name in (INSIDE, OUTSIDE) if self.cluster.get("v1", "Namespace", name)]
        for pod in self._everywhere() if mine else ():
            # Gone at once: an empty namespace goes in one round of the namespace controller, a full one in two.
            self.cluster.delete("v1", "Pod", str(pod["metadata"]["name"]), str(pod["metadata"]["namespace"]))
        for name in mine:
            self.cluster.delete("v1", "Namespace", name)
        return self._until(
            lambda: [name for name in mine if self.cluster.get("v1", "Namespace", name)], lambda left: not left, REMOVE
        )

    def _everywhere(self) -> list[dict[str, Any]]:
        return [pod for space in (INSIDE, OUTSIDE) for pod in self.cluster.list("v1", "Pod", space, PROBE_LABEL)]

    def _pods(self) -> list[dict[str, Any]]:
        """The two pods in the mesh. Nothing may be said about pods that are gone."""
        found = self.cluster.list("v1", "Pod", INSIDE, PROBE_LABEL)
        if len(found) != 2:
            raise AmbientError(f"{len(found)} of the probe's 2 pods are there")
        return found

    def _until(self, read: Callable[[], T], enough: Callable[[T], bool], seconds: float) -> T:
        end = self.clock.now() + seconds
        while True:
            found = read()
            if enough(found) or self.clock.now() >= end:
                return found
            self.clock.sleep(0.3)

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self.clock.sleep(seconds)


def _complaint(output: str, status: int) -> str:
    """The cause at the end of what the client says."""
    lines = [line for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit status {status}"
    cause = last.rpartition("first error: ")[2]
    return re.sub(r'^Get "[^"]*": ', "", cause)[:200]


def _ready_since(pod: Object) -> str:
    return str(condition(pod, "Ready").get("lastTransitionTime", ""))


def _why_not_ready(pod: Object) -> str:
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        for state in (status.get("state") or {}).values():
            if state.get("reason"):
                return " ".join(f"{state['reason']}: {state.get('message', '')}".strip(": ").split())
    for kind in ("PodScheduled", "Ready"):
        found = condition(pod, kind)
        if found.get("status") == "False":
            return " ".join(f"{found.get('reason', kind)}: {found.get('message', '')}".strip(": ").split())
    return str((pod.get("status") or {}).get("phase", "unknown"))


def observe(cluster: Cluster, plan: Plan, stand_in: Seen[str], timeout: float, progress: Progress) -> Observations:
    """Run the probe on a cluster."""
    seen = Observations(plan.server_node, plan.client_node, facts.trust_domain(cluster), stand_in)
    return Probe(cluster, plan, seen, timeout, progress=progress).go()
