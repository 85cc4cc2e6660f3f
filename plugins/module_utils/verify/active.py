# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The active verifications: what the probe's observations prove."""

from __future__ import annotations

from . import active_waypoint
from .observations import Observations
from .probe_objects import INSIDE, OUTSIDE
from .verdict import Check, Verdict, count, failed, not_proven, passed, shorten, skipped
from .ztunnel import STAND_IN

_LOG = "See ztunnel's log"

_PORT = "See the logs of ztunnel on both nodes; port 15008 must be open between nodes"


def plain_before(seen: Observations) -> Verdict:
    """Without the mesh, requests pass: else nothing that follows would mean anything."""
    trouble = seen.started.get()
    if trouble:
        return failed(
            f"the probe's pods did not become ready: {trouble}",
            "See that the nodes can pull ambient_verify_image and take the pods",
        )
    if seen.plain.value is None:
        return not_proven(seen.plain.why)
    bad = [answer.detail for answer in (seen.plain.value.inside, seen.plain.value.outside) if not answer.ok]
    if bad:
        return failed("; ".join(bad), "Pod network or cluster DNS fails without the mesh: see to these first")
    return passed(f"clients in {INSIDE} and {OUTSIDE} got 200 from the server on {seen.server_node}")


def enrolment(seen: Observations) -> Verdict:
    """Labelling the namespace redirects its running pods."""
    marks = seen.enrolled.get()
    lacking = [f"{name} ({mark or 'no annotation'})" for name, mark in marks.items() if mark != "enabled"]
    if lacking or not seen.is_enrolled:
        return failed(
            f"after the label was set, these pods were not redirected: {shorten(lacking) or 'none was there'}",
            "See the log of istio-cni on their nodes",
        )
    return passed(f"{count(len(marks), 'running pod')} of {INSIDE} redirected without a restart")


def request(seen: Observations) -> Verdict:
    """Enrolled pods reach each other."""
    if not seen.meshed.get().ok:
        return failed(seen.meshed.get().detail, _PORT)
    return passed(seen.meshed.get().detail)


def across_nodes(seen: Observations) -> Verdict:
    """The two pods were on different nodes."""
    if seen.single_node:
        return skipped(f"{seen.server_node} is the only node that takes pods")
    if not seen.meshed.get().ok:
        return failed(f"from {seen.client_node} to {seen.server_node} nothing passed", _PORT)
    return passed(f"client on {seen.client_node}, server on {seen.server_node}")


def certified(seen: Observations) -> Verdict:
    """istiod knows the probe's pods and has signed their identities."""
    found = seen.certified.get()
    if found.unknown:
        return failed(f"istiod does not list {shorten(found.unknown)} as HBONE workloads", "See istiod's log")
    if found.unsigned:
        return failed(shorten(found.unsigned, 2), "See the logs of ztunnel and istiod (CA_TRUSTED_NODE_ACCOUNTS)")
    return passed("ztunnel holds certificates for both pods' identities, signed by the mesh's root")


def identities(seen: Observations) -> Verdict:
    """ztunnel's log names both ends by identity: it does so for mutual TLS only."""
    if seen.stand_in.value:
        return not_proven(STAND_IN)
    if not seen.meshed.value or not seen.meshed.value.ok:
        return failed("no request passed whose identities could be logged", "See the check of the request")
    lines = seen.log.get()
    if not lines:
        return failed(
            "ztunnel's log has no line about the request of the probe's client",
            "ztunnel does not carry the traffic, or its access log is off (RUST_LOG)",
        )
    wanted = {side: f"spiffe://{seen.trust_domain}/ns/{INSIDE}/sa/{side}" for side in ("client", "server")}
    for line in lines:
        if line["src.identity"] == wanted["client"] and line["dst.identity"] == wanted["server"] and not line["error"]:
            return passed(f"ztunnel logged src.identity={wanted['client']} dst.identity={wanted['server']}")
    return failed(
        f"ztunnel's log names no such pair of identities; it says: {lines[-1]}",
        "The request was not carried by mutual TLS",
    )


def strict(seen: Observations) -> Verdict:
    """STRICT refuses a client outside the mesh and lets the one inside pass."""
    found = seen.strict.get()
    if seen.stand_in.value:
        saw = "the outside client still got 200" if found.outside.ok else "the outside client got no answer"
        return not_proven(f"{STAND_IN}; under STRICT {saw}")
    if not found.before.ok:
        return not_proven(f"the outside client could not reach the server before STRICT either: {found.before.detail}")
    if found.outside.ok:
        return failed(
            f"under STRICT {found.outside.detail}, from outside the mesh",
            "Plain text is accepted: see that a ztunnel which enforces policy carries the traffic, and its log",
        )
    if not found.inside.ok:
        return failed(f"under STRICT the client in the mesh is refused too: {found.inside.detail}", "See ztunnel's log")
    logged = f" (ztunnel logged: {found.logged})" if found.logged else ""
    return passed(
        f"before STRICT {found.before.detail}; under STRICT {found.outside.detail}{logged}, and {found.inside.detail}"
    )


def kubelet(seen: Observations) -> Verdict:
    """The kubelet's own probes still pass."""
    found = seen.kubelet.get()
    if found.troubles:
        return failed(
            shorten(found.troubles, 2),
            "The node's packets to pods are not let through: see the rules for 169.254.7.127",
        )
    return passed(
        f"both pods stayed Ready without a restart for {found.seconds:.0f} s after enrolment, "
        f"{found.strict_seconds:.0f} s of it under STRICT"
    )


def unenrolment(seen: Observations) -> Verdict:
    """Taking the label away takes the pods out of the mesh."""
    found = seen.unenrolled.get()
    if found.left:
        return failed(shorten(found.left), "See the log of istio-cni, and who else sets istio.io/dataplane-mode")
    bad = [answer.detail for answer in (found.inside, found.outside) if not answer.ok]
    if bad:
        return failed("; ".join(bad), "Rules of the mesh are still in the pods: see the log of istio-cni")
    return passed("the annotation is gone, and both clients got 200 although STRICT is still set")


def removed(seen: Observations) -> Verdict:
    """Nothing of the probe is left."""
    left = seen.removed.get()
    if left:
        return failed(f"still there: {shorten(left)}", "See what its finalizers wait for")
    return passed(f"{INSIDE} and {OUTSIDE} are gone")


CHECKS: tuple[Check[Observations], ...] = (
    Check("probe-plain", "Probe pods run and answer before enrolment", ("started",), plain_before),
    Check("probe-enrolled", "Running pods are enrolled by a label", ("enrolled",), enrolment),
    Check("probe-request", "A client in the mesh reaches a server", ("enrolled", "meshed"), request),
    Check("probe-across-nodes", "The request goes from node to node", ("enrolled", "meshed"), across_nodes),
    Check("probe-certificates", "istiod signs the identities of new pods", ("enrolled", "certified"), certified),
    Check("probe-identities", "mTLS: ztunnel names client and server", ("enrolled", "stand_in", "log"), identities),
    Check("probe-strict", "STRICT refuses a client outside the mesh", ("enrolled", "stand_in", "strict"), strict),
    Check("probe-new-pods", "New pods are captured", ("enrolled", "captured"), active_waypoint.captured),
    Check("probe-kubelet", "The kubelet's probes stay green", ("enrolled", "kubelet"), kubelet),
    *active_waypoint.CHECKS,
    Check("probe-unenrolled", "Un-enrolling restores plain traffic", ("enrolled", "unenrolled"), unenrolment),
    Check("probe-removed", "The probe's namespaces are removed", ("removed",), removed),
)
