# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the pods of enrolled namespaces are in the mesh, and why not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ..manifests.identity import annotations_of, labels_of, name_of, namespace_of
from ..mesh.names import why_protected
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL
from . import found, restart
from .context import Context, describe
from .enrolled import ISTIO, proxy_of
from .findings import Outcome, Problem
from .found import CNI
from .snapshot import NAMESPACES, POD_METADATA, PODS, Object
from .uninstall import REDIRECTION

_INJECTED = "sidecar.istio.io/status"


def nobody_bypasses(context: Context) -> Outcome:
    """AMB0409: a running pod of an enrolled namespace without the annotation speaks plain text, past every policy."""
    agents = found.of(CNI, context.cluster)
    if not agents:
        return Outcome(note="no istio-cni is there yet")
    enrolled = {
        name_of(namespace)
        for namespace in context.cluster.all(NAMESPACES)
        if labels_of(namespace).get(MODE_LABEL) == MODE_AMBIENT
    }
    suspects = {namespace_of(pod) for pod in found.inside(context.cluster, POD_METADATA, enrolled) if _is_missed(pod)}
    if not suspects:
        return Outcome()
    nodes = _nodes_with_an_agent(context, {namespace_of(agent) for agent in agents})
    missed: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for pod in found.inside(context.cluster, PODS, suspects):
        if _is_missed(pod) and _is_eligible(pod):
            missed[namespace_of(pod), _reason(pod, nodes)].append(pod)
    return Outcome([_problem(*key, pods) for key, pods in sorted(missed.items(), key=lambda item: item[0])])


def _is_missed(pod: Object) -> bool:
    """Whether the pod ought to be captured and is not, or not wholly; sidecars are the matter of AMB0403."""
    annotations = annotations_of(pod)
    if labels_of(pod).get(MODE_LABEL) == "none" or _INJECTED in annotations:
        return False
    return annotations.get(REDIRECTION) != "enabled"


def _is_eligible(pod: Object) -> bool:
    """A pod on the network of its node is never captured; one that does not run has no traffic."""
    running = (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
    return running and not (pod.get("spec") or {}).get("hostNetwork")


def _nodes_with_an_agent(context: Context, namespaces: set[str]) -> set[str]:
    key, value = CNI.label
    return {
        str((pod.get("spec") or {}).get("nodeName"))
        for pod in found.inside(context.cluster, PODS, namespaces)
        if labels_of(pod).get(key) == value and _is_ready(pod)
    }


def _is_ready(pod: Mapping[str, object]) -> bool:
    status = pod.get("status")
    conditions = status.get("conditions") or [] if isinstance(status, Mapping) else []
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def _reason(pod: Object, nodes: set[str]) -> str:
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    if node not in nodes:
        return f"no istio-cni is ready on node {node}"
    if annotations_of(pod).get(REDIRECTION) == "pending":
        return f"ztunnel of node {node} has not taken it over yet"
    return "it was started past istio-cni"


def _problem(namespace: str, reason: str, pods: list[Object]) -> Problem:
    hint = ". ".join(words for _namespace, _pods, words in restart.by_way(pods))
    if not reason.startswith("it was"):
        hint = f"See why istio-cni and ztunnel are not ready there. If the pods are still not captured then: {hint}"
    count = "1 running pod bypasses" if len(pods) == 1 else f"{len(pods)} running pods bypass"
    message = f"is enrolled, but {count} the mesh, {restart.some(pods)}: {reason}"
    return Problem(f"Namespace {namespace}", message, hint)


def no_foreign_sidecars(context: Context) -> Outcome:
    """AMB0411: the proxy of another mesh and ztunnel both redirect the traffic of the pod."""
    # Istio's are the matter of AMB0403.
    suspects = [
        pod
        for pod in found.inside(context.cluster, POD_METADATA, set(found.joining(context)))
        if proxy_of(pod)[0] not in ("", ISTIO)
    ]
    by_title: dict[str, list[Object]] = defaultdict(list)
    for pod in restart.unfinished(context.cluster, suspects):
        by_title[proxy_of(pod)[0]].append(pod)
    return Outcome(
        [
            Problem(
                f"Namespace {namespace}",
                f"{'1 pod has' if len(pods) == 1 else f'{len(pods)} pods have'} a sidecar of {title}: "
                f"{restart.some(pods)}",
                f"Switch the injection of {title} off for the namespace before it is enrolled, then: {words}",
                found.severity_in(context, namespace),
            )
            for title, members in sorted(by_title.items())
            for namespace, pods, words in restart.by_way(members)
        ]
    )


def nothing_protected(context: Context) -> Outcome:
    """AMB0412: what the mesh and the platform themselves stand on does not go through the mesh."""
    return Outcome(
        [
            Problem(
                describe("Namespace", namespace),
                f"is enrolled, though {why_protected(name_of(namespace))}",
                f"kubectl label namespace {name_of(namespace)} {MODE_LABEL}-",
            )
            for namespace in context.cluster.all(NAMESPACES)
            if labels_of(namespace).get(MODE_LABEL) == MODE_AMBIENT and why_protected(name_of(namespace))
        ]
    )
