# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the facts that a declaration needs from a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..manifests.dry_run import in_dry_run, stays_in_dry_run
from ..manifests.identity import Object
from ..manifests.items import DEFAULT_MANAGER
from ..manifests.labels import mesh_of
from .facts import Attached, Facts, NamespaceFacts, Policy, Port, Service, Workload, matches, named_ports
from .intents import CallerKind
from .patches import USE_WAYPOINT, USE_WAYPOINT_NAMESPACE
from .policies import OURS
from .spec import Allow, MeshSpec, NamespaceSpec

ROOT_NAMESPACE = "istio-system"
POLICY = ("security.istio.io/v1", "AuthorizationPolicy")
_SERVICE = ("v1", "Service")
_MAKERS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"))
_POD = ("v1", "Pod")
_MADE_HERE = ("ReplicaSet", "StatefulSet", "DaemonSet")
_MANY = 20  # so many namespaces are read by one LIST over the cluster
_HELM = "meta.helm.sh/release-name"
_ARGO_LABEL = "argocd.argoproj.io/instance"
_ARGO_ANNOTATION = "argocd.argoproj.io/tracking-id"
_FLUX = "kustomize.toolkit.fluxcd.io/name"


class Reader(Protocol):
    """Lists objects."""

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> list[Object]:
        """All objects of a kind, none where the API server does not serve it."""


def survey(reader: Reader, mesh: MeshSpec) -> Facts:
    """Read what the declaration cannot say itself; nothing at all where it says all."""
    if not needs_facts(mesh):
        return Facts()
    bound = [namespace.name for namespace in mesh.enrolled() if namespace.waypoints() or namespace.access]
    resolve = sorted({name for namespace in mesh.enrolled() for name in needs_services(namespace)})
    locked = [namespace.name for namespace in mesh.enrolled() if _locks_down(namespace, mesh)]
    gateways = {ref.namespace for namespace in mesh.enrolled() if namespace.access for ref in namespace.waypoints()}
    policies = _by_namespace(reader, POLICY, [*bound, ROOT_NAMESPACE, *gateways] if bound else [])
    services = _by_namespace(reader, _SERVICE, [*resolve, *locked])  # for the headless ones that it refuses
    workloads = [(kind, _by_namespace(reader, kind, resolve)) for kind in (*_MAKERS, _POD)]
    return Facts(
        {
            name: NamespaceFacts(
                tuple(_services(services.get(name, ()))),
                tuple(_workloads(name, workloads)),
                tuple(policies_among(policies.get(name, ()))),
            )
            for name in sorted({*bound, *resolve})
        },
        tuple(policy for policy in policies_among(policies.get(ROOT_NAMESPACE, ())) if not policy.selector),
        tuple(each for name in sorted(policies) for each in attached_among(policies[name])) if gateways else (),
        tuple(sorted(each for objects in policies.values() for each in _asleep(objects))),
    )


def needs_facts(mesh: MeshSpec) -> bool:
    """Whether the declaration cannot say itself all that it comes to."""
    return any(namespace.waypoints() or namespace.access for namespace in mesh.enrolled())


def needs_services(namespace: NamespaceSpec) -> set[str]:
    """The namespaces whose Services decide about the objects of a namespace: itself, and those that call it."""
    callers = {
        caller.namespace
        for intent in namespace.access
        for caller in intent.callers
        if caller.kind is CallerKind.SERVICE
    }
    direct = namespace.waypoints() and any(each.allow is Allow.DIRECT for each in namespace.exceptions)
    itself = namespace.services or namespace.service_accounts or namespace.access or direct
    return callers | ({namespace.name} if itself else set())


def _locks_down(namespace: NamespaceSpec, mesh: MeshSpec) -> bool:
    return any(mesh.waypoint(ref).lock_down for ref in namespace.waypoints())


def _by_namespace(reader: Reader, kind: tuple[str, str], names: Iterable[str]) -> dict[str, list[Object]]:
    wanted = sorted(set(names))
    if len(wanted) <= _MANY:
        return {name: reader.list(*kind, name) for name in wanted}
    found: dict[str, list[Object]] = {name: [] for name in wanted}
    for obj in reader.list(*kind):
        namespace = str((obj.get("metadata") or {}).get("namespace"))
        if namespace in found:
            found[namespace].append(obj)
    return found


def _services(objects: Iterable[Object]) -> Iterator[Service]:
    for obj in sorted(objects, key=_name):
        spec = obj.get("spec") or {}
        if spec.get("type") != "ExternalName" and not _of_a_gateway(obj):
            headless = spec.get("clusterIP") == "None"
            yield Service(_name(obj), dict(spec.get("selector") or {}), tuple(_ports(spec)), headless)


def _ports(spec: Mapping[str, Any]) -> Iterator[Port]:
    for port in spec.get("ports") or []:
        if port.get("protocol", "TCP") == "TCP":
            yield Port(port["port"], port.get("targetPort") or port["port"])


