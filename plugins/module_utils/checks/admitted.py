# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what is there would pass the admission policies that are to be."""

from __future__ import annotations

from ..manifests.identity import annotations_of, labels_of, name_of, namespace_of
from ..mesh.names import why_protected
from ..mesh.sidecars import asks_of_namespace, asks_of_pod, is_gateway
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL
from .context import Context, describe
from .findings import Outcome, Problem
from .restart import unfinished
from .snapshot import NAMESPACES, POD_METADATA, Object

CODE = "AMB0413"
_SHOWN = 3
_HINT = "Mend it, or set ambient_admission yourself: deny refuses its next change, warn only warns"


def nothing_violates(context: Context) -> Outcome:
    """AMB0413: what violates a rule already would be refused when it is made anew."""
    namespaces = context.cluster.all(NAMESPACES)
    problems = []
    for namespace in namespaces:
        reason = why_namespace(namespace)
        if reason:
            problems.append(Problem(describe("Namespace", namespace), reason, _HINT))
    by_name = {name_of(namespace): namespace for namespace in namespaces}
    pods: dict[str, list[str]] = {}
    between = [pod for pod in context.cluster.all(POD_METADATA) if why_pod(pod, by_name.get(namespace_of(pod), {}))]
    for pod in unfinished(context.cluster, between):
        pods.setdefault(namespace_of(pod), []).append(name_of(pod))
    for name, names in sorted(pods.items()):
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        message = f"pods ask for a sidecar and for ambient mode: {', '.join(sorted(names)[:_SHOWN])}{more}"
        problems.append(Problem(f"Namespace {name}", message, _HINT))
    return Outcome(problems)


def why_namespace(namespace: Object) -> str:
    """Why admission would refuse the namespace; empty where it would not."""
    labels = labels_of(namespace)
    if not _ambient(namespace):
        return ""
    asks = asks_of_namespace(labels)
    if asks:
        return f"asks for sidecars ({', '.join(sorted(asks))}) and for ambient mode"
    protected = why_protected(name_of(namespace))
    return f"is in ambient mode, though {protected}" if protected else ""


def why_pod(pod: Object, namespace: Object) -> str:
    """Why admission would refuse the pod; empty where it would not."""
    labels = labels_of(pod)
    if is_gateway(annotations_of(pod)):
        return ""
    if (_ambient(namespace) or _ambient(pod)) and asks_of_pod(labels):
        return "asks for a sidecar in ambient mode"
    declined = labels.get("sidecar.istio.io/inject") == "false"
    if _ambient(pod) and asks_of_namespace(labels_of(namespace)) and not declined:
        return "asks for ambient mode among sidecars"
    return ""


def _ambient(obj: Object) -> bool:
    return labels_of(obj).get(MODE_LABEL) == MODE_AMBIENT
