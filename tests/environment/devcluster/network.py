# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod network of a kind cluster without a CNI daemon: a conflist, routes, and one address translation per node."""

from __future__ import annotations

import functools
import itertools
import json
import shlex
import uuid
from dataclasses import dataclass

from .docker import Docker
from .errors import SetupError
from .kind import FILES_ON_NODE, POD_SUBNET
from .kubectl import Kubectl, wait
from .progress import progress

CONFLIST = "/etc/cni/net.d/10-ptp.conflist"
PROBE_LABEL = "environment-probe"
PROBE_PORT = "8080"


@dataclass(frozen=True)
class Node:
    """A node's name, its address, and its pods' subnet."""

    name: str
    address: str
    subnet: str


def nodes(docker: Docker, kubectl: Kubectl) -> list[Node]:
    """The cluster's nodes; those without a subnet yet are left out.

    The address is Docker's: after a restart it may be another one, and the API server learns that later.
    """
    subnets = {item["metadata"]["name"]: item["spec"].get("podCIDR") for item in kubectl.get("nodes")["items"]}
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return [
        Node(name, docker.run("inspect", "--format", template, name).strip(), subnet)
        for name, subnet in subnets.items()
        if subnet
    ]


def conflist(node: Node) -> str:
    """The CNI configuration of one node: point-to-point links, addresses from the node's subnet, host ports."""
    ipam = {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": node.subnet}]],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": ipam, "mtu": 1500},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.3.1", "name": "ptp", "plugins": plugins})


def script(node: Node, others: list[Node]) -> str:
    """The shell script that makes a node's network; running it again changes nothing.

    A conflist that is there stays: the mesh's CNI agent may have chained itself into it.
    """
    rule = f"POSTROUTING -s {POD_SUBNET} ! -d {POD_SUBNET} -j MASQUERADE"
    lines = [
        "set -e",
        "mkdir -p /etc/cni/net.d",
        f"if ! ls /etc/cni/net.d/*.conflist > /dev/null 2>&1; then"
        f" echo {shlex.quote(conflist(node))} > {CONFLIST}.new; mv {CONFLIST}.new {CONFLIST}; fi",
        *[f"ip route replace {other.subnet} via {other.address}" for other in others],
        f"iptables -w -t nat -C {rule} 2> /dev/null || iptables -w -t nat -A {rule}",
    ]
    return "\n".join(lines)


def connect(docker: Docker, kubectl: Kubectl, count: int, timeout: float) -> None:
    """Give each node its network once all of them have a subnet (`timeout` in seconds)."""
    with progress.step("connect the nodes"):
        wait("pod subnets", lambda: "" if len(nodes(docker, kubectl)) == count else "a node has no podCIDR", timeout)
    found = nodes(docker, kubectl)
    for node in found:
        others = [other for other in found if other.name != node.name]
        docker.run("exec", "-i", node.name, "sh", "-s", stdin=script(node, others).encode(), timeout=30)


def wait_ready(kubectl: Kubectl, timeout: float) -> None:
    """Wait for the nodes, then for CoreDNS and kube-proxy."""
    with progress.step("wait for nodes and DNS"):
        wait("nodes", lambda: _not_ready_nodes(kubectl), timeout)
        wait("kube-system", lambda: _not_ready_workloads(kubectl), timeout)


def _not_ready_nodes(kubectl: Kubectl) -> str:
    waiting = []
    for item in kubectl.get("nodes")["items"]:
        conditions = {c["type"]: c for c in item["status"].get("conditions", [])}
        ready = conditions.get("Ready", {})
        if ready.get("status") != "True":
            waiting.append(f"{item['metadata']['name']}: {ready.get('message', 'no condition yet')}")
    return "\n".join(waiting)


def _not_ready_workloads(kubectl: Kubectl) -> str:
    waiting = []
    for item in kubectl.get("deployments,daemonsets", "--namespace=kube-system")["items"]:
        status = item["status"]
        wanted = status.get("desiredNumberScheduled", item["spec"].get("replicas"))
        ready = status.get("numberReady", status.get("readyReplicas", 0))
        if status.get("observedGeneration") != item["metadata"]["generation"] or ready != wanted or not wanted:
            waiting.append(f"{item['kind']} {item['metadata']['name']}: {ready} of {wanted} ready")
    return "\n".join(waiting)


def probe_objects(namespace: str, image: str) -> list[dict[str, object]]:
    """A server on each node that runs from a directory of the node, so that it needs no image of its own."""
    labels = {"app": "probe"}
    meta = {"name": "probe", "namespace": namespace}
    container = {
        "name": "probe",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/probe/echo-server", "--port", PROBE_PORT],
        "readinessProbe": {"tcpSocket": {"port": int(PROBE_PORT)}, "periodSeconds": 1},
        "volumeMounts": [{"name": "files", "mountPath": "/probe", "readOnly": True}],
    }
    pod = {
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "files", "hostPath": {"path": FILES_ON_NODE}}],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {PROBE_LABEL: ""}}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": int(PROBE_PORT)}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": meta,
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]


def pause_image(kubectl: Kubectl) -> str:
    """An image that every node holds."""
    for node in kubectl.get("nodes")["items"]:
        for image in node["status"].get("images", []):
            for name in image.get("names") or []:  # null where another image has taken its name
                if "/pause:" in name:
                    return str(name)
    raise SetupError("the nodes list no pause image")


def probe(kubectl: Kubectl) -> None:
    """Prove that pods of different nodes reach each other, by address and by service name; then clean up."""
    # A name of its own each time: the namespace of an earlier probe may still be on its way out.
    namespace = f"{PROBE_LABEL}-{uuid.uuid4().hex[:6]}"
    with progress.step("probe the pod network"):
        try:
            objects = probe_objects(namespace, pause_image(kubectl))
            kubectl.apply({"apiVersion": "v1", "kind": "List", "items": objects})
            wait("pods of the network probe", lambda: _not_running(kubectl, namespace), 90)
            pods = kubectl.get("pods", f"--namespace={namespace}")["items"]
            targets = [f"http://{pod['status']['podIP']}:{PROBE_PORT}" for pod in pods]
            targets.append(f"http://probe.{namespace}.svc.cluster.local")
            for pod, target in itertools.product(pods, targets):
                wait(f"{pod['spec']['nodeName']} to {target}", functools.partial(_request, kubectl, pod, target), 30)
        finally:
            kubectl.run("delete", "namespace", f"--selector={PROBE_LABEL}", "--wait=false")


def _not_running(kubectl: Kubectl, namespace: str) -> str:
    status = kubectl.get("daemonset", "probe", f"--namespace={namespace}")["status"]
    nodes, ready = len(kubectl.get("nodes")["items"]), status.get("numberReady", 0)
    return "" if ready == nodes else f"{ready} ready, on {nodes} nodes"


def _request(kubectl: Kubectl, pod: dict[str, dict[str, str]], target: str) -> str:
    where = ["exec", f"--namespace={pod['metadata']['namespace']}", pod["metadata"]["name"], "--"]
    said = kubectl.run(*where, "/probe/echo-client", "--timeout=3s", target, timeout=30)
    return "" if "StatusCode=200" in said else said
