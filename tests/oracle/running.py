# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs cases on a cluster: brings them there, waits until the waypoints know them, asks, and compares."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.authz.deciding import Decision, decide
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import Call, Proxy
from ansible_collections.alauda.ambient.plugins.module_utils.authz.reading import read_cluster
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from devcluster.kubectl import Kubectl
from routing import RoutingClient, pods
from routing.client import until

from . import objects
from .cases import Group, Plan, Request
from .generate import CANARY_HEADER, GATED
from .signing import Authority, TokenKey
from .vocabulary import IDENTITIES, NAMESPACE, TOKENS

_PATIENCE = 60.0  # seconds until the waypoints know all policies
_MANAGER = "oracle"
_BROUGHT = "authorizationpolicies.security.istio.io,requestauthentications.security.istio.io"


@dataclass(frozen=True)
class Verdict:
    """What a proxy did with a request, and what we say that it does.

    Attributes:
        through: whether it let the request through; None where it was not the policies that answered.
        said: the answer, or what went wrong.
    """

    name: str
    group: Group
    request: Request
    through: bool | None
    route: str
    said: str
    ours: Decision

    @property
    def agrees(self) -> bool:
        """Whether we say the same."""
        return self.ours.allowed == self.through

    def __str__(self) -> str:
        policies = json.dumps([{**each["spec"], "targetRefs": None} for each in self.group.policies])
        tokens = "tokens are read" if reads_tokens(self.group) else "tokens are not read"
        ours = f"we say {'allowed' if self.ours.allowed else 'denied'}: {self.ours.reason}"
        lines = [f"{self.name} {self.route}, {tokens}: {self.request}"]
        return "\n  ".join([*lines, f"the proxy lets it through: {self.through}, {self.said[:200]!r}", ours, policies])


def let_through(request: Request, answer: Mapping[str, Any]) -> bool | None:
    """Whether a waypoint has: its policies refuse with words of their own, which an answer to HEAD cannot have."""
    if answer["status"] == 403 and (answer["body"].startswith("RBAC") or request.method == "HEAD"):
        return False
    return True if answer["status"] == 200 else None


