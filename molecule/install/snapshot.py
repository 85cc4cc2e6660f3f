# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test cluster seen from outside, with kubectl and docker: what is in it, and what is on its nodes.

Usage: snapshot.py write FILE | compare FILE [--versions] | start-pods    (the cluster is that of AMBIENT_DIR)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
DIRECTORY = CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test")
ENVIRONMENT = json.loads((DIRECTORY / "environment.json").read_text())
# They come and go, or tick, by themselves.
VOLATILE = ("Event", "Lease", "ComponentStatus")
ELECTION = "control-plane.alpha.kubernetes.io/leader"
CNI_DIRECTORIES = ("/opt/cni/bin", "/etc/cni/net.d")


def run(*command: str, text: str = "") -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:6])}: {done.stderr.strip()}")
    return done.stdout


def kubectl(*arguments: str, text: str = "") -> str:
    """The output of kubectl on the test cluster."""
    return run(ENVIRONMENT["kubectl"], "--kubeconfig", str(DIRECTORY / "kubeconfig"), *arguments, text=text)


def on_node(node: str, *command: str) -> str:
    """The output of a command on a node."""
    return run("docker", "--host", ENVIRONMENT["docker_host"], "exec", node, *command)


def objects() -> dict[str, dict[str, str]]:
    """Every object: UID and resourceVersion by apiVersion, kind, namespace and name."""
    resources = kubectl("api-resources", "--verbs=list,delete", "--output=name").split()
    listing = json.loads(kubectl("get", ",".join(resources), "--all-namespaces", "--output=json"))
    found = {}
    for obj in listing["items"]:
        if obj["kind"] not in VOLATILE:
            metadata = obj["metadata"]
            ticks = obj["kind"] == "Node" or ELECTION in metadata.get("annotations", {})
            name = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
            found[f"{obj['apiVersion']} {obj['kind']} {name}"] = {
                "uid": metadata.get("uid", ""),
                "version": "" if ticks else metadata.get("resourceVersion", ""),
            }
    return found


def node_state(node: str) -> dict[str, Any]:
    """The names in a node's CNI directories, the network configurations (their meaning, not their layout),
    and the rules for probes."""
    names = {directory: sorted(on_node(node, "ls", "-A", directory).split()) for directory in CNI_DIRECTORIES}
    configurations = {
        name: json.loads(on_node(node, "cat", f"/etc/cni/net.d/{name}"))
        for name in names["/etc/cni/net.d"]
        if name.endswith((".conf", ".conflist"))
    }
    packet_filter = on_node(node, "sh", "-c", "iptables-legacy-save; iptables-nft-save; ipset list -n")
    rules = [line for line in packet_filter.splitlines() if "ISTIO_" in line or line.startswith("istio-inpod")]
    return {"names": names, "configurations": configurations, "rules": rules}


def snapshot() -> dict[str, Any]:
    """Objects and nodes."""
    return {"objects": objects(), "nodes": {node: node_state(node) for node in ENVIRONMENT["nodes"]}}


def compare(before: dict[str, Any], versions: bool) -> list[str]:
    """What is different now, in words; an empty list if nothing is."""
    now = snapshot()
    words = [f"gone: {name}" for name in sorted({*before["objects"]} - {*now["objects"]})]
    words += [f"new: {name}" for name in sorted({*now["objects"]} - {*before["objects"]})]
    for name in sorted({*now["objects"]} & {*before["objects"]}):
        old, new = before["objects"][name], now["objects"][name]
        if old["uid"] != new["uid"]:
            words.append(f"made anew: {name}")
        elif versions and old["version"] != new["version"]:
            words.append(f"written: {name}")
    words += [
        f"node {node}: {now['nodes'][node]}, before {state}"
        for node, state in before["nodes"].items()
        if now["nodes"][node] != state
    ]
    return words


def start_pods() -> None:
    """Start a pod on each node, see it become ready, and delete it."""
    image = json.loads((DIRECTORY / "images.json").read_text())["echo"]["ref"]
    for node in ENVIRONMENT["nodes"]:
        name = f"newcomer-{uuid.uuid4().hex[:6]}"
        container = {
            "name": "echo",
            "image": image,
            "args": ["--port", "8080"],
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0},
        }
        try:
            kubectl("create", "--filename=-", text=json.dumps(pod))
            kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"pod/{name}", "--namespace=default")
        finally:
            kubectl("delete", "pod", name, "--namespace=default", "--ignore-not-found", "--now")


def main(arguments: list[str]) -> None:
    """See the module's usage."""
    match arguments:
        case ["write", path]:
            Path(path).write_text(json.dumps(snapshot(), indent=1))
        case ["compare", path, *rest]:
            words = compare(json.loads(Path(path).read_text()), versions="--versions" in rest)
            if words:
                sys.exit("The cluster is not as it was:\n" + "\n".join(words))
        case ["start-pods"]:
            start_pods()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
