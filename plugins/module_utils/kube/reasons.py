# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something is not ready, in the words that a person needs: container states, logs, events, quotas, nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..manifests.identity import Identity, Object
from .client import Client
from .errors import ApiError
from .pods import claims, crashed, node_reason, pod_reason

_MAX_PODS = 3
_MAX_EVENTS = 2
_LOG_LINE = 200
_WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet", "Job")
_GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
# What may not be read, or is not there, must not hide the rest of the reason.
_OPTIONAL = ApiError


def why_not_ready(client: Client, identity: Identity) -> str:
    """One line about the cause, "" where nothing is known beyond the object itself."""
    live = client.get(identity)
    if live is None:
        return _why_missing(client, identity)
    if identity.kind in _WORKLOADS:
        return _why_workload(client, live)
    texts = []
    if identity.kind == "Gateway":
        texts = _why_gateway(client, live)
    elif identity.kind == "PersistentVolumeClaim":
        texts = _why_claim(client, live)
    elif identity.kind.endswith("WebhookConfiguration"):
        texts = _why_webhooks(client, live)
    return "; ".join([*texts, *_events(client, identity.namespace, identity.kind, identity.name)])


def _why_missing(client: Client, identity: Identity) -> str:
    if not client.exists_kind(identity.api_version, identity.kind):
        return f"the API server does not serve {identity.api_version} {identity.kind}"
    return ""


def _why_workload(client: Client, live: Object) -> str:
    metadata, kind = live["metadata"], str(live["kind"])
    namespace, name = metadata["namespace"], metadata["name"]
    refused = _refused(live)
    pods = _pods(client, live)
    if not pods:
        events = _events(client, namespace, kind, name)
        if kind == "Deployment" and not refused:
            events += _replica_set_events(client, live)
        return "; ".join([refused or "there is no pod", *events[:_MAX_EVENTS]])
    texts = [refused] if refused else []
    texts += _why_pods(client, pods)
    return "; ".join(texts or _events(client, namespace, kind, name))


def _refused(deployment: Mapping[str, Any]) -> str:
    """Why a Deployment's pods are not even made: a quota, a webhook that refuses or does not answer."""
    for found in (deployment.get("status") or {}).get("conditions") or []:
        if found.get("type") == "ReplicaFailure" and found.get("status") == "True":
            return f"no pod can be made: {found.get('message') or found.get('reason')}"
    return ""


def _why_pods(client: Client, pods: Iterable[Object]) -> list[str]:
    """One text for the pods that fail alike, for the first few ways to fail."""
    alike: dict[str, list[Object]] = {}
    for pod in pods:
        reason = pod_reason(pod)
        if reason:
            alike.setdefault(reason.replace(pod["metadata"]["name"], "*"), []).append(pod)
    texts = []
    for group in list(alike.values())[:_MAX_PODS]:
        more = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
        texts.append(f"pod {group[0]['metadata']['name']}{more}: {'; '.join(_why_pod(client, group[0]))}")
    return texts


def _why_pod(client: Client, pod: Object) -> list[str]:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    reason = pod_reason(pod)
    texts = [reason]
    sick = _sick_node(client, pod)
    container = crashed(pod)
    if sick:
        texts.append(sick)
    elif container:  # of a sick node no log comes
        with suppress(_OPTIONAL):
            texts += _last_line(client, namespace, name, *container)
    if "persistentvolumeclaim" in reason.lower():
        for claim in claims(pod):
            with suppress(_OPTIONAL):
                texts += _why_unbound(client, namespace, claim)
    return texts + _events(client, namespace, "Pod", name)


def _sick_node(client: Client, pod: Object) -> str:
    name = (pod.get("spec") or {}).get("nodeName")
    if name:
        with suppress(_OPTIONAL):
            return node_reason(client.get("v1", "Node", name), name)
    return ""


