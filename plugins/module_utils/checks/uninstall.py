# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would break if the mesh went now."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

from ..manifests.identity import annotations_of, labels_of, name_of, namespace_of
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL
from .context import Context, describe
from .findings import Outcome, Problem
from .ours import is_ours
from .restart import unfinished
from .snapshot import DEPLOYMENTS, GATEWAYS, NAMESPACES, POD_METADATA, Object, Resource

REDIRECTION = "ambient.istio.io/redirection"
_CLASSES = ("istio-waypoint",)
#: What the Sail operator holds with a finalizer of its own.
_SAIL = tuple(
    Resource("sailoperator.io/v1", kind, metadata_only=True)
    for kind in ("Istio", "IstioRevision", "IstioRevisionTag", "IstioCNI", "ZTunnel")
)
_SAIL_FINALIZER = "sailoperator.io/"
_SAIL_OPERATORS = ("sail-operator", "servicemesh-operator2", "servicemesh-operator2.*", "servicemesh-operator3")
_RELEASE = "Declare the namespace with state off and run site.yml, or set ambient_uninstall_unenrol: true"


def no_enrolled_pods(context: Context) -> Outcome:
    """AMB0601: a captured pod has no network left once ztunnel is gone."""
    # istio-cni lets go of a pod that has ended, and leaves the annotation on it for good.
    pods = [pod for pod in context.cluster.all(POD_METADATA) if REDIRECTION in annotations_of(pod)]
    counted = Counter(namespace_of(pod) for pod in unfinished(context.cluster, pods))
    return Outcome(
        [
            Problem(f"Namespace {namespace}", f"has enrolled pods ({REDIRECTION}): {count}", _RELEASE)
            for namespace, count in sorted(counted.items())
        ]
    )


def no_enrolled_namespaces(context: Context) -> Outcome:
    """AMB0602: new pods of such a namespace would be captured to the very end."""
    return Outcome(
        [
            Problem(describe("Namespace", namespace), f"has the label {MODE_LABEL}={MODE_AMBIENT}", _RELEASE)
            for namespace in context.cluster.all(NAMESPACES)
            if labels_of(namespace).get(MODE_LABEL) == MODE_AMBIENT
        ]
    )


def no_waypoints(context: Context) -> Outcome:
    """AMB0603: without istiod nobody cleans up behind a waypoint."""
    return Outcome(
        [
            Problem(
                describe("Gateway", gateway),
                "is a waypoint; istiod has to be there while it goes",
                f"kubectl -n {namespace_of(gateway)} delete gateway {gateway['metadata']['name']}",
            )
            for gateway in context.cluster.all(GATEWAYS)
            if (gateway.get("spec") or {}).get("gatewayClassName") in _CLASSES and not is_ours(gateway)
        ]
    )


def no_orphaned_finalizers(context: Context) -> Outcome:
    """AMB0604: an object with a finalizer goes only while the controller of that finalizer runs."""
    held = [(resource, obj) for resource in _SAIL for obj in context.cluster.all(resource) if _sail_finalizers(obj)]
    if not held:
        return Outcome()
    running = [obj for obj in context.cluster.all(DEPLOYMENTS) if _is_sail(obj) and _ready(obj)]
    if running:
        return Outcome(note=f"{describe(DEPLOYMENTS.kind, running[0])} is there for them")
    return Outcome(
        [
            Problem(
                describe(resource.kind, obj),
                f"has the finalizer {', '.join(_sail_finalizers(obj))}, and no Sail operator runs: "
                f"{'its deletion hangs' if obj['metadata'].get('deletionTimestamp') else 'it could not be deleted'}",
                "Let the operator run again until its objects are gone; only then remove the operator",
            )
            for resource, obj in held
        ]
    )


def _sail_finalizers(obj: Object) -> list[str]:
    return [name for name in obj["metadata"].get("finalizers") or [] if name.startswith(_SAIL_FINALIZER)]


def _is_sail(deployment: Object) -> bool:
    return any(fnmatchcase(name_of(deployment), name) for name in _SAIL_OPERATORS)


def _ready(deployment: Object) -> bool:
    return bool((deployment.get("status") or {}).get("readyReplicas"))
