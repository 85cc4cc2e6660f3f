# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that behaves like one with a mesh, misbehaves, or only pretends; and the probe run on it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.verify import active, facts
from ansible_collections.alauda.ambient.plugins.module_utils.verify.declared import GATEWAY_NAME
from ansible_collections.alauda.ambient.plugins.module_utils.verify.observations import Observations
from ansible_collections.alauda.ambient.plugins.module_utils.verify.passive_waypoints import BOUND
from ansible_collections.alauda.ambient.plugins.module_utils.verify.probe import Probe
from ansible_collections.alauda.ambient.plugins.module_utils.verify.probe_objects import INSIDE, OUTSIDE, Plan
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import Checked
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import run as judge
from unit.plugins.module_utils.verify.verify_world import (
    NODES,
    ZTUNNEL_IMAGE,
    authority,
    daemon,
    entry,
    istiod,
    node,
    pod,
    spiffe,
)


def plan(**changes: Any) -> Plan:
    """A run of the probe that does all there is."""
    names = {"run": "abc", "image": "app:1", "server_node": "node-a", "client_node": "node-b", "disrupt": True}
    return Plan(**{**names, **changes})


def probe(world: World, **changes: Any) -> dict[str, Checked]:
    """Run the probe and judge it; the stand-in is recognised as it is on a real cluster."""
    wanted = plan(**changes)
    pods = facts.daemon(world, *facts.ZTUNNEL).pods
    seen = Observations(wanted, "cluster.local", facts.stand_in(world, pods))
    found = Probe(world, wanted, seen, 60, clock=Time()).go()
    return {item.id: item for item in judge(active.CHECKS, found)}


def broken(*how: str) -> World:
    """A world in which something is broken."""
    world = World()
    world.breaks.update(how)
    return world


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        """Seconds."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Pass."""
        self.seconds += seconds