class BatchClient(RoutingClient):
    """The test client, with many requests in one command."""

    def batch(self, identities: Mapping[str, Any], requests: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """Send all of them; the client's line for each, by its ID."""
        pod = self._idle_pod("client")
        words = ("exec", "--stdin", f"--namespace={self.namespace}", pod, "--", pods.BINARY, "batch")
        document = json.dumps({"identities": identities, "requests": list(requests)}).encode()
        lines = self.kubectl.run(*words, stdin=document, timeout=120).splitlines()
        return {line["id"]: line for line in map(json.loads, lines)}

    def address(self) -> str:
        """Of the pod that calls."""
        words = ("get", "pod", self._idle_pod("client"), f"--namespace={self.namespace}")
        return self.kubectl.run(*words, "--output=jsonpath={.status.podIP}")


def listing(kubectl: Kubectl) -> Callable[[str, str], list[Any]]:
    """All objects of a kind, as the world is read by."""

    def listed(version: str, kind: str) -> list[Any]:
        group, _slash, version = version.rpartition("/")
        items: list[Any] = kubectl.get(f"{kind}.{version}.{group}" if group else kind, "--all-namespaces")["items"]
        return items

    return listed


class Oracle:
    """A namespace with a workload and two waypoints, from `with` to its end; runs may follow each other in it."""

    def __init__(self, directory: Path, echo_image: str) -> None:
        self._client = BatchClient(directory, namespace="oracle-client")
        self._kubectl: Kubectl = self._client.kubectl
        self._echo_image = echo_image
        self._key = TokenKey()
        self._tokens = {name: self._key.token(claims) for name, claims in TOKENS.items() if claims is not None}
        self._identities: dict[str, Any] = {}
        self._runs = 0

    def __enter__(self) -> Oracle:
        self._remove()
        self._apply([*objects.workload(self._echo_image), *objects.waypoints()])
        self._client.__enter__()
        secret = self._kubectl.get("secret", "istio-ca-secret", "--namespace=istio-system")
        authority = Authority.of(secret)
        self._identities = {each.principal: authority.leaf(each) for each in IDENTITIES}
        return self

    def __exit__(self, *_exception: object) -> None:
        self._remove(wait=False)
        self._client.__exit__()
        self._remove()

    def run(self, plan: Plan) -> list[Verdict]:
        """The verdict on each request of a plan; what an earlier one has brought goes first."""
        self._runs += 1
        self._kubectl.run("delete", _BROUGHT, "--all", f"--namespace={NAMESPACE}")
        self._apply(objects.policies(plan, self._key.jwks(), self._word))
        self._wait()
        answers = self._ask({name: (group.service, request) for name, (group, request) in plan.requests.items()})
        world, source = read_cluster(listing(self._kubectl)), self._client.address()
        return [self._verdict(world, source, name, *case, answers[name]) for name, case in plan.requests.items()]

    def pods_with(self, labels: Mapping[str, str]) -> list[str]:
        """The names of the pods with these labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        found = self._kubectl.get("pods", f"--namespace={NAMESPACE}", f"--selector={selector}")["items"]
        return [each["metadata"]["name"] for each in found]

    @property
    def _word(self) -> str:
        """What the canaries of this run refuse."""
        return f"run-{self._runs}"

    def _verdict(
        self, world: World, source: str, name: str, group: Group, request: Request, answer: Mapping[str, Any]
    ) -> Verdict:
        service = world.services[NAMESPACE, group.service]
        waypoint = world.waypoint_named(service)
        assert waypoint is not None and waypoint.name == group.waypoint
        address = next(
            str(each["spec"]["clusterIP"])
            for each in world.all("Service")
            if (each["metadata"]["namespace"], each["metadata"]["name"]) == (NAMESPACE, group.service)
        )
        call = call_of(group, request, source, address)
        ours = decide(world.at_waypoint(waypoint, service), call, Proxy.WAYPOINT)
        said = f"{answer['status']} {answer['error'] or answer['body']}"
        return Verdict(name, group, request, let_through(request, answer), answer["route"], said, ours)

    def _ask(self, cases: Mapping[str, tuple[str, Request]]) -> dict[str, Any]:
        requests = [
            {
                "id": name,
                "identity": request.identity.principal,
                "to": f"{service}.{NAMESPACE}:{request.port}",
                "head": self._head(request),
            }
            for name, (service, request) in cases.items()
        ]
        return self._client.batch(self._identities, requests)

    def _head(self, request: Request) -> str:
        headers = [("Host", request.host), *request.headers]
        if request.token != "none":
            headers.append(("Authorization", f"Bearer {self._tokens[request.token]}"))
        lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join([*lines, "", ""])

    def _wait(self) -> None:
        for name in objects.WAYPOINTS:
            words = ("wait", "--for=condition=Programmed", f"gateway/{name}", "--timeout=120s")
            self._kubectl.run(*words, f"--namespace={NAMESPACE}", timeout=130)
        for name in ("cart", *objects.WAYPOINTS):
            words = ("rollout", "status", f"deployment/{name}", "--timeout=120s")
            self._kubectl.run(*words, f"--namespace={NAMESPACE}", timeout=130)
        missing: list[str] = []

        def accepted() -> bool:
            missing[:] = self._not_accepted()
            return not missing

        until(_PATIENCE, "istiod has accepted all policies", accepted, lambda: ", ".join(missing))
        answers: dict[str, Any] = {}
        canaries = _canaries(self._word)

        def known() -> bool:
            answers.update(self._ask(canaries))
            return all(answers[name]["status"] == int(name.split()[0]) for name in canaries)

        until(_PATIENCE, "the waypoints enforce what was applied last", known, lambda: str(answers))

    def _not_accepted(self) -> list[str]:
        found = self._kubectl.get("authorizationpolicies.security.istio.io", f"--namespace={NAMESPACE}")["items"]
        return [each["metadata"]["name"] for each in found if not _accepted(each)]

    def _apply(self, items: Sequence[Any]) -> None:
        self._kubectl.apply({"apiVersion": "v1", "kind": "List", "items": list(items)}, manager=_MANAGER)

    def _remove(self, *, wait: bool = True) -> None:
        self._kubectl.run("delete", "gateways.gateway.networking.k8s.io", "--all", f"--namespace={NAMESPACE}")
        words = ("delete", "pods", "--all", "--grace-period=0", "--force", f"--namespace={NAMESPACE}")
        self._kubectl.run(*words)
        words = ("delete", "namespace", NAMESPACE, "--ignore-not-found", f"--wait={str(wait).lower()}")
        self._kubectl.run(*words, "--timeout=120s", timeout=130)


def _canaries(word: str) -> dict[str, tuple[str, Request]]:
    """Requests whose names begin with the status that they have where everything is known."""
    cases = {}
    for waypoint in objects.WAYPOINTS:
        for status, said, token in ((200, "yes", "alice"), (403, "yes", "none"), (403, word, "alice")):
            request = Request(IDENTITIES[0], 80, "GET", "/", "canary", ((CANARY_HEADER, said),), token)
            cases[f"{status} {waypoint} {said} {token}"] = (objects.canary(waypoint), request)
    return cases


def _accepted(policy: Mapping[str, Any]) -> bool:
    """Of one by selector istiod says nothing of waypoints; of one in dry run only that ztunnel does not know that."""
    if policy["metadata"].get("annotations", {}).get("istio.io/dry-run") or "selector" in policy["spec"]:
        return True
    conditions = (policy.get("status") or {}).get("conditions") or []
    return any(each["type"] == "WaypointAccepted" and each["status"] == "True" for each in conditions)


def reads_tokens(group: Group) -> bool:
    """Whether its waypoint looks at tokens of calls to the Service."""
    return group.tokens or group.waypoint == GATED


def call_of(group: Group, request: Request, source: str, destination: str) -> Call:
    """The request as the waypoint sees it."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name.lower(), []).append(value.strip())
    forwarded = headers.get("x-forwarded-for", [""])[0].rpartition(",")[2].strip()
    return Call(
        principal=request.identity.principal,
        port=request.port,
        source_ip=source,
        destination_ip=destination,
        remote_ip=forwarded or source,
        method=request.method,
        path=request.path,
        host=request.host,
        headers=headers,
        claims=(TOKENS[request.token] or {}) if reads_tokens(group) else {},
    )
