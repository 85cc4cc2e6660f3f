# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether whoever runs this may do all that an installation does, asked before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..mesh.spec import Allow, MeshSpec, NamespaceSpec
from ..mesh.survey import needs_services
from .context import Context
from .findings import Outcome, Problem, Severity

_HINT = "Run as a cluster administrator, or have this right granted"
_WRITE = ("create", "patch")
_SHOWN = 6
#: From this many namespaces on, a right is asked for in the whole cluster.
_MANY = 10
_PATCH = ("get", "patch")


@dataclass(frozen=True)
class Right:
    """Verbs on one resource; without a namespace, in the whole cluster."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    namespace: str | None = None

    @property
    def where(self) -> str:
        """The resource in the words of RBAC."""
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name} in {self.namespace}" if self.namespace else name


RIGHTS = (
    Right("", "namespaces", ("get", "list", *_WRITE)),  # get: for whoever makes them parameters of a policy
    Right("", "pods", ("list",)),
    *(Right("", resource, ("list",)) for resource in ("limitranges", "nodes", "resourcequotas")),
    *(Right("", resource, ("list",)) for resource in ("configmaps", "serviceaccounts", "services")),
    Right("", "secrets", ("get",), "istio-system"),
    *(Right("apps", resource, ("list",)) for resource in ("daemonsets", "deployments", "statefulsets")),
    Right("discovery.k8s.io", "endpointslices", ("list",)),
    Right("networking.k8s.io", "networkpolicies", ("list",)),
    Right("apiextensions.k8s.io", "customresourcedefinitions", ("list", *_WRITE)),
    Right("admissionregistration.k8s.io", "mutatingwebhookconfigurations", ("list", *_WRITE)),
    Right("admissionregistration.k8s.io", "validatingwebhookconfigurations", ("list", *_WRITE)),
    Right("admissionregistration.k8s.io", "validatingadmissionpolicies", _WRITE),
    Right("admissionregistration.k8s.io", "validatingadmissionpolicybindings", _WRITE),
    Right("rbac.authorization.k8s.io", "clusterroles", ("list", *_WRITE)),
    Right("rbac.authorization.k8s.io", "clusterrolebindings", _WRITE),
    Right("rbac.authorization.k8s.io", "roles", _WRITE, "istio-system"),
    Right("rbac.authorization.k8s.io", "rolebindings", _WRITE, "istio-system"),
    Right("apps", "deployments", _WRITE, "istio-system"),
    Right("", "services", _WRITE, "istio-system"),
    Right("autoscaling", "horizontalpodautoscalers", _WRITE, "istio-system"),
    Right("coordination.k8s.io", "leases", _WRITE, "istio-system"),
    *(Right("", "serviceaccounts", _WRITE, namespace) for namespace in ("istio-system", "istio-cni", "ztunnel")),
    *(Right("", "configmaps", _WRITE, namespace) for namespace in ("istio-system", "istio-cni")),
    *(Right("apps", "daemonsets", _WRITE, namespace) for namespace in ("istio-cni", "ztunnel")),
)

#: What the phase `policies` reads of kinds that come with CRDs; without a declaration they need not be there.
LOOKED_AT = tuple(
    Right(group, resource, ("list",))
    for group, resources in (
        ("gateway.networking.k8s.io", ("gateways", "grpcroutes", "httproutes", "tcproutes", "tlsroutes")),
        ("security.istio.io", ("authorizationpolicies", "peerauthentications", "requestauthentications")),
        ("networking.istio.io", ("destinationrules", "envoyfilters", "serviceentries", "sidecars", "virtualservices")),
        ("extensions.istio.io", ("trafficextensions", "wasmplugins")),
        ("telemetry.istio.io", ("telemetries",)),
    )
    for resource in resources
)

#: Without these, a ClusterRole can be made only by someone who holds every right in it.
_ESCALATION = Right("rbac.authorization.k8s.io", "clusterroles", ("bind", "escalate"))


def needed(mesh: MeshSpec) -> tuple[Right, ...]:
    """Every right that an installation uses, and those that a declaration, its waypoints and policies add."""
    where: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for group, resource, verbs, namespace in _declared(mesh):
        where.setdefault((group, resource, verbs), set()).add(namespace)
    more = (
        Right(group, resource, verbs, namespace)
        for (group, resource, verbs), names in where.items()
        for namespace in (sorted(names) if len(names) < _MANY else (None,))
    )
    looked_at = LOOKED_AT if mesh.namespaces or mesh.waypoints else ()
    return (*RIGHTS, *(right for right in more if right not in RIGHTS), *looked_at)


def _declared(mesh: MeshSpec) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    for waypoint in mesh.waypoints:
        if not waypoint.existing:
            yield "gateway.networking.k8s.io", "gateways", _WRITE, waypoint.namespace
            yield "", "configmaps", _WRITE, waypoint.namespace
    for namespace in mesh.enrolled():
        for group, resource, verbs in _in_namespace(mesh, namespace):
            yield group, resource, verbs, namespace.name
        if namespace.access:  # what stands behind its Services, and behind those that call it
            for name in sorted(needs_services(namespace)):
                yield "", "services", ("list",), name
                yield "apps", "statefulsets", ("list",), name


def _in_namespace(mesh: MeshSpec, namespace: NamespaceSpec) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if namespace.strict or any(each.allow is Allow.PLAINTEXT for each in namespace.exceptions):
        yield "security.istio.io", "peerauthentications", _WRITE
    if namespace.default_deny or namespace.waypoints() or namespace.access:
        yield "security.istio.io", "authorizationpolicies", _WRITE
    if any(intent.jwt for intent in namespace.access):
        yield "security.istio.io", "requestauthentications", _WRITE
    if namespace.services or namespace.service_accounts:
        yield "", "services", _PATCH
    if any(mesh.waypoint(account.waypoint).serves.workloads for account in namespace.service_accounts):
        yield from (("apps", resource, _PATCH) for resource in ("deployments", "statefulsets", "daemonsets"))


def rights_suffice(context: Context) -> Outcome:
    """AMB0103: every right that an installation uses is there."""
    cluster = context.cluster
    if cluster.may("*", "*", "*"):
        return Outcome(note="cluster administrator")
    problems = [
        Problem(f"right on {right.where}", f"missing: {', '.join(verbs)}", _HINT)
        for right, verbs in _missing(context, needed(context.wishes.mesh))
    ]
    if len(problems) > _SHOWN:
        problems = [*problems[:_SHOWN], _rest(problems[_SHOWN:])]
    problems += [
        Problem(
            f"right on {right.where}",
            f"missing: {', '.join(verbs)}; ClusterRoles can be made only by someone who holds all that is in them",
            _HINT,
            Severity.WARNING,
        )
        for right, verbs in _missing(context, (_ESCALATION,))
    ]
    return Outcome(problems)


def _missing(context: Context, rights: tuple[Right, ...]) -> list[tuple[Right, list[str]]]:
    asked = [(right, verb) for right in rights for verb in right.verbs]
    answers = context.cluster.may_each((verb, right.group, right.resource, right.namespace) for right, verb in asked)
    missing: dict[Right, list[str]] = {}
    for question, allowed in zip(asked, answers, strict=True):
        right, verb = question
        if not allowed:
            missing.setdefault(right, []).append(verb)
    return list(missing.items())


def _rest(problems: list[Problem]) -> Problem:
    objects = ", ".join(problem.object.removeprefix("right on ") for problem in problems)
    return Problem(f"{len(problems)} more rights", f"missing on {objects}", _HINT)
