# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who would be refused once a namespace takes no plain text: from ztunnel's telemetry, else from who is outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import AmbientError
from ..manifests.identity import labels_of
from ..mesh.names import why_protected
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL, MeshSpec
from ..verify.cluster import ZTUNNEL, Cluster, look
from ..verify.facts import daemon, metrics_of, stand_in
from ..verify.pods import is_ready
from ..verify.verdict import shorten
from ..verify.ztunnel import opened_connections


def callers_of(cluster: Cluster, mesh: MeshSpec, names: Sequence[str]) -> list[str]:
    """A line for each namespace that will refuse plain text: who speaks it, or who might."""
    if not names:
        return []
    counted, why = _counted(cluster)
    lines = []
    for name in names:
        callers = sorted(counted.get(name, ()))
        if callers:
            lines.append(f"plain-text callers of namespace {name} will be refused, ztunnel saw: {shorten(callers)}")
        elif not why:
            lines.append(f"plain-text callers of namespace {name} will be refused; ztunnel saw none so far")
    if why:
        outside = _outside(cluster, mesh)
        who = f"pods of these namespaces, which stay outside the mesh: {shorten(outside)}" if outside else "nobody"
        lines.append(f"plain-text callers of {shorten(names)} will be refused ({why}); that could be {who}")
    return lines


def _counted(cluster: Cluster) -> tuple[Mapping[str, set[str]], str]:
    """By namespace the pods that called without mutual TLS, or the reason why nobody has counted."""
    found = look(lambda: daemon(cluster, *ZTUNNEL), "the ztunnel DaemonSet")
    pods = [pod for pod in (found.value.pods if found.value else []) if is_ready(pod)]
    if not pods:
        return {}, found.why or "no ztunnel counts yet"
    if stand_in(cluster, pods).value:
        return {}, "the stand-in for ztunnel counts nothing"
    counted: dict[str, set[str]] = {}
    for pod in pods:
        try:
            plain_callers(metrics_of(cluster, pod), counted)
        except AmbientError as error:
            return {}, f"ztunnel's telemetry cannot be read: {error.message}"
    return counted, ""


def plain_callers(metrics: str, counted: dict[str, set[str]]) -> None:
    """Add what one ztunnel's metrics say: callers as NAMESPACE/WORKLOAD by the namespace that they called."""
    for found, _number in opened_connections(metrics):
        if found.get("reporter") != "destination" or found.get("connection_security_policy") == "mutual_tls":
            continue
        source = f"{found.get('source_workload_namespace', 'unknown')}/{found.get('source_workload', 'unknown')}"
        counted.setdefault(found.get("destination_workload_namespace", ""), set()).add(source)


def _outside(cluster: Cluster, mesh: MeshSpec) -> list[str]:
    """The namespaces of applications that are neither enrolled nor declared so."""
    joining = {namespace.name for namespace in mesh.enrolled()}
    return sorted(_names(cluster.list("v1", "Namespace"), joining))


def _names(namespaces: Iterable[Mapping[str, object]], joining: set[str]) -> Iterable[str]:
    for namespace in namespaces:
        metadata = namespace["metadata"]
        name = str(metadata["name"]) if isinstance(metadata, Mapping) else ""
        enrolled = labels_of(namespace).get(MODE_LABEL) == MODE_AMBIENT
        if not enrolled and name not in joining and not why_protected(name):
            yield name
