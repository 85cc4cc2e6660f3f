# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of the probe: two namespaces, an echo server, a client beside it and one outside the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .pods import MODE_LABEL, Object, full_name, is_schedulable_linux, is_true

INSIDE = "ambient-verify"
OUTSIDE = "ambient-verify-outside"
PROBE_LABEL = "ambient.alauda.io/probe"
PORT = 8080
OTHER_PORT = 8081  # of the server, too, and of no Service
MANAGER = "alauda.ambient/verify"
CONTAINER = "echo"

_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """One run of the probe. `run` makes pod names unique, so that old log lines cannot pass for new ones."""

    run: str
    image: str
    server_node: str
    client_node: str
    mesh: str = "default"
    discovery_labels: Mapping[str, str] = field(default_factory=dict)
    waypoint: bool = True
    waypoint_manifests: Sequence[Mapping[str, Any]] = ()
    disrupt: bool = False

    @property
    def server(self) -> str:
        """The server pod's name."""
        return f"server-{self.run}"

    @property
    def client(self) -> str:
        """The name of the client pod, in the mesh and outside it."""
        return f"client-{self.run}"

    @property
    def late(self) -> str:
        """The name of the pod that comes after enrolment."""
        return f"late-{self.run}"

    @property
    def single_node(self) -> bool:
        """Is there only one node to run on?"""
        return self.server_node == self.client_node

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://server.{INSIDE}.svc:{PORT}/"


def choose_nodes(nodes: Iterable[Object]) -> list[str]:
    """Up to two nodes for the probe: untainted ones first, then control-plane nodes."""
    usable = [node for node in nodes if is_schedulable_linux(node) and is_true(node, "Ready")]
    by_taint: dict[bool, list[str]] = {False: [], True: []}
    for node in usable:
        found = (node.get("spec") or {}).get("taints") or []
        taints = [taint["key"] for taint in found if taint.get("effect") != "PreferNoSchedule"]
        if all(taint in _CONTROL_PLANE for taint in taints):
            by_taint[bool(taints)].append(full_name(node))
    return (sorted(by_taint[False]) + sorted(by_taint[True]))[:2]


def namespace(plan: Plan, name: str, *, enrolled: bool = False) -> Manifest:
    """A namespace of the probe."""
    labels = {
        **plan.discovery_labels,
        "ambient.alauda.io/mesh": plan.mesh,
        PROBE_LABEL: "verify",
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    if enrolled:
        labels[MODE_LABEL] = "ambient"
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def workload(plan: Plan) -> Sequence[Manifest]:
    """Everything inside the two namespaces that is there from the start."""
    return (
        _account(INSIDE, "server"),
        _account(INSIDE, "client"),
        _account(OUTSIDE, "client"),
        peer_authentication("PERMISSIVE"),
        service("server"),
        _pod(plan, INSIDE, plan.server, "server", plan.server_node),
        _pod(plan, INSIDE, plan.client, "client", plan.client_node),
        _pod(plan, OUTSIDE, plan.client, "client", plan.client_node),
    )


def service(name: str, labels: Mapping[str, str] | None = None, *, headless: bool = False) -> Manifest:
    """A Service that leads to the server."""
    spec = {
        "selector": {PROBE_LABEL: "server"},
        "ports": [{"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": INSIDE, "labels": dict(labels or {})},
        "spec": {**spec, "clusterIP": "None"} if headless else spec,
    }


def late_pod(plan: Plan) -> Manifest:
    """Another server, for after enrolment; no Service leads to it."""
    return _pod(plan, INSIDE, plan.late, "server", plan.server_node, label="late")


def pod_url(pod: Object, port: int = PORT) -> str:
    """Where a pod answers by its own address."""
    address = str((pod.get("status") or {}).get("podIP") or "")
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


def peer_authentication(mode: str) -> Manifest:
    """What the probe's namespace accepts: PERMISSIVE (whatever the mesh says) or STRICT."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "probe", "namespace": INSIDE},
        "spec": {"mtls": {"mode": mode}},
    }


def _account(space: str, name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": space},
        "automountServiceAccountToken": False,
    }


def _pod(plan: Plan, space: str, name: str, role: str, node: str, label: str = "") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": space, "labels": {PROBE_LABEL: label or role}},
        "spec": {
            "serviceAccountName": role,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _only(node)}},
            "tolerations": tolerations(),
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container(plan.image)],
        },
    }


def tolerations() -> list[Manifest]:
    """What lets the probe run where only control-plane nodes are."""
    return [{"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in _CONTROL_PLANE]


def _only(node: str) -> Manifest:
    return {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}


def _container(image: str) -> Manifest:
    ask = {"httpGet": {"path": "/", "port": PORT, "scheme": "HTTP"}, "periodSeconds": 1, "failureThreshold": 3}
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/local/bin/server"],
        "args": ["--port", str(PORT), "--port", str(OTHER_PORT)],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "readinessProbe": {**ask, "timeoutSeconds": 1},
        "livenessProbe": {**ask, "timeoutSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
