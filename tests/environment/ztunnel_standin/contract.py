# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the live ztunnel with one thing changed, and a CNI agent of their own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster import golang
from devcluster.docker import Docker
from kubernetes import client

MODULE = Path(__file__).resolve().parent
NODE_DIRECTORY = "/var/lib/ambient-contract"
SOCKETS = {True: f"{NODE_DIRECTORY}/agent", False: f"{NODE_DIRECTORY}/nobody"}  # with an agent or without
SOCKET_VOLUME = "cni-ztunnel-sock-dir"


@dataclass(frozen=True)
class Copy:
    """What a copy does not share with the live ztunnel: its name and place, and the one thing changed."""

    name: str
    namespace: str = "ztunnel"
    agent: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    def pod(self, daemon_set: Mapping[str, Any], node: str) -> dict[str, Any]:
        """The copy as a Pod on this node; the DaemonSet's labels are left out, so that it does not adopt the copy."""
        template = deepcopy(daemon_set["spec"]["template"])
        spec = template["spec"] | {"nodeName": node, "terminationGracePeriodSeconds": 1}
        container = spec["containers"][0]
        container["env"] = [e for e in container["env"] if e["name"] not in self.environment]
        container["env"] += [{"name": name, "value": value} for name, value in self.environment.items()]
        for volume in spec["volumes"]:
            if volume["name"] == SOCKET_VOLUME:
                volume["hostPath"] = {"path": SOCKETS[self.agent], "type": "DirectoryOrCreate"}
        labels = {"istio.io/dataplane-mode": "none", "sidecar.istio.io/inject": "false", "app": self.name}
        metadata = {"name": self.name, "namespace": self.namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@dataclass(frozen=True)
class Evidence:
    """What a person can see of a copy's state."""

    ready: bool
    status: int  # of the readiness probe; 0: no answer
    body: str
    log: str
    events: str

    def __str__(self) -> str:
        return f"ready={self.ready} probe={self.status} {self.body!r}\n--- events\n{self.events}\n--- log\n{self.log}"


def look(core: client.CoreV1Api, copy: Copy) -> Evidence:
    """The copy's state now."""
    conditions = core.read_namespaced_pod(copy.name, copy.namespace).status.conditions or []
    ready = any(c.type == "Ready" and c.status == "True" for c in conditions)
    status, body = _probe(core, copy)
    events = core.list_namespaced_event(copy.namespace, field_selector=f"involvedObject.name={copy.name}").items
    return Evidence(ready, status, body, _log(core, copy), "\n".join(e.message or "" for e in events))


def _probe(core: client.CoreV1Api, copy: Copy) -> tuple[int, str]:
    try:
        target = f"{copy.name}:15021"
        body = core.connect_get_namespaced_pod_proxy_with_path(target, copy.namespace, "healthz/ready")
    except client.ApiException as e:
        text = e.body or ""
        return (
            (0, text) if text.startswith('{"kind":"Status"') else (int(e.status), text)
        )  # the API server's own answer
    return 200, str(body)


def _log(core: client.CoreV1Api, copy: Copy) -> str:
    try:
        return str(core.read_namespaced_pod_log(copy.name, copy.namespace, tail_lines=60))
    except client.ApiException as e:
        return f"(none: {e.reason})"


def until(seconds: float, what: str, check: Callable[[], Any]) -> Any:
    """The first true result of `check`; AssertionError with the last one's words after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)
    return result


class FakeAgent:
    """A CNI agent on a node that is a container of this machine; it hands over one pod."""

    def __init__(self, docker: Docker, node: str) -> None:
        self.docker, self.node = docker, node

    def start(self, pod: client.V1Pod, build_directory: Path) -> None:
        """Serve SOCKETS[True] until `stop`."""
        binary = build_directory / "fakeagent"
        golang.build(MODULE, binary, ["./cmd/fakeagent"], ())
        self.shell(f"mkdir -p {SOCKETS[True]} && cat >{NODE_DIRECTORY}/fakeagent", stdin=binary.read_bytes())
        flags = {
            "socket": f"{SOCKETS[True]}/ztunnel.sock",
            "netns": self.network_namespace(pod.metadata.uid),
            "uid": pod.metadata.uid,
            "name": pod.metadata.name,
            "namespace": pod.metadata.namespace,
            "service-account": pod.spec.service_account_name,
        }
        words = " ".join(f"-{name}={value}" for name, value in flags.items())
        self.shell(
            f"cd {NODE_DIRECTORY} && chmod +x fakeagent && {{ setsid ./fakeagent {words} >log 2>&1 & echo $! >pid; }}"
        )
        until(10, "the fake agent serves", lambda: "serving" in self.log())

    def log(self) -> str:
        """What the agent has written so far."""
        return self.shell(f"cat {NODE_DIRECTORY}/log")

    def stop(self) -> None:
        """End the agent and leave nothing on the node."""
        self.shell(f"cd {NODE_DIRECTORY} 2>/dev/null && kill $(cat pid) 2>/dev/null; rm -rf {NODE_DIRECTORY}")

    def network_namespace(self, uid: str) -> str:
        """The path of a pod's network namespace on the node."""
        wanted = f'labels."io.kubernetes.pod.uid"=="{uid}",labels."io.cri-containerd.kind"==sandbox'
        sandbox = self.shell(f"ctr -n k8s.io containers ls -q '{wanted}'").split()[0]
        spec = json.loads(self.shell(f"ctr -n k8s.io containers info {sandbox}"))["Spec"]
        return next(str(n["path"]) for n in spec["linux"]["namespaces"] if n["type"] == "network")

    def shell(self, script: str, stdin: bytes | None = None) -> str:
        return self.docker.run("exec", "-i", self.node, "sh", "-c", script, stdin=stdin, timeout=60)
