# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test client on a cluster: pods outside the mesh, in a namespace of their own."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster.errors import SetupError
from devcluster.kubectl import Kubectl

from . import image, pods

PATIENCE = 90.0  # seconds until a pod must run
VIA = "via waypoint "
COUNTERS = ("statuses", "routes", "reasons", "repeated")


@dataclass(frozen=True)
class Answer:
    """What became of one request. `status` 0: no answer, and `error` says why."""

    status: int
    route: str
    hostname: str
    error: str

    @property
    def via(self) -> str:
        """NAMESPACE/NAME of the waypoint that it went through; "" for none."""
        return self.route.removeprefix(VIA) if self.route.startswith(VIA) else ""


@dataclass(frozen=True)
class Totals:
    """The count of a loop since its start. `failed`: no answer, or a status that was not expected.

    `repeated`: tries that another one followed, by their reasons; none without `retries`.
    """

    total: int
    failed: int
    statuses: Counter[str]
    routes: Counter[str]
    reasons: Counter[str]
    repeated: Counter[str]
    first_errors: Sequence[Mapping[str, str]] = ()
    failed_by_second: Mapping[str, int] = field(default_factory=dict)  # only at the end

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Totals:
        """From a line of the client."""
        tally = line["sum"]
        counters = [Counter(tally[name]) for name in COUNTERS]
        errors, seconds = line.get("first_errors", ()), line.get("failed_by_second", {})
        return cls(tally["total"], tally["failed"], *counters, tuple(errors), seconds)

    def since(self, earlier: Totals) -> Totals:
        """What was counted after an earlier look at the same loop."""
        counters = [getattr(self, name) - getattr(earlier, name) for name in COUNTERS]
        errors = self.first_errors[len(earlier.first_errors) :]
        return Totals(
            self.total - earlier.total, self.failed - earlier.failed, *counters, errors, self.failed_by_second
        )

    def __str__(self) -> str:
        counts = f"{self.failed} of {self.total} failed; {dict(self.routes)} {dict(self.statuses)}"
        if self.repeated:
            counts += f", {self.repeated.total()} tries repeated: {dict(self.repeated)}"
        if not self.failed:
            return counts
        return f"{counts} {dict(self.reasons)} by second {dict(self.failed_by_second)}, first {list(self.first_errors)}"


