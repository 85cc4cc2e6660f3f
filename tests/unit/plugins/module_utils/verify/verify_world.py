# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world to verify: certificates, facts of a sound mesh, and a cluster that behaves like one."""

from __future__ import annotations

import base64
import datetime
import functools
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.verify.declared import Declared
from ansible_collections.alauda.ambient.plugins.module_utils.verify.facts import Daemon, Facts
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
            "podIP": "10.1.0.7" if name.startswith("late") else "10.1.0.1",
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
        "peers": Seen([]),
        "policies": Seen([]),
        "services": Seen([]),
        "gateways": Seen([]),
        "waypoint_pods": Seen([]),
        "now": NOW,
    }
    return Facts(**{**parts, **changes})


MUTUAL = (
    'istio_tcp_connections_opened_total{reporter="source",source_principal="spiffe://cluster.local/ns/shop/sa/cart",'
    'destination_principal="spiffe://cluster.local/ns/shop/sa/till",connection_security_policy="mutual_tls"} 3\n'
)
