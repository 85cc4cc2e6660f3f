# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the declared namespaces can join and leave the mesh as they are."""

from __future__ import annotations

from collections.abc import Iterator

from ..manifests.identity import annotations_of, labels_of, name_of, namespace_of
from ..mesh.patches import DISCOVERY_MANAGER, ENROLMENT_MANAGER
from ..mesh.selectors import discovery_labels, selects
from ..mesh.sidecars import POD_INJECTION, asks_of_namespace, is_gateway
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL
from . import found, restart, versions
from .context import Context, describe, field_holders
from .findings import Outcome, Problem, Severity
from .ours import is_ours
from .snapshot import NAMESPACES, POD_METADATA, PODS, Object

_INJECTED = "sidecar.istio.io/status"


def _live(context: Context) -> dict[str, Object]:
    return {name_of(namespace): namespace for namespace in context.cluster.all(NAMESPACES)}


def _enrolled_live(context: Context) -> Iterator[Object]:
    """The namespaces that shall be enrolled, as they are; the missing ones are the matter of AMB0401."""
    live = _live(context)
    return (live[declared.name] for declared in context.wishes.mesh.enrolled() if declared.name in live)


def _agent_version(context: Context) -> tuple[int, int, int] | None:
    """The version of the oldest istio-cni that is there, else of the one that shall be."""
    live = [version for agent in found.of(found.CNI, context.cluster) if (version := found.version_of(agent))]
    return min(live, default=versions.parse(context.wishes.version))


def _captures_host_network(context: Context) -> bool:
    version = _agent_version(context)
    return version is not None and version <= versions.LAST_WITH_HOST_NETWORK


def _pods(context: Context) -> Iterator[Object]:
    """The pods of the namespaces that join the mesh, whole only where a check looks at their specs."""
    resource = PODS if _captures_host_network(context) else POD_METADATA
    return found.inside(context.cluster, resource, set(found.joining(context)))


def exist(context: Context) -> Outcome:
    """AMB0401: a patch never creates its target; one that is gone needs no release."""
    live = _live(context)
    return Outcome(
        [
            Problem(
                f"Namespace {declared.name}",
                f"does not exist, though ambient_mesh declares it {declared.state.value}",
                "Create it first, or take the entry out of ambient_mesh.namespaces",
            )
            for declared in context.wishes.mesh.enrolled()
            if declared.name not in live
        ],
        note=f"{len(context.wishes.mesh.namespaces)} declared",
    )


def discovered(context: Context) -> Outcome:
    """AMB0402: istiod sees the namespace, as it is or with the label that the enrolment brings."""
    selectors = context.wishes.discovery_selectors
    brought = discovery_labels(selectors)
    problems = []
    for namespace in _enrolled_live(context):
        if selects(selectors, labels_of(namespace)):
            continue
        clashes = [key for key in brought if labels_of(namespace).get(key, brought[key]) != brought[key]]
        if clashes:
            key = clashes[0]
            problems.append(
                Problem(
                    describe("Namespace", namespace),
                    f"lies outside ambient_discovery_selectors: label {key} is {labels_of(namespace)[key]!r}, set by "
                    f"{_holders(namespace, key)}, not {brought[key]!r}",
                    f"kubectl label namespace {name_of(namespace)} {key}={brought[key]} --overwrite",
                )
            )
        elif not selects(selectors, {**labels_of(namespace), **brought}):
            problems.append(
                Problem(
                    describe("Namespace", namespace),
                    "lies outside ambient_discovery_selectors: istiod would not see its pods",
                    "Give it a label that one of the selectors asks for",
                )
            )
    return Outcome(problems, note="" if selectors else "no selectors, all namespaces are discovered")


