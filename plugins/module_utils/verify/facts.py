# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the passive verification looks at: read once, judged afterwards."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..errors import AmbientError
from ..manifests.identity import labels_of, namespace_of
from . import declared_facts, ztunnel
from .cluster import CNI, ISTIOD_NAMESPACE, ZTUNNEL, Cluster, get_json, look
from .declared import Declared
from .pods import MODE_LABEL, is_eligible, is_ready, node_of
from .verdict import Seen

Objects = list[dict[str, Any]]


def utc_now() -> datetime.datetime:
    """The time, with its zone."""
    return datetime.datetime.now(datetime.UTC)


READERS = 8  # at once, over as many ztunnel pods


@dataclass(frozen=True)
class Daemon:
    """A DaemonSet and its pods; `daemonset` is None if there is none."""

    daemonset: dict[str, Any] | None
    pods: Objects


@dataclass(frozen=True)
class Facts:
    """Everything a passive check may judge. Each part was seen, or says why not."""

    declared: Declared
    nodes: Seen[Objects]
    cni: Seen[Daemon]
    ztunnel: Seen[Daemon]
    istiod: Seen[Objects]
    istiod_pods: Seen[Objects]
    namespaces: Seen[list[str]]
    pods: Seen[Objects]
    workloads: Seen[dict[str, dict[str, Any]]]
    dumps: Seen[dict[str, Seen[dict[str, Any]]]]
    metrics: Seen[dict[str, Seen[str]]]
    roots: Seen[str]
    trust_domain: Seen[str]
    stand_in: Seen[str]
    peers: Seen[Objects]
    policies: Seen[Objects]
    services: Seen[Objects]
    gateways: Seen[Objects]
    waypoint_pods: Seen[Objects]
    now: datetime.datetime = field(default_factory=utc_now)

    def eligible(self) -> Objects:
        """The pods that istio-cni must have enrolled."""
        only = self.declared.only
        found = [pod for pod in self.pods.get() if is_eligible(pod, self.namespaces.get())]
        return [pod for pod in found if not only or namespace_of(pod) in only]


def gather(cluster: Cluster, declared: Declared) -> Facts:
    """Read the cluster."""
    nodes = look(lambda: cluster.list("v1", "Node"), "nodes")
    ztunnels = look(lambda: daemon(cluster, *ZTUNNEL), "the ztunnel DaemonSet")
    istiod_pods = look(lambda: cluster.list("v1", "Pod", ISTIOD_NAMESPACE, "app=istiod"), "istiod's pods")
    namespaces = look(
        lambda: [str(n["metadata"]["name"]) for n in cluster.list("v1", "Namespace", None, f"{MODE_LABEL}=ambient")],
        "namespaces",
    )
    pods = Seen[Objects](why=namespaces.why)
    if not namespaces.why:
        pods = look(lambda: _pods(cluster, namespaces.get(), declared.only), "pods")
    zpods = [pod for pod in (ztunnels.value.pods if ztunnels.value else []) if is_ready(pod)]
    return Facts(
        declared=declared,
        nodes=nodes,
        cni=look(lambda: daemon(cluster, *CNI), "the istio-cni DaemonSet"),
        ztunnel=ztunnels,
        istiod=look(
            lambda: cluster.list("apps/v1", "Deployment", ISTIOD_NAMESPACE, "app=istiod"), "the istiod Deployment"
        ),
        istiod_pods=istiod_pods,
        namespaces=namespaces,
        pods=pods,
        workloads=look(lambda: workloads(cluster, istiod_pods.get()), "istiod's workloads")
        if not istiod_pods.why
        else Seen(why=istiod_pods.why),
        dumps=_per_node(zpods, lambda pod: config_dump(cluster, pod), ztunnels.why),
        metrics=_per_node(zpods, lambda pod: metrics_of(cluster, pod), ztunnels.why),
        roots=look(lambda: roots(cluster), "the mesh's root certificate"),
        trust_domain=look(lambda: trust_domain(cluster), "the trust domain"),
        stand_in=stand_in(cluster, zpods) if not ztunnels.why else Seen(why=ztunnels.why),
        **declared_facts.read(cluster, declared),
    )