def _workloads(
    namespace: str, kinds: Iterable[tuple[tuple[str, str], Mapping[str, list[Object]]]]
) -> Iterator[Workload]:
    made: list[Workload] = []
    for (api_version, kind), objects in kinds:
        for obj in sorted(objects.get(namespace, ()), key=_name):
            if _of_a_gateway(obj) or (kind == "Pod" and _has_ended(obj)):
                continue
            workload = _workload(api_version, kind, obj)
            if kind != "Pod":
                made.append(workload)
            elif _maker(obj) in _MADE_HERE and any(_makes(each, workload) for each in made):
                continue
            yield workload


def _makes(maker: Workload, pod: Workload) -> bool:
    return matches(maker.selector or maker.labels, pod.labels)


def _workload(api_version: str, kind: str, obj: Object) -> Workload:
    spec = obj.get("spec") or {}
    template = obj if kind == "Pod" else (spec.get("template") or {})
    labels = dict((template.get("metadata") or {}).get("labels") or {})
    for ours in (USE_WAYPOINT, USE_WAYPOINT_NAMESPACE):  # the facts are the same before and after
        labels.pop(ours, None)
    pods = template.get("spec") or {}
    return Workload(
        api_version,
        kind,
        _name(obj),
        str(pods.get("serviceAccountName") or "default"),
        labels,
        dict((spec.get("selector") or {}).get("matchLabels") or {}) if kind != "Pod" else labels,
        spec.get("replicas", 1) if kind != "DaemonSet" else 1,
        owner_of(obj) or _maker_of_a_pod(kind, obj),
        named_ports(pods),
    )


def _maker_of_a_pod(kind: str, obj: Object) -> str:
    """What makes a pod, and is not looked at itself, such as a Job or a ReplicaSet of Argo Rollouts."""
    owner = _owner(obj) if kind == "Pod" else {}
    return f"{owner.get('kind')} {owner.get('name')}" if owner else ""


def _maker(pod: Object) -> str:
    return str(_owner(pod).get("kind", ""))


def _owner(obj: Object) -> Mapping[str, object]:
    owners = (obj.get("metadata") or {}).get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), owners[0] if owners else {})


def _has_ended(pod: Object) -> bool:
    """Whether nobody calls the pod any more, such as what a Job leaves behind."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _of_a_gateway(obj: Object) -> bool:
    labels = (obj.get("metadata") or {}).get("labels") or {}
    return "gateway.networking.k8s.io/gateway-name" in labels


def owner_of(obj: Object) -> str:
    """Who looks after an object and would undo what others write to its pod template; empty if nobody says so."""
    metadata = obj.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if annotations.get(_HELM):
        return f"Helm release {annotations[_HELM]}"
    if annotations.get(_ARGO_ANNOTATION):
        return f"Argo CD application {str(annotations[_ARGO_ANNOTATION]).partition(':')[0]}"
    if labels.get(_ARGO_LABEL):
        return f"Argo CD application {labels[_ARGO_LABEL]}"
    if labels.get("app.kubernetes.io/managed-by") == "Helm":
        return f"Helm release {labels.get('app.kubernetes.io/instance', 'of unknown name')}"
    return f"Flux kustomization {labels[_FLUX]}" if labels.get(_FLUX) else ""


def policies_among(objects: Iterable[Object]) -> Iterator[Policy]:
    """The AuthorizationPolicies that ztunnel enforces and that are not made here."""
    for obj in sorted(objects, key=_name):
        spec = obj.get("spec") or {}
        if _targets(spec) or is_ours(obj) or in_dry_run(obj):
            continue
        yield Policy(
            str(obj["metadata"].get("namespace")),
            _name(obj),
            str(spec.get("action") or "ALLOW"),
            dict((spec.get("selector") or {}).get("matchLabels") or {}),
            tuple(spec.get("rules") or ()),
        )


def _asleep(objects: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """Namespace and name of those that are in dry run, and stay so where our manifest says nothing of that."""
    for obj in objects:
        if stays_in_dry_run(obj, DEFAULT_MANAGER):
            yield str(obj["metadata"].get("namespace")), _name(obj)


def attached_among(objects: Iterable[Object]) -> Iterator[Attached]:
    """The ALLOWs that let somebody in at waypoints alone and that are not made here."""
    for obj in sorted(objects, key=_name):
        spec = obj.get("spec") or {}
        targets = tuple(
            f"{each.get('kind')} {each.get('name')}" for each in _targets(spec) if isinstance(each, Mapping)
        )
        lets_in = str(spec.get("action") or "ALLOW") == "ALLOW" and spec.get("rules") and not in_dry_run(obj)
        if targets and lets_in and not is_ours(obj):
            yield Attached(str(obj["metadata"].get("namespace")), _name(obj), targets)


def _targets(spec: Mapping[str, Any]) -> Sequence[Any]:
    single = spec.get("targetRef")
    return spec.get("targetRefs") or ([single] if single else [])


def is_ours(policy: Object) -> bool:
    """Whether it is made here; plain manifests that we apply have the label, too."""
    return bool(mesh_of(policy)) and _name(policy).startswith(OURS)


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])
