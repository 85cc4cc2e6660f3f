# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something is not ready, in the words that a person needs: container states, events, conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..manifests.identity import Identity, Object
from .client import Client

_MAX_PODS = 3
_MAX_EVENTS = 2
_WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet", "Job")


def why_not_ready(client: Client, identity: Identity) -> str:
    """One line about the cause, "" where nothing is known beyond the object itself."""
    if identity.kind not in _WORKLOADS:
        return "; ".join(_events(client, identity.namespace, identity.kind, identity.name))
    live = client.get(identity)
    if live is None:
        return "it does not exist any more"
    pods = _pods(client, live)
    if not pods:
        return _why_no_pods(client, identity)
    reasons = []
    for pod in pods:
        reason = pod_reason(pod)
        if reason:
            name = pod["metadata"]["name"]
            events = _events(client, identity.namespace, "Pod", name)
            reasons.append(f"pod {name}: {'; '.join([reason, *events])}")
    return ", ".join(reasons[:_MAX_PODS])


def pod_reason(pod: Mapping[str, Any]) -> str:
    """What keeps a pod from being ready, "" if it is. A pure function of the pod."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        reason = _container_reason(container)
        if reason:
            return f"container {container.get('name')}: {reason}"
    for found in status.get("conditions") or []:
        if found.get("type") == "PodScheduled" and found.get("status") == "False":
            return str(found.get("message") or found.get("reason") or "not scheduled")
    if status.get("phase") == "Failed":
        return str(status.get("message") or status.get("reason") or "failed")
    ready = any(
        found.get("type") == "Ready" and found.get("status") == "True" for found in status.get("conditions") or []
    )
    if ready or status.get("phase") == "Succeeded":
        return ""
    for each in status.get("containerStatuses") or []:
        if not each.get("ready"):
            word = (
                "runs but is not ready" if (each.get("state") or {}).get("running") is not None else "is being created"
            )
            return f"container {each.get('name')} {word}"
    return "not started yet"


def _container_reason(container: Mapping[str, Any]) -> str:
    state = container.get("state") or {}
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason") not in ("PodInitializing", "ContainerCreating"):
        last = (container.get("lastState") or {}).get("terminated")
        texts = [waiting.get("reason"), waiting.get("message"), _ended(last) if last else ""]
        return ": ".join(str(text) for text in texts if text)
    if terminated and terminated.get("exitCode"):
        return _ended(terminated)
    return ""


def _ended(terminated: Mapping[str, Any]) -> str:
    message = " ".join(str(terminated.get("message") or "").split())[-200:]
    text = f"ended with {terminated.get('reason')}, exit status {terminated.get('exitCode')}"
    return f"{text} ({message})" if message else text


def _pods(client: Client, workload: Mapping[str, Any]) -> list[Object]:
    selector = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    if not labels:
        return []
    pods = client.list("v1", "Pod", workload["metadata"]["namespace"], label_selector=labels)
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)


def _why_no_pods(client: Client, identity: Identity) -> str:
    """The events of the workload, or of a Deployment's ReplicaSets: quota, admission, no matching node."""
    events = _events(client, identity.namespace, identity.kind, identity.name)
    if not events and identity.kind == "Deployment":
        for replica_set in client.list("apps/v1", "ReplicaSet", identity.namespace):
            owners = replica_set["metadata"].get("ownerReferences") or []
            if any(owner.get("name") == identity.name and owner.get("kind") == "Deployment" for owner in owners):
                events += _events(client, identity.namespace, "ReplicaSet", replica_set["metadata"]["name"])
    return "; ".join(["there is no pod", *events[:_MAX_EVENTS]])


def _events(client: Client, namespace: str, kind: str, name: str) -> list[str]:
    selector = f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"
    events = client.list("v1", "Event", namespace or "default", field_selector=selector)

    def last(event: Mapping[str, Any]) -> str:
        return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))

    texts: list[str] = []
    for event in sorted(events, key=last, reverse=True):
        text = f"{event.get('reason')}: {' '.join(str(event.get('message')).split())}"
        if text not in texts:
            texts.append(text)
    return texts[:_MAX_EVENTS]


def why_not_gone(client: Client, identity: Identity) -> str:
    """What keeps a deleted object: finalizers, and for a namespace what is left in it."""
    live = client.get(identity)
    if live is None:
        return ""
    metadata, status = live["metadata"], live.get("status") or {}
    texts = []
    finalizers = [*(metadata.get("finalizers") or []), *((live.get("spec") or {}).get("finalizers") or [])]
    if finalizers:
        texts.append(f"finalizers {', '.join(map(str, finalizers))}")
    if identity.kind == "Namespace":
        for found in status.get("conditions") or []:
            if found.get("status") == "True":
                texts.append(str(found.get("message")))
    if identity.kind in _WORKLOADS:
        pods = [pod["metadata"]["name"] for pod in _pods(client, live)]
        if pods:
            texts.append(f"pods {', '.join(pods[:_MAX_PODS])}")
    return "; ".join(texts)