def daemon(cluster: Cluster, namespace: str, name: str) -> Daemon:
    """A DaemonSet by name, with its pods."""
    found = cluster.get("apps/v1", "DaemonSet", name, namespace)
    if found is None:
        return Daemon(None, [])
    selector = ",".join(f"{k}={v}" for k, v in sorted(found["spec"]["selector"].get("matchLabels", {}).items()))
    return Daemon(found, cluster.list("v1", "Pod", namespace, selector))


def _pods(cluster: Cluster, enrolled: Sequence[str], only: Collection[str]) -> Objects:
    """The pods of enrolled namespaces, and those that enrol themselves by a label of their own."""
    namespaces = [name for name in enrolled if not only or name in only]
    if len(namespaces) > declared_facts.FEW:
        found = cluster.list("v1", "Pod")
        return [p for p in found if namespace_of(p) in set(namespaces) or labels_of(p).get(MODE_LABEL) == "ambient"]
    out = [pod for namespace in namespaces for pod in cluster.list("v1", "Pod", namespace)]
    own = cluster.list("v1", "Pod", None, f"{MODE_LABEL}=ambient")
    return out + [pod for pod in own if namespace_of(pod) not in namespaces]


def workloads(cluster: Cluster, istiod_pods: Objects) -> dict[str, dict[str, Any]]:
    """What istiod tells ztunnels about pods, by namespace/name."""
    ready = [pod for pod in istiod_pods if is_ready(pod)]
    if not ready:
        raise AmbientError("no istiod pod is ready")
    meta = ready[0]["metadata"]
    data = get_json(cluster, str(meta["namespace"]), str(meta["name"]), 15014, "/debug/ambientz")
    items = [w for w in data.get("workloads") or [] if "//Pod/" in str(w.get("uid", ""))]
    return {str(w["uid"]).split("//Pod/", 1)[1]: w for w in items}


def config_dump(cluster: Cluster, pod: dict[str, Any]) -> dict[str, Any]:
    """The configuration dump of a ztunnel pod."""
    return get_json(cluster, str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"]), 15000, "/config_dump")


def metrics_of(cluster: Cluster, pod: dict[str, Any]) -> str:
    status, body = _get(cluster, pod, 15020, "/metrics")
    if status != 200:
        raise AmbientError(f"HTTP {status}")
    return body


def _get(cluster: Cluster, pod: dict[str, Any], port: int, path: str) -> tuple[int, str]:
    return cluster.http_get(str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"]), port, path)


def roots(cluster: Cluster) -> str:
    """The roots that ztunnel trusts."""
    found = cluster.get("v1", "ConfigMap", "istio-ca-root-cert", ZTUNNEL[0])
    pem = str(((found or {}).get("data") or {}).get("root-cert.pem") or "")
    if not pem:
        raise AmbientError(f"there is no istio-ca-root-cert in namespace {ZTUNNEL[0]}")
    return pem


def trust_domain(cluster: Cluster) -> str:
    """The mesh's trust domain."""
    found = cluster.get("v1", "ConfigMap", "istio", ISTIOD_NAMESPACE)
    match = re.search(
        r"^trustDomain:\s*[\"']?([^\s\"']+)", str(((found or {}).get("data") or {}).get("mesh", "")), re.M
    )
    return match[1] if match else "cluster.local"


def stand_in(cluster: Cluster, pods: Objects) -> Seen[str]:
    """Where the ztunnel pods say that they are the tests' stand-in; '' if they don't."""

    def found() -> str:
        for pod in pods:
            where = ztunnel.marker(pod) or ztunnel.marker(pod, readiness=_readiness(cluster, pod))
            if where:
                return f"{where} of {pod['metadata']['name']}"
        return ""

    return look(found, "ztunnel's nature")


def _readiness(cluster: Cluster, pod: dict[str, Any]) -> str:
    try:
        return cluster.http_get(
            str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"]), 15021, "/healthz/ready"
        )[1]
    except AmbientError:
        return ""


def _per_node(pods: Objects, read: Callable[[dict[str, Any]], Any], why: str) -> Seen[dict[str, Seen[Any]]]:
    if why:
        return Seen(why=why)
    if not pods:
        return Seen({})
    with ThreadPoolExecutor(max_workers=min(READERS, len(pods))) as pool:
        seen = pool.map(lambda pod: look(lambda: read(pod), f"ztunnel on {node_of(pod)}"), pods)
        return Seen(dict(zip([node_of(pod) for pod in pods], seen, strict=True)))
