# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether policies of the network leave the mesh its port in the namespaces that join it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from ..mesh.selectors import selects
from ..mesh.spec import MODE_LABEL
from . import found
from .context import Context, describe, labels_of, name_of, namespace_of
from .findings import Outcome, Problem, Severity
from .snapshot import DAEMONSETS, NETWORK_POLICIES, POD_METADATA, Object, Resource

HBONE = 15008
_PROBES = "169.254.7.127/32"

_CILIUM = Resource("cilium.io/v2", "CiliumNetworkPolicy")
_CILIUM_WIDE = Resource("cilium.io/v2", "CiliumClusterwideNetworkPolicy")
_CALICO = tuple(Resource(api, "NetworkPolicy") for api in ("crd.projectcalico.org/v1", "projectcalico.org/v3"))
_CALICO_WIDE = tuple(
    Resource(api, "GlobalNetworkPolicy") for api in ("crd.projectcalico.org/v1", "projectcalico.org/v3")
)
_LOOK = f"See that it admits TCP {HBONE} from whoever calls these pods, and probes from {_PROBES}"

_Rule = Mapping[str, Any]


def admit_hbone(context: Context) -> Outcome:
    """AMB0407: whoever may call an enrolled pod may call its port 15008; a pod that nobody may call stays as it is."""
    names = set(found.joining(context))
    by_namespace: dict[str, list[Object]] = defaultdict(list)
    for policy in context.cluster.all(NETWORK_POLICIES):
        if namespace_of(policy) in names and _is_for_ingress(policy):
            by_namespace[namespace_of(policy)].append(policy)
    suspects = {
        namespace
        for namespace, policies in by_namespace.items()
        if any(not _admits_port(rule) for policy in policies for rule in _rules(policy))
    }
    pods: dict[str, list[Object]] = defaultdict(list)
    for pod in found.inside(context.cluster, POD_METADATA, suspects):
        if labels_of(pod).get(MODE_LABEL) != "none":
            pods[namespace_of(pod)].append(pod)
    return Outcome(
        [
            problem
            for namespace in sorted(suspects)
            for policy in by_namespace[namespace]
            for problem in _judge(
                policy, by_namespace[namespace], pods[namespace], found.severity_in(context, namespace)
            )
        ]
    )


def _judge(policy: Object, policies: list[Object], pods: list[Object], severity: Severity | None) -> Iterator[Problem]:
    """Policies add up: a rule is judged by all that select the same pod; without a pod, by those that select all."""
    mine = [pod for pod in pods if _selects(policy, labels_of(pod))]
    if mine:
        hurt = sum(_shuts_out(policy, [other for other in policies if _selects(other, labels_of(pod))]) for pod in mine)
        who = f"{hurt} of its {len(mine)} pods"
    else:
        hurt = _shuts_out(policy, [other for other in policies if other is policy or not _selector(other)])
        who = "the pods that it selects"
    if hurt:
        yield Problem(
            describe(NETWORK_POLICIES.kind, policy),
            f"admits callers to {who}, but not to TCP {HBONE}: once enrolled, calls from the mesh are refused",
            f"Admit TCP {HBONE} from the same callers, and narrow the ports of the app with an AuthorizationPolicy",
            severity,
        )


def _shuts_out(policy: Object, together: list[Object]) -> bool:
    """Whether a rule of the policy admits callers whom none of the policies admits to the port of HBONE."""
    opens = [rule for other in together for rule in _rules(other) if _admits_port(rule)]
    return any(not _admits_port(rule) and not any(_covers(wide, rule) for wide in opens) for rule in _rules(policy))


def _covers(wide: _Rule, rule: _Rule) -> bool:
    peers = wide.get("from") or []
    return not peers or (bool(rule.get("from")) and all(peer in peers for peer in rule["from"]))


def _admits_port(rule: _Rule) -> bool:
    ports = rule.get("ports") or []
    return not ports or any(_is_hbone(port) for port in ports)


