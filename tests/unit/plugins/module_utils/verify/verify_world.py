# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world to verify: certificates, facts of a sound mesh, and a cluster that behaves like one."""

from __future__ import annotations

import base64
import copy
import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.verify.facts import Daemon, Declared, Facts
from ansible_collections.alauda.ambient.plugins.module_utils.verify.probe_objects import INSIDE, OUTSIDE
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import Seen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime(2030, 1, 2, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
STAND_IN_IMAGE = "ambient.local/ztunnel-standin@sha256:" + "1" * 64
ZTUNNEL_IMAGE = "docker.io/istio/ztunnel@sha256:" + "2" * 64
NODES = ("node-a", "node-b")


class Authority:
    """A certificate authority."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
        self.cert = self._build(self.name, self.key.public_key(), [], ca=True)

    def _build(
        self, subject: x509.Name, key: Any, names: list[x509.GeneralName], *, ca: bool, until: Any = None
    ) -> Any:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 10 * DAY)
            .not_valid_after(until or NOW + 10 * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        return builder.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """The root."""
        return self.cert.public_bytes(serialization.Encoding.PEM).decode()

    def leaf(self, identity: str, until: datetime.datetime | None = None) -> str:
        """A workload certificate, PEM."""
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity)]
        cert = self._build(x509.Name([]), key, names, ca=False, until=until)
        return str(cert.public_bytes(serialization.Encoding.PEM).decode())


def authority(name: str = "mesh") -> Authority:
    """One authority per name and test run."""
    return _authority(name)


@functools.cache
def _authority(name: str) -> Authority:
    return Authority(name)


def spiffe(namespace: str, account: str) -> str:
    """An identity."""
    return f"spiffe://cluster.local/ns/{namespace}/sa/{account}"


def entry(identity: str, signer: str = "mesh", state: str = "Available") -> dict[str, Any]:
    """A certificate in a configuration dump."""
    pem = base64.b64encode(authority(signer).leaf(identity).encode()).decode()
    return {"identity": identity, "state": state, "certChain": [{"pem": pem}], "rootCerts": []}


def pod(namespace: str, name: str, node: str = "node-a", image: str = "app:1", **changes: Any) -> dict[str, Any]:
    """A running, ready pod; `annotations`, `labels`, `account`, `host_network`, `ready` and `phase` change it."""
    ready = "True" if changes.get("ready", True) else "False"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(changes.get("labels", {})),
            "annotations": dict(changes.get("annotations", {})),
        },
        "spec": {
            "nodeName": node,
            "serviceAccountName": changes.get("account", name),
            "hostNetwork": changes.get("host_network", False),
            "containers": [{"name": "istio-proxy", "image": image}],
        },
        "status": {
            "phase": changes.get("phase", "Running"),
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2030-01-01T00:00:00Z"}],
            "containerStatuses": [{"restartCount": 0, "image": image, "imageID": image}],
        },
    }


def enrolled(namespace: str, name: str, node: str = "node-a", **changes: Any) -> dict[str, Any]:
    """A pod that istio-cni has enrolled."""
    return pod(namespace, name, node, annotations={"ambient.istio.io/redirection": "enabled"}, **changes)


def node(name: str, **spec: Any) -> dict[str, Any]:
    """A ready Linux node."""
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"}},
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def daemon(namespace: str, name: str, image: str) -> Daemon:
    """A DaemonSet with a ready pod on each node."""
    found = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": name}}},
    }
    return Daemon(found, [pod(namespace, f"{name}-{where}", where, image) for where in NODES])


def istiod(available: int = 1) -> dict[str, Any]:
    """istiod's Deployment."""
    return {
        "metadata": {
            "name": "istiod",
            "namespace": "istio-system",
            "labels": {"app": "istiod", "app.kubernetes.io/version": "1.31.0"},
        },
        "spec": {"replicas": 1},
        "status": {
            "availableReplicas": available,
            "conditions": [{"type": "Available", "status": "True" if available else "False"}],
        },
    }


def sound(**changes: Any) -> Facts:
    """The facts of a sound mesh with a real ztunnel; keywords replace parts."""
    pods = [enrolled("shop", "cart", "node-a"), enrolled("shop", "till", "node-b")]
    parts: dict[str, Any] = {
        "declared": Declared(enrolled=("shop",), off=("old",)),
        "nodes": Seen([node(name) for name in NODES]),
        "cni": Seen(daemon("istio-cni", "istio-cni-node", "docker.io/istio/install-cni:1")),
        "ztunnel": Seen(daemon("ztunnel", "ztunnel", ZTUNNEL_IMAGE)),
        "istiod": Seen([istiod()]),
        "istiod_pods": Seen([pod("istio-system", "istiod-1")]),
        "namespaces": Seen(["shop"]),
        "pods": Seen(pods),
        "workloads": Seen({f"shop/{name}": {"tunnelProtocol": "HBONE"} for name in ("cart", "till")}),
        "dumps": Seen(
            {
                "node-a": Seen({"certificates": [entry(spiffe("shop", "cart"))]}),
                "node-b": Seen({"certificates": [entry(spiffe("shop", "till"))]}),
            }
        ),
        "metrics": Seen({"node-a": Seen(MUTUAL), "node-b": Seen("")}),
        "roots": Seen(authority().pem),
        "trust_domain": Seen("cluster.local"),
        "stand_in": Seen(""),
        "now": NOW,
    }
    return Facts(**{**parts, **changes})


MUTUAL = (
    'istio_tcp_connections_opened_total{reporter="source",source_principal="spiffe://cluster.local/ns/shop/sa/cart",'
    'destination_principal="spiffe://cluster.local/ns/shop/sa/till",connection_security_policy="mutual_tls"} 3\n'
)


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

    def version(self) -> str:
        """Of the API server."""
        return "v1.34.4"

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """An object."""
        if kind == "DaemonSet":
            return daemon(namespace, name, self.image).daemonset
        if kind == "ConfigMap" and name == "istio-ca-root-cert":
            return {"data": {"root-cert.pem": authority().pem}}
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> list[dict[str, Any]]:
        """Objects of a kind."""
        if kind == "Node":
            return [node(name) for name in NODES]
        if kind == "Pod" and namespace in ("ztunnel", "istio-cni"):
            return daemon(namespace, "ztunnel" if namespace == "ztunnel" else "istio-cni-node", self.image).pods
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
        server = next((name for (k, s, name) in self.objects if k == "Pod" and s == INSIDE and "server" in name), "")
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
        if port == 15000:
            names = [] if "unsigned" in self.breaks else ["client", "server"]
            return 200, json.dumps({"certificates": [entry(spiffe(INSIDE, name)) for name in names]})
        if port == 15021:
            return 200, self.readiness
        raise AmbientError("connection refused")

    def apply(self, obj: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Write."""
        meta = obj["metadata"]
        self.objects[(obj["kind"], meta.get("namespace", ""), meta["name"])] = copy.deepcopy(dict(obj))
        self.written.append(f"{obj['kind']} {meta['name']}")
        if "crash" in self.breaks and obj["kind"] == "Pod":
            raise KeyboardInterrupt
        return dict(obj)

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        """Delete a pod, or a namespace with what is in it."""
        if kind == "Pod":
            return self.objects.pop((kind, namespace, name), None) is not None
        self.written.append(f"delete {name}")
        if "stuck" not in self.breaks:
            self.objects = {key: o for key, o in self.objects.items() if key != (kind, "", name) and key[1] != name}
        return True

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
