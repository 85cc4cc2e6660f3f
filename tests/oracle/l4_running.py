# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs cases that ztunnel decides: pods in the mesh, policies by selector, a client that speaks HBONE to the pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.authz.deciding import decide
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import Call, Proxy
from ansible_collections.alauda.ambient.plugins.module_utils.authz.reading import read_cluster
from devcluster.kubectl import Kubectl
from routing.client import until

from .cases import Plan, Request
from .l4 import NAMESPACE
from .running import BatchClient, Verdict, listing
from .signing import Authority
from .vocabulary import IDENTITIES, PORTS

_PATIENCE = 60.0  # seconds
_CANARY = "canary"
_REFUSED = "was answered with 4"  # what the client says of a CONNECT that a policy refuses
_DIRECT = "direct hbone"


@contextmanager
def namespace(kubectl: Kubectl) -> Iterator[None]:
    """The namespace of the pods, in the mesh."""
    metadata = {"name": NAMESPACE, "labels": {"istio.io/dataplane-mode": "ambient"}}
    words = ("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=120s")
    kubectl.run(*words, timeout=130)
    try:
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="oracle")
        yield
    finally:
        kubectl.run("delete", "pods", "--all", "--grace-period=1", f"--namespace={NAMESPACE}")
        kubectl.run(*words, timeout=130)


def run(directory: Path, echo_image: str, node: str, plan: Plan) -> list[Verdict]:
    """The verdict of a node's ztunnel on each request of a plan."""
    with BatchClient(directory, namespace="oracle-l4-client") as client, namespace(client.kubectl):
        kubectl = client.kubectl
        authority = Authority.of(kubectl.get("secret", "istio-ca-secret", "--namespace=istio-system"))
        identities = {each.principal: authority.leaf(each) for each in IDENTITIES}
        names = [*(each.service for each in plan.groups), _CANARY]
        _apply(kubectl, [each for name in names for each in _pod(name, echo_image, node)])
        _apply(kubectl, [policy for group in plan.groups for policy in group.policies])
        words = ("wait", "--for=condition=Ready", "pods", "--all", "--timeout=120s")
        kubectl.run(*words, f"--namespace={NAMESPACE}", timeout=130)
        _wait(client, identities, names)
        cases = {name: (group.service, request) for name, (group, request) in plan.requests.items()}
        return _verdicts(client, plan, _ask(client, identities, cases))


def _verdicts(client: BatchClient, plan: Plan, answers: Mapping[str, Any]) -> list[Verdict]:
    world, source = read_cluster(listing(client.kubectl)), client.address()
    pods = client.kubectl.get("pods", f"--namespace={NAMESPACE}")["items"]
    addresses = {each["metadata"]["name"]: each["status"]["podIP"] for each in pods}
    workloads = {each.name: each for each in world.workloads_in[NAMESPACE]}
    found = []
    for name, (group, request) in plan.requests.items():
        answer, pod = answers[name], group.service
        call = Call(request.identity.principal, PORTS[request.port], source, addresses[pod])
        ours = decide(world.at_pods(workloads[pod]), call, Proxy.ZTUNNEL)
        said = f"{answer['status']} {answer['error'] or answer['body']}"
        found.append(Verdict(name, group, request, _let_through(answer), answer["route"], said, ours))
    return found


def _let_through(answer: Mapping[str, Any]) -> bool | None:
    if answer["route"] == _DIRECT and _REFUSED in answer["error"]:
        return False
    return True if answer["route"] == _DIRECT and answer["status"] == 200 else None


def _wait(client: BatchClient, identities: Mapping[str, Any], names: Sequence[str]) -> None:
    """Until the pods are in the mesh, and a policy that is applied after all others is enforced."""
    calls = {name: (name, Request(IDENTITIES[0], 80, "GET", "/", name)) for name in names}
    answers: dict[str, Any] = {}

    def everywhere() -> bool:
        answers.update(_ask(client, identities, calls))
        return all(_let_through(each) is not None for each in answers.values()) and bool(answers[_CANARY]["status"])

    until(_PATIENCE, "ztunnel answers for all pods", everywhere, lambda: str(answers))
    selector = {"matchLabels": {"app": _CANARY}}
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": _CANARY, "namespace": NAMESPACE},
        "spec": {"selector": selector, "action": "DENY", "rules": [{}]},
    }
    _apply(client.kubectl, [policy])

    def refused() -> bool:
        answers.update(_ask(client, identities, {_CANARY: calls[_CANARY]}))
        return _let_through(answers[_CANARY]) is False

    until(_PATIENCE, "ztunnel enforces what was applied last", refused, lambda: str(answers[_CANARY]))


def _ask(
    client: BatchClient, identities: Mapping[str, Any], cases: Mapping[str, tuple[str, Request]]
) -> dict[str, Any]:
    requests = [
        {
            "id": name,
            "identity": request.identity.principal,
            "to": f"{service}.{NAMESPACE}:{request.port}",
            "head": f"{request.method} {request.path} HTTP/1.1\r\nHost: {service}\r\n\r\n",
        }
        for name, (service, request) in cases.items()
    ]
    return client.batch(identities, requests)


def _pod(name: str, image: str, node: str) -> list[dict[str, Any]]:
    """One pod with a Service before it. All are on one node: one ztunnel has heard of all, or of none."""
    arguments = [word for target in PORTS.values() for word in ("--port", str(target))]
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    container = {"name": "echo", "image": image, "imagePullPolicy": "IfNotPresent", "args": arguments}
    spec = {
        "nodeName": node,
        "terminationGracePeriodSeconds": 1,
        "containers": [{**container, "readinessProbe": probe}],
    }
    metadata = {"name": name, "namespace": NAMESPACE}
    ports = [{"name": f"http-{port}", "port": port, "targetPort": target} for port, target in PORTS.items()]
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": {"app": name}}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": {"app": name}, "ports": ports},
        },
    ]


def _apply(kubectl: Kubectl, items: Sequence[Any]) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": list(items)}, manager="oracle")
