# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server refuses while the mesh is there, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..manifests.labels import MESH_LABEL
from ..mesh.names import COMPONENT_NAMESPACES, SYSTEM_NAMESPACES, SYSTEM_PREFIXES
from ..mesh.sidecars import GATEWAY, NAMESPACE_INJECTION, POD_INJECTION, REVISION, TEMPLATES
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL
from .cel import all_of, annotation, any_of, label, text, texts, title_of_mesh

#: On an object that would bring another mesh: why that is wanted all the same.
OVERRIDE = "ambient.alauda.io/allow-other-mesh"

_NAMESPACES = ("", "v1", "namespaces")
_PODS = ("", "v1", "pods")
_DEPLOYMENTS = ("apps", "v1", "deployments")
_DAEMONSETS = ("apps", "v1", "daemonsets")
_CRDS = ("apiextensions.k8s.io", "v1", "customresourcedefinitions")


@dataclass(frozen=True)
class Rule:
    """One ValidatingAdmissionPolicy.

    Attributes:
        name: the first part of the name of the policy.
        resources: API group, version and resource of what it looks at.
        conditions: name → CEL; what fails one is not looked at.
        variables: name → CEL, in the order in which they build on each other.
        holds: CEL that is true for what may pass.
        message: CEL of what a person reads who may not know this collection.
        per_enrolled_namespace: whether it is asked once for each enrolled namespace, as `params`.
    """

    name: str
    resources: Sequence[tuple[str, str, str]]
    operations: Sequence[str]
    holds: str
    message: str
    conditions: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    per_enrolled_namespace: bool = False


def _namespace_asks(obj: str) -> str:
    return f"{label(obj, NAMESPACE_INJECTION)} == 'enabled' || {label(obj, REVISION)} != ''"


def _ambient(obj: str) -> str:
    return f"{label(obj, MODE_LABEL)} == {text(MODE_AMBIENT)}"


def _was(violated: str) -> str:
    """It was so before: who changes something else must not suffer from it."""
    return f"oldObject != null && ({violated})"


def _both(obj: str) -> str:
    return all_of([_ambient(obj), _namespace_asks(obj)])


def _pod_is_between(obj: str) -> str:
    gateway = f"{text(GATEWAY)} in {annotation(obj, TEMPLATES)}.split(',')"
    declined = f"{label(obj, POD_INJECTION)} == 'false'"
    asks = f"{label(obj, POD_INJECTION)} == 'true' || {label(obj, REVISION)} != ''"
    sidecar_in_ambient = all_of([f"{_ambient('namespaceObject')} || {_ambient(obj)}", asks])
    ambient_among_sidecars = all_of([_ambient(obj), _namespace_asks("namespaceObject")])
    return all_of([f"!({gateway})", f"!({declined})", any_of([sidecar_in_ambient, ambient_among_sidecars])])


def _protected(obj: str) -> str:
    name = f"{obj}.metadata.name"
    names = texts((*COMPONENT_NAMESPACES, *sorted(SYSTEM_NAMESPACES)))
    prefixes = (f"{name}.startsWith({text(prefix)})" for prefix in SYSTEM_PREFIXES)
    return all_of([_ambient(obj), any_of((f"{name} in {names}", *prefixes))])


RULES = (
    Rule(
        "sidecar-namespaces",
        (_NAMESPACES,),
        ("CREATE", "UPDATE"),
        f"!({_both('object')}) || ({_was(_both('oldObject'))})",
        "'Namespace ' + object.metadata.name + ' would ask for sidecars and for ambient mode at once; a sidecar wins, "
        f"and its pods leave the ambient mesh without a word. Keep either the label {MODE_LABEL} or "
        f"{NAMESPACE_INJECTION} and {REVISION}'",
        {"in-ambient": _ambient("object")},
    ),
    Rule(
        "sidecar-pods",
        (_PODS,),
        ("CREATE", "UPDATE"),
        f"!({_pod_is_between('object')}) || ({_was(_pod_is_between('oldObject'))})",
        "'This pod would ask for a sidecar and for ambient mode at once, by its own labels or those of namespace ' + "
        "namespaceObject.metadata.name + '; a sidecar wins, and the pod leaves the ambient mesh without a word. In an "
        f"ambient namespace take {POD_INJECTION}: true and {REVISION} off the pod template (a gateway keeps them, with "
        f"the annotation {TEMPLATES}: {GATEWAY}); in a namespace with sidecars take {MODE_LABEL} off'",
        {
            "has-such-a-label": any_of(
                [
                    f"{label('object', POD_INJECTION)} == 'true'",
                    f"{label('object', REVISION)} != ''",
                    _ambient("object"),
                ]
            )
        },
    ),
    Rule(
        "other-mesh",
        (_DEPLOYMENTS, _DAEMONSETS, _CRDS),
        ("CREATE",),
        "variables.mesh == ''",
        "variables.mesh + ' must not be installed beside the ambient mesh of this cluster: both would redirect the "
        "traffic of pods. Use another cluster, or uninstall the ambient mesh first. If you know better, say why in the "
        f"annotation {OVERRIDE} of this object'",
        {
            "not-ours": f"{label('object', MESH_LABEL)} == ''",
            "no-reason-given": f"{annotation('object', OVERRIDE)}.trim() == ''",
        },
        {"mesh": title_of_mesh()},
    ),
    Rule(
        "protected-namespaces",
        (_NAMESPACES,),
        ("CREATE", "UPDATE"),
        f"!({_protected('object')}) || ({_was(_protected('oldObject'))})",
        "'Namespace ' + object.metadata.name + ' belongs to the platform or to the mesh itself; its pods must not go "
        f"through the mesh that they are needed to start. Leave the label {MODE_LABEL} off'",
        {"in-ambient": _ambient("object")},
    ),
    Rule(
        "istio-cni",
        (_NAMESPACES, _DAEMONSETS),
        ("DELETE",),
        f"!({_ambient('params')})",
        "'Namespace ' + params.metadata.name + ' is in the ambient mesh: without istio-cni its new pods get no network "
        "and no protection. Take the namespaces out first: kubectl get namespaces -l "
        f"{MODE_LABEL}={MODE_AMBIENT}; kubectl label namespace ' + params.metadata.name + ' {MODE_LABEL}-'",
        {
            "is-istio-cni": any_of(
                [
                    all_of(
                        [
                            "request.resource.resource == 'daemonsets'",
                            f"{label('oldObject', MESH_LABEL)} != ''",
                            f"{label('oldObject', 'k8s-app')} == 'istio-cni-node'",
                        ]
                    ),
                    "request.resource.resource == 'namespaces' && oldObject.metadata.name == 'istio-cni'",
                ]
            )
        },
        per_enrolled_namespace=True,
    ),
)