class World:
    """A cluster with a mesh. `carries` is what a real ztunnel does; False is what the stand-in does."""

    def __init__(self, *, carries: bool = True, image: str = ZTUNNEL_IMAGE, readiness: str = "") -> None:
        self.carries = carries
        self.image = image
        self.readiness = readiness
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.foreign: dict[str, dict[str, Any]] = {}
        self.written: list[str] = []
        self.log: list[str] = []
        self.breaks: set[str] = set()
        self.renewed: set[str] = set()

    def version(self) -> str:
        """Of the API server."""
        return "v1.34.4"

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """An object."""
        if kind == "DaemonSet":
            return daemon(namespace, name, self.image).daemonset
        if kind == "Pod" and (kind, namespace, name) in self.objects:
            return self._live(self.objects[(kind, namespace, name)])
        if kind == "ConfigMap" and name == "istio-ca-root-cert":
            return {"data": {"root-cert.pem": authority().pem}}
        found = copy.deepcopy(self.objects.get((kind, namespace, name)))
        if found and kind in ("Gateway", "Service"):
            found["status"] = {"conditions": [self._said(found)]}
        return found

    def _said(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """istiod's condition on a Gateway or a Service."""
        name, broken = ("Programmed", "unprogrammed") if found["kind"] == "Gateway" else (BOUND, "unbound")
        good = broken not in self.breaks and (name != BOUND or "istio.io/use-waypoint" in found["metadata"]["labels"])
        return {"type": name, "status": str(good), "reason": "Said", "message": f"istiod says so of {broken}"}

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> list[dict[str, Any]]:
        """Objects of a kind."""
        if kind == "Node":
            return [node(name) for name in NODES]
        if kind == "Pod" and namespace in ("ztunnel", "istio-cni"):
            found = daemon(namespace, "ztunnel" if namespace == "ztunnel" else "istio-cni-node", self.image).pods
            return [self._anew(pod_) for pod_ in found]
        if kind == "Pod" and (label_selector or "").startswith(GATEWAY_NAME):
            return (
                [] if "no-pod" in self.breaks else [self._anew(pod(*key[1:])) for key in self._of("Gateway", namespace)]
            )
        if kind == "Pod" and namespace == "istio-system":
            return [pod("istio-system", "istiod-1")]
        if kind == "Deployment":
            return [istiod()]
        if kind == "Namespace":
            return [n for (k, dummy, dummy2), n in self.objects.items() if k == kind and self._ambient(n)]
        return [
            self._live(found)
            for (k, space, dummy), found in self.objects.items()
            if k == kind and namespace in (None, space)
        ]

    def logs(self, namespace: str, pod: str, container: str, since: int) -> str:
        """ztunnel's log."""
        return "\n".join(self.log)

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> tuple[int, str, str]:
        """A client's request."""
        server = next(
            (name for (k, s, name) in list(self.objects) if k == "Pod" and s == INSIDE and "server" in name), ""
        )
        if "--qps" in command and "loss" in self.breaks:
            return 1, "", "fatal Error 3/10 requests had errors; first error: EOF"
        if "--qps" in command:
            return 0, "StatusCode=200\n" * (9 if "faults" in self.breaks else 10), ""
        if "10.1.0.7" in command[-1]:
            return 0, f"[0] StatusCode=200\n[0 body] Hostname={server.replace('server', 'late')}\n", ""
        if self._path(command) and "network" not in self.breaks:
            return self._through(command, server)
        if "network" in self.breaks or (namespace == OUTSIDE and "outside" in self.breaks):
            return 1, "", "2030 fatal Error 1/1 requests had errors; first error: dial tcp: i/o timeout"
        captured = self.carries and self._marked()
        if captured and namespace == OUTSIDE and self._mode() == "STRICT" and "strict" not in self.breaks:
            return 1, "", "first error: read: connection reset by peer"
        if captured and namespace == INSIDE:
            self.log.append(
                f'2030-01-01T00:00:00Z info access connection complete src.workload="{pod}" src.namespace="{INSIDE}" '
                f'src.identity="{spiffe(INSIDE, "client")}" dst.workload="{server}" dst.namespace="{INSIDE}" '
                f'dst.identity="{spiffe(INSIDE, "server")}" direction="inbound" bytes_sent=1'
            )
        return 0, f"[0] StatusCode=200\n[0 body] Hostname={server}\n", ""

    def http_get(self, namespace: str, pod: str, port: int, path: str) -> tuple[int, str]:
        """What pods open for themselves."""
        if port == 15014:
            spaces = {s: n for (k, s, n) in self.objects if k == "Pod"}
            names = [f"{s}/{n}" for (k, s, n) in self.objects if k == "Pod" and s in spaces]
            protocol = "HBONE" if self._marked() and "unknown" not in self.breaks else "NONE"
            found = [{"uid": f"Kubernetes//Pod/{name}", "tunnelProtocol": protocol} for name in names]
            return 200, json.dumps({"workloads": found})
        if port == 15000 and path == "/config_dump":
            names = [] if "unsigned" in self.breaks else ["client", "server"]
            return 200, json.dumps({"certificates": [entry(spiffe(INSIDE, name)) for name in names]})
        if port == 15021:
            return 200, self.readiness
        if port == 15000 and path.startswith("/stats") and "mute" not in self.breaks:
            counts = (0, 0) if "uncounted" in self.breaks else (4, 2)
            return 200, f"http.inbound.rbac.allowed: {counts[0]}\nhttp.inbound.rbac.denied: {counts[1]}\n"
        raise AmbientError("connection refused")

    def apply(self, obj: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Write."""
        meta = obj["metadata"]
        self.objects[(obj["kind"], meta.get("namespace", ""), meta["name"])] = copy.deepcopy(dict(obj))
        self.written.append(f"{obj['kind']} {meta['name']}")
        if obj["kind"] == "Deployment" and "stays" not in self.breaks:
            self.renewed.add("waypoint")
        if "crash" in self.breaks and obj["kind"] == "Pod":
            raise KeyboardInterrupt
        return dict(obj)

    def restart(self, namespace: str, pod: str) -> None:
        """Delete a pod that is made anew."""
        self.written.append(f"restart {namespace}/{pod}")
        self.renewed.add(pod)

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        """Delete an object, or a namespace with what is in it."""
        if kind != "Namespace":
            if (kind, namespace, name) in self.objects and kind != "Pod":
                self.written.append(f"delete {kind} {name}")
            return self.objects.pop((kind, namespace, name), None) is not None
        self.written.append(f"delete {name}")
        if "stuck" not in self.breaks:
            self.objects = {key: o for key, o in self.objects.items() if key != (kind, "", name) and key[1] != name}
        return True

    def _of(self, kind: str, namespace: str | None) -> list[tuple[str, str, str]]:
        return [key for key in self.objects if key[0] == kind and namespace in (None, key[1])]

    def _anew(self, found: dict[str, Any]) -> dict[str, Any]:
        if found["metadata"]["name"] in self.renewed and "stays" not in self.breaks:
            found["metadata"]["name"] += "-anew"
        if found["metadata"]["name"].startswith("waypoint") and "unready" in self.breaks:
            found["status"]["conditions"][0]["status"] = "False"
        return found

    def _path(self, command: Sequence[str]) -> bool:
        """Whether a waypoint, or the lock-down behind it, has a say in a request of the client in the mesh."""
        labels = self.objects.get(("Service", INSIDE, "server"), {}).get("metadata", {}).get("labels", {})
        return self.carries and "istio.io/use-waypoint" in labels

    def _through(self, command: Sequence[str], server: str) -> tuple[int, str, str]:
        locked = ("AuthorizationPolicy", INSIDE, "probe-only-waypoint") in self.objects
        if not command[-1].startswith(f"http://server.{INSIDE}.svc:8080") and locked and "open" not in self.breaks:
            return 1, "", "first error: read: connection reset by peer"
        if command[-1].startswith(f"http://server.{INSIDE}.svc:8080") and locked and "shut" in self.breaks:
            return 0, "[0] StatusCode=503\n", ""
        if "POST" in command and "lenient" not in self.breaks:
            return 0, "[0] StatusCode=403\n[0 body] RBAC: access denied\n", ""
        return 0, f"[0] StatusCode=200\n[0] ResponseHeader=Server:istio-envoy\n[0 body] Hostname={server}\n", ""

    def _ambient(self, namespace: Mapping[str, Any]) -> bool:
        return namespace["metadata"].get("labels", {}).get("istio.io/dataplane-mode") == "ambient"

    def _mode(self) -> str:
        found = self.objects.get(("PeerAuthentication", INSIDE, "probe"))
        return str(found["spec"]["mtls"]["mode"]) if found else ""

    def _marked(self) -> bool:
        if "never" in self.breaks:
            return False
        if "forever" in self.breaks and "Namespace ambient-verify" in self.written[3:]:
            return True
        space = self.objects.get(("Namespace", "", INSIDE))
        return bool(space and self._ambient(space))

    def _live(self, manifest: dict[str, Any]) -> dict[str, Any]:
        meta = manifest["metadata"]
        where = manifest["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        node_name = where["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
        live = pod(meta["namespace"], meta["name"], node_name, account=manifest["spec"]["serviceAccountName"])
        if meta["namespace"] == INSIDE and self._marked():
            live["metadata"]["annotations"]["ambient.istio.io/redirection"] = "enabled"
            if "probes" in self.breaks:
                live["status"]["containerStatuses"][0]["restartCount"] = 2
        if "pull" in self.breaks:
            live["status"]["conditions"][0]["status"] = "False"
            live["status"]["containerStatuses"] = [
                {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
            ]
        return live
