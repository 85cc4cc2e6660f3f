# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The active verifications of waypoints and of restarts: what the probe's observations prove."""

from __future__ import annotations

from .observations import Exchange, Layer7, Observations, Restart
from .probe_objects import INSIDE
from .verdict import Check, Verdict, failed, not_proven, passed
from .ztunnel import NO_PATH, NO_POLICY

_LOGS = "See the logs of ztunnel on both nodes, of the waypoint and of istiod"
_IMAGE = "See that the nodes can pull proxyv2; an image without Istio's own filters needs verify_waypoint_manifests"


def no_waypoint(seen: Observations) -> str:
    """Why the probe made no waypoint."""
    return "" if seen.plan.waypoint else "ambient_verify_waypoint is false"


def no_disruption(seen: Observations) -> str:
    """Why nothing was restarted."""
    if seen.plan.disrupt:
        return ""
    return "it cuts connections of others, and ambient_verify_disrupt is false"


def no_waypoint_restart(seen: Observations) -> str:
    """Why the waypoint was not restarted."""
    return no_waypoint(seen) or no_disruption(seen)


def captured(seen: Observations) -> Verdict:
    """A pod that is made in an enrolled namespace is in the mesh from its start."""
    found = seen.captured.get()
    if found.mark != "enabled":
        return failed(
            f"{INSIDE}/{seen.plan.late} was not redirected ({found.mark or 'no annotation'}); {found.answer.detail}",
            f"See the log of istio-cni on {seen.server_node}",
        )
    if not found.answer.ok:
        return failed(found.answer.detail, "See the logs of ztunnel on both nodes")
    return passed(f"{INSIDE}/{seen.plan.late} was redirected, and {found.answer.detail}")


def waypoint(seen: Observations) -> Verdict:
    """A waypoint becomes ready, and istiod binds a Service to it."""
    trouble = seen.waypoint.get()
    if trouble:
        return failed(trouble, _IMAGE)
    if seen.bound.value is None:
        return not_proven(seen.bound.why)
    if seen.bound.value:
        return failed(f"the Service was not bound: {seen.bound.value}", "See istiod's log")
    return passed("programmed, with a ready pod, and istio.io/WaypointBound is True for its Service")


def methods(seen: Observations) -> Verdict:
    """The waypoint lets GET pass and answers POST with 403 by itself."""
    found = seen.layer7.get()
    if seen.stand_in.value:
        return not_proven(f"{NO_PATH}; GET got {_word(found.get)}, POST got {_word(found.post)}")
    if found.post.ok:
        return failed(f"POST {found.post.detail}", f"The waypoint is not in the path, or has no policy. {_LOGS}")
    if not found.get.ok:
        return failed(f"GET {found.get.detail}", _LOGS)
    if found.post.status != 403:
        return failed(f"POST {found.post.detail}, not HTTP 403", _LOGS)
    evidence = _evidence(found)
    if not evidence:
        return failed("GET got 200 and POST 403, but the waypoint has seen neither", _LOGS)
    return passed(f"GET got 200, POST got 403; {evidence}")


def _evidence(found: Layer7) -> str:
    """The waypoint's own word for having been in the path."""
    if found.allowed is not None and found.denied is not None:
        counted = f"the waypoint counts {found.allowed} requests allowed and {found.denied} denied by its policy"
        return counted if found.allowed and found.denied else ""
    return f"the refusal says {found.post.envoy}" if found.post.envoy else ""


def _word(answer: Exchange) -> str:
    return str(answer.status or "no answer")


def lock_down(seen: Observations) -> Verdict:
    """Under lock-down nothing reaches the server but through its waypoint."""
    found = seen.bypass.get()
    if seen.stand_in.value:
        said = ", ".join(f"{way}: {_word(answer)}" for way, answer in found.after.items())
        return not_proven(f"{NO_POLICY}; under lock-down {said}")
    open_ = [f"by {way} {answer.detail}" for way, answer in found.after.items() if answer.ok]
    if open_:
        return failed(f"under lock-down {'; '.join(open_)}", _LOGS)
    if not found.through.ok:
        return failed(f"under lock-down nothing passes through the waypoint either: {found.through.detail}", _LOGS)
    closed = [f"{way}: {answer.detail}" for way, answer in found.before.items() if not answer.ok]
    if closed:
        return not_proven(f"some ways were closed without lock-down, too: {'; '.join(closed)}")
    return passed(f"refused: {', '.join(found.after)}; through its own waypoint {found.through.detail}")


def ztunnel_restart(seen: Observations) -> Verdict:
    """After ztunnel has restarted, requests pass again; how many failed is told."""
    return _restart(seen, seen.ztunnel_restart.get(), f"while ztunnel on {seen.server_node} restarted")


def waypoint_restart(seen: Observations) -> Verdict:
    """After the waypoint has restarted, requests pass again; how many failed is told."""
    return _restart(seen, seen.waypoint_restart.get(), "while the waypoint restarted")


def _restart(seen: Observations, found: Restart, when: str) -> Verdict:
    if seen.stand_in.value:
        return not_proven(f"{NO_PATH}; {when}, {found}{f'; {found.trouble}' if found.trouble else ''}")
    if found.trouble:
        return failed(f"{found.trouble}; {when}, {found}", _LOGS)
    return passed(f"{when}, {found}")


CHECKS: tuple[Check[Observations], ...] = (
    Check("probe-waypoint", "A waypoint becomes ready", ("enrolled", "waypoint"), waypoint, no_waypoint),
    Check(
        "probe-methods",
        "A waypoint enforces a policy on methods",
        ("stand_in", "waypoint", "layer7"),
        methods,
        no_waypoint,
    ),
    Check(
        "probe-lock-down", "Nothing gets around a waypoint", ("stand_in", "waypoint", "bypass"), lock_down, no_waypoint
    ),
    Check(
        "probe-waypoint-restart",
        "Requests outlast a restart of a waypoint",
        ("stand_in", "waypoint", "waypoint_restart"),
        waypoint_restart,
        no_waypoint_restart,
    ),
    Check(
        "probe-ztunnel-restart",
        "Requests outlast a restart of ztunnel",
        ("stand_in", "enrolled", "ztunnel_restart"),
        ztunnel_restart,
        no_disruption,
    ),
)
