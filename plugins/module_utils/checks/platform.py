# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which platform the cluster is, by what it tells of itself, and whether ambient_platform says the same."""

from __future__ import annotations

from collections.abc import Iterator

from ..manifests.identity import labels_of, name_of
from .context import Context
from .findings import Outcome, Problem, Severity
from .snapshot import CRDS, NAMESPACES, NODES, Object

GENERIC = "generic"
#: What works with the settings of generic, too.
_LIKE_GENERIC = {"kind", "eks"}
_BY_VERSION = {"+k3s": "k3s", "-gke.": "gke", "-eks-": "eks"}
_BY_PROVIDER = {"kind://": "kind", "k3s://": "k3s", "gce://": "", "aws://": ""}
_BY_LABEL = {
    "microk8s.io/cluster": "microk8s",
    "minikube.k8s.io/name": "minikube",
    "node.openshift.io/os_id": "openshift",
    "cloud.google.com/gke-nodepool": "gke",
    "eks.amazonaws.com/nodegroup": "eks",
}
_OPENSHIFT_CRD = "clusterversions.config.openshift.io"
_ACP_NAMESPACE = "cpaas-system"


def platform_is_known(context: Context) -> Outcome:
    """AMB0107: with the settings of another platform istio-cni writes to directories that nobody reads."""
    found = dict(_signs(context))
    wanted = context.wishes.platform
    told = " and ".join(f"{platform} ({sign})" for platform, sign in sorted(found.items()))
    if not wanted or wanted in found:
        return Outcome(note=told or "no platform of its own")
    special = sorted(set(found) - _LIKE_GENERIC)
    if special:
        hint = f"Set ambient_platform: {special[0]}"
        # Its Docker driver alone needs settings of its own.
        severity = Severity.WARNING if special == ["minikube"] else Severity.ERROR
        return Outcome([Problem("ambient_platform", f"is {wanted}, but the cluster looks like {told}", hint, severity)])
    if wanted in (GENERIC, *_LIKE_GENERIC):
        return Outcome(note=told or "no platform of its own")
    looks = f"the cluster looks like {told}" if told else f"nothing in the cluster looks like {wanted}"
    hint = f"Set ambient_platform: {min(found) if found else GENERIC}, if that is what it is"
    return Outcome([Problem("ambient_platform", f"is {wanted}, but {looks}", hint, Severity.WARNING)])


def _signs(context: Context) -> Iterator[tuple[str, str]]:
    """(platform, by what), the better signs last."""
    for node in context.cluster.all(NODES):
        yield from _of_node(node)
    if any(name_of(crd) == _OPENSHIFT_CRD for crd in context.cluster.all(CRDS)):
        yield "openshift", f"CRD {_OPENSHIFT_CRD}"
    if any(name_of(namespace) == _ACP_NAMESPACE for namespace in context.cluster.all(NAMESPACES)):
        yield "acp", f"namespace {_ACP_NAMESPACE}"


def _of_node(node: Object) -> Iterator[tuple[str, str]]:
    where = f"node {name_of(node)}"
    kubelet = str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", ""))
    provider = str((node.get("spec") or {}).get("providerID") or "")
    k3d = name_of(node).startswith("k3d-")
    for part, platform in _BY_VERSION.items():
        if part in kubelet:
            yield ("k3d" if platform == "k3s" and k3d else platform), f"{where}: kubelet {kubelet}"
    for prefix, platform in _BY_PROVIDER.items():
        if platform and provider.startswith(prefix) and not (k3d and platform == "k3s"):
            yield platform, f"{where}: {prefix}"
    for label, platform in _BY_LABEL.items():
        if label in labels_of(node):
            yield platform, f"{where}: label {label}"