def _last_line(client: Client, namespace: str, pod: str, container: str, previous: bool) -> list[str]:
    lines = client.logs(namespace, pod, container, tail=5, previous=previous).split("\n")
    told = [" ".join(line.split()) for line in lines if line.strip()]
    return [f"its last line: {told[-1][-_LOG_LINE:]}"] if told else []


def _why_unbound(client: Client, namespace: str, name: str) -> list[str]:
    claim = client.get("v1", "PersistentVolumeClaim", name, namespace)
    if claim is None:
        return [f"claim {name} does not exist"]
    if (claim.get("status") or {}).get("phase") == "Bound":
        return []
    return [f"claim {name} is not bound: {text}" for text in _why_claim(client, claim)] + _events(
        client, namespace, "PersistentVolumeClaim", name
    )


def _why_claim(client: Client, claim: Object) -> list[str]:
    name = (claim.get("spec") or {}).get("storageClassName")
    if name is None:
        return ["it names no storage class, and there is no default one"]
    with suppress(_OPTIONAL):
        if name and client.get("storage.k8s.io/v1", "StorageClass", name) is None:
            return [f"storage class {name} does not exist"]
    return []


def _why_gateway(client: Client, gateway: Object) -> list[str]:
    """What its proxies lack, where a controller deploys them (a waypoint's do)."""
    metadata = gateway["metadata"]
    labels = f"{_GATEWAY_LABEL}={metadata['name']}"
    texts: list[str] = []
    with suppress(_OPTIONAL):
        for deployment in client.list("apps/v1", "Deployment", metadata["namespace"], label_selector=labels):
            why = _why_workload(client, deployment)
            texts += [f"its Deployment {deployment['metadata']['name']}: {why}"] if why else []
    return texts


def _why_webhooks(client: Client, webhooks: Object) -> list[str]:
    texts: list[str] = []
    services = [(each.get("clientConfig") or {}).get("service") for each in webhooks.get("webhooks") or []]
    for namespace, name in sorted({(each["namespace"], each["name"]) for each in services if each}):
        with suppress(_OPTIONAL):
            texts += _why_service(client, namespace, name)
    return texts


def _why_service(client: Client, namespace: str, name: str) -> list[str]:
    service = client.get("v1", "Service", name, namespace)
    if service is None:
        return [f"service {namespace}/{name} does not exist"]
    selector = (service.get("spec") or {}).get("selector")
    if not selector:
        return []
    pods = _pods_with(client, namespace, selector)
    return _why_pods(client, pods) if pods else [f"service {namespace}/{name} selects no pod"]


def _pods(client: Client, workload: Mapping[str, Any]) -> list[Object]:
    selector = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return _pods_with(client, workload["metadata"]["namespace"], selector)


def _pods_with(client: Client, namespace: str, selector: Mapping[str, str]) -> list[Object]:
    """The pods with these labels, the newest first."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    if not labels:
        return []
    pods = client.list("v1", "Pod", namespace, label_selector=labels)
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)


def _replica_set_events(client: Client, deployment: Object) -> list[str]:
    namespace, uid = deployment["metadata"]["namespace"], deployment["metadata"]["uid"]
    texts: list[str] = []
    with suppress(_OPTIONAL):
        for replica_set in client.list_metadata("apps/v1", "ReplicaSet", namespace):
            if any(owner.get("uid") == uid for owner in replica_set["metadata"].get("ownerReferences") or []):
                texts += _events(client, namespace, "ReplicaSet", replica_set["metadata"]["name"])
    return texts


def _events(client: Client, namespace: str, kind: str, name: str) -> list[str]:
    selector = f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"
    events: list[Object] = []
    with suppress(_OPTIONAL):
        events = client.list("v1", "Event", namespace or "default", field_selector=selector)

    def last(event: Mapping[str, Any]) -> str:
        series = event.get("series") or {}
        times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
        return str(next((time for time in times if time), event["metadata"].get("creationTimestamp")))

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