def no_injection(context: Context) -> Outcome:
    """AMB0403: where both are asked for, the sidecar wins silently."""
    problems = []
    for namespace in found.joining(context).values():
        for key, value in asks_of_namespace(labels_of(namespace)).items():
            problems.append(
                Problem(
                    describe("Namespace", namespace),
                    f"label {key}={value} asks for sidecars: they win over ambient, silently",
                    f"kubectl label namespace {name_of(namespace)} {key}- and restart its pods",
                    found.severity_in(context, name_of(namespace)),
                )
            )
    suspects = [pod for pod in _pods(context) if _has_sidecar(pod)]
    for name, pods, words in restart.by_way(restart.unfinished(context.cluster, suspects)):
        problems.append(
            Problem(
                describe("Pod", pods[0]) if len(pods) == 1 else f"Namespace {name}",
                "has a sidecar or asks for one: it would not be captured"
                if len(pods) == 1
                else f"{len(pods)} pods have a sidecar or ask for one and would not be captured: {restart.some(pods)}",
                f"Take the label {POD_INJECTION} off what makes it, then make it anew. {words}",
                found.severity_in(context, name),
            )
        )
    return Outcome(problems)


def _has_sidecar(pod: Object) -> bool:
    """Whether the pod has a sidecar of Istio or asks for one; the proxy of a gateway is none."""
    if is_gateway(annotations_of(pod)):
        return False
    return _INJECTED in annotations_of(pod) or labels_of(pod).get(POD_INJECTION) == "true"


def no_host_network(context: Context) -> Outcome:
    """AMB0404: the CNI agent of Istio up to 1.30.3 redirects the node's own traffic for such a pod."""
    version = ".".join(map(str, _agent_version(context) or ())) or "of unknown version"
    if not _captures_host_network(context):
        return Outcome(note=f"Istio {version} leaves hostNetwork pods alone")
    return Outcome(
        [
            Problem(
                describe("Pod", pod),
                f"uses the network of its node; Istio {version} would capture the node's traffic",
                "Move it to a namespace that is not enrolled, or take Istio 1.31",
                found.severity_in(context, namespace_of(pod)),
            )
            for pod in _pods(context)
            if (pod.get("spec") or {}).get("hostNetwork")
        ]
    )


def undeclared(context: Context) -> Outcome:
    """AMB0405: what is enrolled and not declared is told and left alone."""
    problems = []
    for namespace in context.cluster.all(NAMESPACES):
        if labels_of(namespace).get(MODE_LABEL) != MODE_AMBIENT or is_ours(namespace):
            continue
        if context.wishes.mesh.declares(name_of(namespace)):
            continue
        ours = ENROLMENT_MANAGER in field_holders(namespace, MODE_LABEL)
        problems.append(
            Problem(
                describe("Namespace", namespace),
                "is enrolled, no longer declared"
                if ours
                else f"is enrolled by {_holders(namespace, MODE_LABEL)}, not by ambient_mesh",
                "To un-enrol it declare it with state off, or run with ambient_prune; until then it is left alone"
                if ours
                else "Declare it to have it looked after",
                Severity.WARNING if ours else Severity.INFO,
            )
        )
    return Outcome(problems)


def labels_can_change(context: Context) -> Outcome:
    """AMB0406: a label that somebody else holds neither goes away nor changes when we say so."""
    live = _live(context)
    problems = []
    for declared in context.wishes.mesh.namespaces:
        namespace = live.get(declared.name, {})
        value = labels_of(namespace).get(MODE_LABEL)
        others = [name for name in field_holders(namespace, MODE_LABEL) if not _is_us(name)]
        if not others or value is None:
            continue
        wanted = MODE_AMBIENT if declared.state.enrolled else None
        if value != wanted:
            problems.append(
                Problem(
                    describe("Namespace", namespace),
                    f"label {MODE_LABEL}={value} is held by {', '.join(others)}: "
                    f"state {declared.state.value} cannot be brought about",
                    f"Have it released there, or: kubectl label namespace {declared.name} {MODE_LABEL}-",
                )
            )
    return Outcome(problems)


def _is_us(manager: str) -> bool:
    return manager in (ENROLMENT_MANAGER, DISCOVERY_MANAGER)


def _holders(obj: Object, label: str) -> str:
    return ", ".join(field_holders(obj, label)) or "somebody unknown"
