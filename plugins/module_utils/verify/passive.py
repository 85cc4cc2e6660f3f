# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The passive verifications: what reading a cluster can prove."""

from __future__ import annotations

from ..pki.signing import HAS_CRYPTOGRAPHY
from . import certificates, ztunnel
from .cluster import CNI, ISTIOD_NAMESPACE, ZTUNNEL
from .facts import Daemon, Facts
from .pods import full_name, identity, is_ready, is_redirected, is_schedulable_linux, is_true, node_of, redirection
from .verdict import Check, Seen, Verdict, count, failed, not_proven, passed, shorten, skipped


def istiod_available(facts: Facts) -> Verdict:
    """istiod has ready pods."""
    found = facts.istiod.get()
    if not found:
        return failed(f"there is no istiod Deployment in {ISTIOD_NAMESPACE}", "Run playbooks/site.yml")
    for deployment in found:
        status = deployment.get("status") or {}
        wanted, ready = int(deployment["spec"].get("replicas", 1)), int(status.get("availableReplicas") or 0)
        if not is_true(deployment, "Available") or ready < 1:
            return failed(
                f"Deployment {full_name(deployment)} has {ready} of {wanted} pods available",
                f"See kubectl -n {ISTIOD_NAMESPACE} get pods -l app=istiod",
            )
    names = [full_name(deployment) for deployment in found]
    ready_pods = [pod for pod in facts.istiod_pods.value or [] if is_ready(pod)]
    return passed(f"{shorten(names)} available, {count(len(ready_pods), 'ready pod')}")


def cni_everywhere(facts: Facts) -> Verdict:
    """istio-cni is ready on every node."""
    return _everywhere(facts, facts.cni.get(), CNI)


def ztunnel_everywhere(facts: Facts) -> Verdict:
    """ztunnel is ready on every node."""
    return _everywhere(facts, facts.ztunnel.get(), ZTUNNEL)


def _everywhere(facts: Facts, daemon: Daemon, name: tuple[str, str]) -> Verdict:
    namespace, daemonset = name
    if daemon.daemonset is None:
        return failed(f"there is no DaemonSet {namespace}/{daemonset}", "Run playbooks/site.yml")
    wanted = sorted(full_name(node) for node in facts.nodes.get() if is_schedulable_linux(node))
    state = {node_of(pod): "not ready" for pod in daemon.pods}
    state |= {node_of(pod): "ready" for pod in daemon.pods if is_ready(pod)}
    lacking = [f"{node} ({state.get(node, 'no pod')})" for node in wanted if state.get(node) != "ready"]
    if lacking:
        return failed(
            f"{namespace}/{daemonset} is not ready on {len(lacking)} of {len(wanted)} nodes: {shorten(lacking)}",
            f"See kubectl -n {namespace} get pods -o wide, and the node selector and affinity of the DaemonSet",
        )
    if not wanted:
        return failed("there is no schedulable Linux node", "Uncordon a node")
    return passed(f"ready on {count(len(wanted), 'schedulable Linux node')}, all there are")


def declared_enrolled(facts: Facts) -> Verdict:
    """Namespaces are enrolled as declared."""
    declared, live = facts.declared, set(facts.namespaces.get())
    missing = [name for name in declared.enrolled if name not in live]
    still = [name for name in declared.off if name in live]
    if missing or still:
        parts = [f"not enrolled: {shorten(missing)}"] if missing else []
        parts += [f"still enrolled: {shorten(still)}"] if still else []
        return failed("; ".join(parts), "Run playbooks/site.yml, and see who else sets istio.io/dataplane-mode there")
    if not declared.enrolled and not declared.off:
        return skipped("no namespace is declared")
    extra = sorted(live - set(declared.enrolled))
    more = f"; enrolled but not declared: {shorten(extra)}" if extra else ""
    return passed(f"enrolled: {shorten(declared.enrolled) or 'none'}{more}")


def pods_redirected(facts: Facts) -> Verdict:
    """Every eligible pod is redirected."""
    eligible = facts.eligible()
    if not eligible:
        return skipped("no eligible pod runs in an enrolled namespace")
    lacking = [pod for pod in eligible if not is_redirected(pod)]
    if lacking:
        names = [f"{full_name(pod)} on {node_of(pod)} ({redirection(pod) or 'no annotation'})" for pod in lacking]
        return failed(
            f"{len(lacking)} of {len(eligible)} eligible pods are not redirected to ztunnel: {shorten(names)}",
            "See the log of istio-cni on that node; a pod that started before istio-cni was ready must be restarted",
        )
    return passed(f"{count(len(eligible), 'pod')} with ambient.istio.io/redirection: enabled")