class RoutingClient:
    """The client's namespace, from `with` to its end. What a past run left there is removed first.

    Args:
        directory: that of the cluster, with kubeconfig and environment.json.
        labels: of the namespace: the discovery label, where the mesh has discovery selectors.
    """

    def __init__(
        self, directory: Path, *, namespace: str = "routing-test-client", labels: Mapping[str, str] | None = None
    ) -> None:
        facts = json.loads((directory / "environment.json").read_text())
        self.kubectl = Kubectl(directory / "kubeconfig", facts["context"])
        self.namespace = namespace
        self._labels = dict(labels or {})
        self._image = image.ensure(directory)
        self._idle: set[str] = set()

    def __enter__(self) -> RoutingClient:
        self._remove()
        self.kubectl.apply(pods.namespace(self.namespace, self._labels), manager="routing-tests")
        # Without it a pod would not start, and the kubelet looks again only after a while.
        roots = ("get", "configmap", "istio-ca-root-cert", "--namespace", self.namespace)
        until(30, "istiod gives the namespace the mesh's roots", lambda: bool(self._tried(*roots)))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._remove()

    def _remove(self) -> None:
        words = ("delete", "namespace", self.namespace, "--ignore-not-found", "--wait", "--timeout=90s")
        self.kubectl.run(*words, timeout=100)

    def once(
        self,
        target: str,
        *,
        method: str = "GET",
        mode: str = "service",
        plaintext: bool = False,
        account: str = "client",
    ) -> Answer:
        """Send one request as this service account of the client's namespace."""
        pod = self._idle_pod(account)
        flags = ["--once", "--target", target, *_flags(method, mode, plaintext)]
        said = self.kubectl.run("exec", f"--namespace={self.namespace}", pod, "--", pods.BINARY, *flags)
        line = json.loads(said)
        return Answer(line["status"], line["route"], line["hostname"], line["error"])

    def until(self, target: str, wanted: Callable[[Answer], bool], *, seconds: float = 60, **options: Any) -> Answer:
        """The first answer that is wanted; AssertionError with the last one."""
        answers: list[Answer] = []

        def asked() -> bool:
            answers.append(self.once(target, **options))
            return wanted(answers[-1])

        until(seconds, f"the wanted answer of {target}", asked, lambda: str(answers[-1]))
        return answers[-1]

    def loop(
        self,
        name: str,
        *targets: str,
        rate: float = 20,
        method: str = "GET",
        mode: str = "service",
        plaintext: bool = False,
        account: str = "client",
        expect: Sequence[int] = (200,),
        retries: int = 0,
    ) -> Loop:
        """Start a loop and come back when its first requests have been answered.

        `retries`: as callers have them: 100 ms later, then 200 ms and so on.
        """
        flags = [word for target in targets for word in ("--target", target)]
        flags += [f"--rate={rate:g}", f"--expect={','.join(map(str, expect))}", f"--retries={retries}"]
        flags += _flags(method, mode, plaintext)
        pod = f"loop-{name}"
        self._start(pod, account, flags)
        started = Loop(self.kubectl, self.namespace, pod)
        until(30, f"loop {name} counts", lambda: started.totals().total > 0, started.log)
        return started

    def _idle_pod(self, account: str) -> str:
        pod = f"idle-{account}"
        if account not in self._idle:
            self._start(pod, account, ["idle"])
            self._idle.add(account)
        return pod

    def _start(self, pod: str, account: str, arguments: Sequence[str]) -> None:
        objects = [
            pods.account(self.namespace, account),
            pods.pod(self.namespace, pod, account, self._image, arguments),
        ]
        self.kubectl.apply({"apiVersion": "v1", "kind": "List", "items": objects}, manager="routing-tests")
        phase = ("get", "pod", pod, "--namespace", self.namespace, "--output=jsonpath={.status.phase}")
        until(PATIENCE, f"pod {pod} runs", lambda: self._tried(*phase) not in ("", "Pending"))

    def _tried(self, *arguments: str) -> str:
        try:
            return self.kubectl.run(*arguments)
        except SetupError:
            return ""


@dataclass(frozen=True)
class Loop:
    """A loop that runs in a pod."""

    kubectl: Kubectl
    namespace: str
    pod: str

    def totals(self) -> Totals:
        """The count up to the last full second."""
        line = self._last()
        return Totals.of(line) if line else Totals(0, 0, *(Counter() for _name in COUNTERS))

    def stop(self) -> Totals:
        """End the loop, once what is under way has been answered: the final count."""
        self.kubectl.run("exec", f"--namespace={self.namespace}", self.pod, "--", pods.BINARY, "stop")
        until(20, f"{self.pod} ends", lambda: self._last().get("kind") == "final", self.log)
        return self.totals()

    def seconds(self) -> list[Mapping[str, Any]]:
        """All lines so far, one a second: for looking at when a route has changed."""
        return [line for line in self._lines() if line["kind"] == "second"]

    def log(self) -> str:
        """What the pod has written last."""
        return self.kubectl.run("logs", f"--namespace={self.namespace}", self.pod, "--tail=20")

    def _last(self) -> Mapping[str, Any]:
        lines = self._lines("--tail=10")  # among them what the client says to people
        return lines[-1] if lines else {}

    def _lines(self, *options: str) -> list[Mapping[str, Any]]:
        text = self.kubectl.run("logs", f"--namespace={self.namespace}", self.pod, *options)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _flags(method: str, mode: str, plaintext: bool) -> list[str]:
    return ["--method", method, "--mode", mode, *(["--plaintext"] if plaintext else [])]


def until(seconds: float, what: str, done: Callable[[], bool], evidence: Callable[[], str] = str) -> None:
    """Ask until it is done; AssertionError with the evidence after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}. {evidence()}"
        time.sleep(0.5)
