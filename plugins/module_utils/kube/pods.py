# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a pod from being ready: pure functions of pods and nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Live = Mapping[str, Any]

_ON_ITS_WAY = ("PodInitializing", "ContainerCreating")
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def pod_reason(pod: Live) -> str:
    """What keeps a pod from being ready, "" if it is."""
    status = pod.get("status") or {}
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return "is being deleted"
    for container in _containers(status):
        reason = _container_reason(container)
        if reason:
            return f"container {container.get('name')}: {reason}"
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return str(scheduled.get("message") or scheduled.get("reason") or "not scheduled")
    if status.get("phase") == "Failed":
        return str(status.get("message") or status.get("reason") or "failed")
    if _condition(status, "Ready").get("status") == "True" or status.get("phase") == "Succeeded":
        return ""
    for each in status.get("containerStatuses") or []:
        if not each.get("ready"):
            runs = (each.get("state") or {}).get("running") is not None
            return f"container {each.get('name')} {'runs but is not ready' if runs else 'is being created'}"
    if _condition(status, "ContainersReady").get("status") == "True":
        gates = [gate.get("conditionType") for gate in (pod.get("spec") or {}).get("readinessGates") or []]
        closed = [str(gate) for gate in gates if _condition(status, str(gate)).get("status") != "True"]
        if closed:
            return f"readiness gate {', '.join(closed)} is closed"
    if (pod.get("spec") or {}).get("nodeName"):
        return f"not started yet on node {pod['spec']['nodeName']}"
    return "not started yet"


def is_failing(pod: Live) -> bool:
    """Whether a pod will not become ready by waiting: an image or a container fails, no node takes it, it has ended."""
    status = pod.get("status") or {}
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return False  # its successor counts
    if is_unscheduled(pod):
        return True
    return status.get("phase") == "Failed" or any(map(_container_reason, _containers(status)))


def is_unscheduled(pod: Live) -> bool:
    """Whether no node takes the pod."""
    return _condition(pod.get("status") or {}, "PodScheduled").get("status") == "False"


def is_ready(pod: Live) -> bool:
    """Whether a pod is ready, and not on its way out."""
    going = (pod.get("metadata") or {}).get("deletionTimestamp")
    return not going and _condition(pod.get("status") or {}, "Ready").get("status") == "True"


def crashed(pod: Live) -> tuple[str, bool] | None:
    """The container whose log tells more, and whether that is the log of its previous run."""
    for container in _containers(pod.get("status") or {}):
        state = container.get("state") or {}
        ended = _failure(state.get("terminated"))
        previous = _failure((container.get("lastState") or {}).get("terminated"))
        waits = state.get("waiting") and previous
        if (ended or waits) and not (ended or previous or {}).get("message"):
            return str(container.get("name")), bool(waits)
    return None


def claims(pod: Live) -> list[str]:
    """The names of the volume claims that a pod uses."""
    volumes = (pod.get("spec") or {}).get("volumes") or []
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if volume.get("persistentVolumeClaim")]


def node_reason(node: Live | None, name: str) -> str:
    """What is wrong with a node, "" where nothing is."""
    if node is None:
        return f"node {name} does not exist any more"
    status = node.get("status") or {}
    ready = _condition(status, "Ready")
    if ready.get("status") != "True":
        return f"node {name} is not ready: {ready.get('message') or ready.get('reason') or 'it does not report'}"
    pressures = [kind for kind in _PRESSURES if _condition(status, kind).get("status") == "True"]
    return f"node {name} has {', '.join(pressures)}" if pressures else ""


def _containers(status: Live) -> Iterator[Live]:
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _condition(status: Live, kind: str) -> Live:
    found: Live = next((each for each in status.get("conditions") or [] if each.get("type") == kind), {})
    return found


def _container_reason(container: Live) -> str:
    state = container.get("state") or {}
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason") not in _ON_ITS_WAY:
        last = (container.get("lastState") or {}).get("terminated")
        texts = [waiting.get("reason"), waiting.get("message"), _ended(last) if last else ""]
        return ": ".join(str(text) for text in texts if text)
    failure = _failure(terminated)
    return _ended(failure) if failure else ""


def _failure(terminated: Live | None) -> Live | None:
    return terminated if terminated and terminated.get("exitCode") else None


def _ended(terminated: Live) -> str:
    message = " ".join(str(terminated.get("message") or "").split())[-200:]
    text = f"ended with {terminated.get('reason')}, exit status {terminated.get('exitCode')}"
    return f"{text} ({message})" if message else text
