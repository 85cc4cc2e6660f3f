# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether istiod, waypoints, istio-cni and ztunnel can take traffic just now: pure functions of live objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..manifests.identity import annotations_of, labels_of, name_of
from . import waypoints
from .moves import MODE_LABEL
from .pods import is_failing, is_ready, is_unscheduled, pod_reason
from .ready import Live, condition, is_of_before, judge, words

_TEMPLATE_HASH = "pod-template-hash"
_SIDECAR_STATUS = "sidecar.istio.io/status"
_ENDED = ("Succeeded", "Failed")
_NAMED = 3  # nodes in a text


class Patience(IntEnum):
    """How long it makes sense to wait for what is lacking."""

    NONE = 0  # only a person mends it
    MOMENT = 1  # a controller may be about to write it
    ROLLING = 2  # pods are starting


@dataclass(frozen=True)
class Lack:
    """What is lacking, in few words, and how long to wait for it. "" if nothing is."""

    text: str = ""
    patience: Patience = Patience.NONE


NOTHING = Lack()


def rollout(deployment: Live, pods: Iterable[Live]) -> Lack:
    """What a Deployment that must answer lacks. `pods`: all that it selects."""
    name = f"Deployment {deployment['metadata']['namespace']}/{name_of(deployment)}"
    if (deployment.get("spec") or {}).get("replicas") == 0:
        return Lack(f"{name} is scaled to 0")
    verdict = judge(deployment)
    if not verdict.missing:
        return NOTHING
    text = f"{name}: {verdict.missing}"
    refused = condition(deployment, "ReplicaFailure")
    if refused and refused.get("status") == "True":
        return Lack(f"{text}: no pod can be made: {words(refused)}")
    failing = [pod for pod in _newest(pods) if is_failing(pod)]
    served = (deployment.get("status") or {}).get("availableReplicas", 0) > 0  # a node may come for the new pod
    if failing and not (served and is_unscheduled(failing[0])):
        return Lack(f"{text}: pod {name_of(failing[0])}: {pod_reason(failing[0])}")
    return Lack(text, Patience.NONE if verdict.final else Patience.ROLLING)


def istiod(slices: Iterable[Live], deployments: Sequence[Live], pods: Sequence[Live]) -> Lack:
    """What istiod lacks to answer. `slices`: the EndpointSlices of its Services."""
    if any(map(has_ready_endpoint, slices)):
        return NOTHING
    if not deployments:
        return Lack("istiod does not answer: it has no Deployment and no ready endpoint")
    lacks = [rollout(each, selected(each, pods)) for each in deployments]
    if not all(lack.text for lack in lacks):
        return Lack("istiod does not answer: it has no ready endpoint", Patience.MOMENT)
    hopeful = max(lacks, key=lambda lack: lack.patience)
    return Lack(f"istiod does not answer: {hopeful.text}", hopeful.patience)


def waypoint(
    name: str, gateway: Live | None, deployments: Sequence[Live], pods: Sequence[Live], slices: Iterable[Live]
) -> Lack:
    """What a waypoint (`namespace/name`) lacks. `slices`: the EndpointSlices of its Services."""
    what = f"waypoint {name}"
    if gateway is None:
        return Lack(f"{what} does not exist: there is no such Gateway")
    if gateway["metadata"].get("deletionTimestamp"):
        return Lack(f"{what} is being deleted")
    accepted = condition(gateway, "Accepted")
    if accepted and accepted.get("status") == "False" and not is_of_before(accepted, gateway):
        return Lack(f"{what} is not Accepted: {words(accepted)}")
    if not deployments and waypoints.is_deployed_waypoint(gateway):
        return Lack(f"{what} has no Deployment", Patience.MOMENT)
    lacks = [_proxies(each, pods) for each in deployments]
    if lacks and all(lack.text for lack in lacks):
        hopeful = max(lacks, key=lambda lack: lack.patience)
        return Lack(f"{what} is not ready: {hopeful.text}", hopeful.patience)
    missing = judge(gateway).missing
    if missing:
        return Lack(f"{what} is {missing}", Patience.MOMENT)
    if not any(map(has_ready_endpoint, slices)):
        return Lack(f"{what} has no ready endpoint", Patience.MOMENT)
    return NOTHING