def workloads_known(facts: Facts) -> Verdict:
    """istiod knows every enrolled pod as reachable over HBONE."""
    eligible, known = facts.eligible(), facts.workloads.get()
    if not eligible:
        return skipped("no eligible pod runs in an enrolled namespace")
    lacking = [full_name(pod) for pod in eligible if known.get(full_name(pod), {}).get("tunnelProtocol") != "HBONE"]
    if lacking:
        return failed(
            f"istiod does not tell ztunnels that {len(lacking)} of {len(eligible)} enrolled pods speak HBONE: "
            f"{shorten(lacking)}",
            "See the discovery selectors of the mesh and istiod's log",
        )
    return passed(f"istiod lists {count(len(eligible), 'enrolled pod')} as HBONE workloads, all there are")


def identities_signed(facts: Facts) -> Verdict:
    """istiod has signed a certificate for every enrolled pod's identity, and that pod's ztunnel holds it."""
    eligible = facts.eligible()
    if not eligible:
        return skipped("no eligible pod runs in an enrolled namespace")
    if not HAS_CRYPTOGRAPHY:
        return not_proven("the Python package cryptography is missing on the controller")
    dumps = facts.dumps.get()
    wanted = {(node_of(pod), identity(pod, facts.trust_domain.get())) for pod in eligible}
    wrong, unseen = [], []
    for node, who in sorted(wanted):
        dump: Seen[dict[str, object]] = dumps.get(node, Seen(why=f"there is no ready ztunnel on {node}"))
        if dump.value is None:
            unseen.append(dump.why)
            continue
        problem = certificates.held(dump.value, who, facts.roots.get(), facts.now)
        if problem:
            wrong.append(f"{who} on {node}: {problem}")
    if wrong:
        return failed(
            f"{len(wrong)} of {len(wanted)} identities have no certificate: {shorten(wrong, 3)}",
            "See the log of ztunnel on that node and of istiod (CA_TRUSTED_NODE_ACCOUNTS)",
        )
    if unseen:
        return not_proven(shorten(dict.fromkeys(unseen), 3))
    return passed(
        f"ztunnel holds {count(len(wanted), 'certificate')}, one for each identity and node, signed by the mesh's root"
    )


def encryption(facts: Facts) -> Verdict:
    """Connections were made with mutual TLS; only a real ztunnel can show that."""
    if facts.stand_in.value:
        return not_proven(f"{ztunnel.STAND_IN} (it says so in the {facts.stand_in.value})")
    seen = facts.metrics.get()
    counts = {node: ztunnel.mutual_tls_connections(m.value) for node, m in seen.items() if m.value is not None}
    if sum(counts.values()):
        return passed(f"ztunnel counted {count(sum(counts.values()), 'connection')} with mutual TLS")
    unread = [m.why for m in seen.values() if m.why]
    return not_proven(shorten(unread, 3) if unread else "no connection with mutual TLS was seen yet")


CHECKS: tuple[Check[Facts], ...] = (
    Check("istiod-available", "istiod is available", ("istiod", "istiod_pods"), istiod_available),
    Check("cni-on-every-node", "istio-cni runs on every node", ("nodes", "cni"), cni_everywhere),
    Check("ztunnel-on-every-node", "ztunnel runs on every node", ("nodes", "ztunnel"), ztunnel_everywhere),
    Check("namespaces-as-declared", "Namespaces are enrolled as declared", ("namespaces",), declared_enrolled),
    Check("pods-redirected", "Enrolled pods are redirected to ztunnel", ("namespaces", "pods"), pods_redirected),
    Check("workloads-known", "istiod knows the enrolled pods", ("namespaces", "pods", "workloads"), workloads_known),
    Check(
        "identities-signed",
        "istiod has signed the pods' identities",
        ("namespaces", "pods", "dumps", "roots", "trust_domain"),
        identities_signed,
    ),
    Check("encryption", "Traffic in the mesh is encrypted", ("stand_in", "metrics"), encryption),
)