def _is_hbone(port: Mapping[str, Any]) -> bool:
    """A port by name is one of the app's; none of them is ztunnel's."""
    if port.get("protocol", "TCP") != "TCP":
        return False
    first = port.get("port")
    return first is None or (isinstance(first, int) and first <= HBONE <= port.get("endPort", first))


def _is_for_ingress(policy: Object) -> bool:
    return "Ingress" in ((policy.get("spec") or {}).get("policyTypes") or ["Ingress"])


def _rules(policy: Object) -> list[_Rule]:
    return (policy.get("spec") or {}).get("ingress") or []


def _selector(policy: Object) -> Mapping[str, Any]:
    return (policy.get("spec") or {}).get("podSelector") or {}


def _selects(policy: Object, labels: Mapping[str, str]) -> bool:
    return selects([_selector(policy)], labels)


def of_other_kinds(context: Context) -> Outcome:
    """AMB0408: policies that this check does not work out are named, so that a person looks at them."""
    names = set(found.joining(context))
    if not names:
        return Outcome()
    problems = []
    for resources, title in (((_CILIUM,), "Cilium"), (_CALICO, "Calico")):
        counted: dict[str, set[str]] = defaultdict(set)
        for resource in resources:
            for policy in context.cluster.all(resource):
                if namespace_of(policy) in names and _narrows(policy):
                    counted[namespace_of(policy)].add(name_of(policy))
        problems += [
            Problem(
                f"Namespace {namespace}",
                f"has policies of {title} that restrict ingress: {', '.join(sorted(policies))}",
                _LOOK,
            )
            for namespace, policies in sorted(counted.items())
        ]
    wide = {
        describe(resource.kind, policy): policy
        for resource in (_CILIUM_WIDE, *_CALICO_WIDE)
        for policy in context.cluster.all(resource)
        if _narrows(policy)
    }
    problems += [Problem(where, "restricts ingress in the whole cluster", _LOOK) for where in sorted(wide)]
    return Outcome(problems)


def _narrows(policy: Object) -> bool:
    """Whether it is about ingress and names neither the port of HBONE nor the address of probes."""
    specs = _specs(policy)
    about = any({"ingress", "ingressDeny"} & spec.keys() or "Ingress" in (spec.get("types") or []) for spec in specs)
    text = str([spec.get("ingress") for spec in specs])
    return about and str(HBONE) not in text and _PROBES.partition("/")[0] not in text


def admit_probes(context: Context) -> Outcome:
    """AMB0414: Istio gives the kubelet's probes an address of its own, and Cilium takes that for a stranger's."""
    cilium = [each for each in context.cluster.all(DAEMONSETS) if labels_of(each).get("k8s-app") == "cilium"]
    names = set(found.joining(context))
    if not cilium or not names:
        return Outcome(note="no Cilium" if names else "no namespace joins")
    if any(_PROBES in str(_specs(policy)) for policy in context.cluster.all(_CILIUM_WIDE)):
        return Outcome(note=f"a policy admits {_PROBES}")
    by_namespace: dict[str, list[str]] = defaultdict(list)
    for policy in context.cluster.all(NETWORK_POLICIES):
        if namespace_of(policy) in names and _is_for_ingress(policy) and not _admits_everybody(policy):
            by_namespace[namespace_of(policy)].append(name_of(policy))
    return Outcome(
        [
            Problem(
                f"Namespace {namespace}",
                f"its NetworkPolicies ({', '.join(sorted(policies))}) do not admit {_PROBES}: with Cilium the probes "
                "of captured pods fail",
                f"Admit {_PROBES} by a CiliumClusterwideNetworkPolicy with an empty endpointSelector (fromCIDR)",
            )
            for namespace, policies in sorted(by_namespace.items())
        ]
    )


def _admits_everybody(policy: Object) -> bool:
    return any(not rule.get("from") or _PROBES in str(rule["from"]) for rule in _rules(policy))


def _specs(policy: Object) -> list[Mapping[str, Any]]:
    return [policy.get("spec") or {}, *(policy.get("specs") or [])]