def _proxies(deployment: Live, pods: Iterable[Live]) -> Lack:
    """What a waypoint's Deployment lacks; nothing once a pod of its newest template takes calls."""
    lack = rollout(deployment, selected(deployment, pods))
    scaled_down = (deployment.get("spec") or {}).get("replicas") == 0
    return NOTHING if not scaled_down and waypoints.serves(deployment) else lack


def nodes(namespace: str, pods: Iterable[Live], component: str, daemons: Sequence[Live]) -> Lack:
    """What a component that runs on each node lacks on those that run `pods` of the namespace."""
    users: dict[str, str] = {}
    for pod in pods:
        if is_captured(pod) and is_ready(pod):  # others take no calls: those of a dead node stay until it is removed
            users.setdefault(str(pod["spec"]["nodeName"]), name_of(pod))
    by_node: dict[str, list[Live]] = {}
    for daemon in daemons:
        by_node.setdefault(str((daemon.get("spec") or {}).get("nodeName") or ""), []).append(daemon)
    looks = (_on_node(component, node, user, by_node.get(node, [])) for node, user in sorted(users.items()))
    lacks = [lack for lack in looks if lack.text]
    if not lacks:
        return NOTHING
    if not daemons:
        return Lack(f"{component} runs on no node, but pods of namespace {namespace} do")
    least = min(lack.patience for lack in lacks)
    named = [lack.text for lack in lacks if lack.patience == least]
    more = f" and on {len(named) - _NAMED} more nodes" if len(named) > _NAMED else ""
    return Lack(f"{'; '.join(named[:_NAMED])}{more}", least)


def is_captured(pod: Live) -> bool:
    """Whether istio-cni takes the pod where its namespace is enrolled."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or spec.get("hostNetwork") or status.get("phase") in _ENDED:
        return False
    if pod["metadata"].get("deletionTimestamp") or _SIDECAR_STATUS in annotations_of(pod):
        return False
    return labels_of(pod).get(MODE_LABEL, "ambient") == "ambient"


def has_ready_endpoint(endpoint_slice: Live) -> bool:
    """Whether an EndpointSlice has an endpoint that takes calls. One of which nothing is said counts as ready."""
    endpoints: list[dict[str, Any]] = endpoint_slice.get("endpoints") or []
    return any((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in endpoints)


def _on_node(component: str, node: str, user: str, daemons: Sequence[Live]) -> Lack:
    if any(map(is_ready, daemons)):
        return NOTHING
    where = f"{component} is not ready on node {node}, which runs pod {user}"
    if not daemons:
        hint = f"if that node takes none, label the pod {MODE_LABEL}: none"
        return Lack(f"{where}: there is no pod of it ({hint})", Patience.MOMENT)
    failing = next(filter(is_failing, daemons), None)
    told = failing or daemons[0]
    text = f"{where}: pod {name_of(told)}: {pod_reason(told) or 'is not ready'}"
    return Lack(text, Patience.NONE if failing else Patience.ROLLING)


def selected(deployment: Live, pods: Iterable[Live]) -> list[Live]:
    """The pods of a Deployment."""
    wanted: Mapping[str, str] = ((deployment.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    namespace = deployment["metadata"]["namespace"]
    return [
        pod for pod in pods if pod["metadata"]["namespace"] == namespace and wanted.items() <= labels_of(pod).items()
    ]


def _newest(pods: Iterable[Live]) -> list[Live]:
    """The pods of the newest template: those before it are on their way out, whatever is wrong with them."""
    by_age = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    newest = labels_of(by_age[0]).get(_TEMPLATE_HASH) if by_age else None
    return [pod for pod in by_age if labels_of(pod).get(_TEMPLATE_HASH) == newest]
