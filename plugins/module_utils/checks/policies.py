# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether policies of the network leave the mesh its port in the namespaces that join it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ..manifests.identity import labels_of, name_of, namespace_of
from . import found
from .context import Context, describe
from .findings import Outcome, Problem
from .hbone import HBONE, INGRESS
from .snapshot import DAEMONSETS, NETWORK_POLICIES, Object, Resource

_PROBES = "169.254.7.127/32"

_CILIUM = Resource("cilium.io/v2", "CiliumNetworkPolicy")
_CILIUM_WIDE = Resource("cilium.io/v2", "CiliumClusterwideNetworkPolicy")
_CALICO = tuple(Resource(api, "NetworkPolicy") for api in ("crd.projectcalico.org/v1", "projectcalico.org/v3"))
_CALICO_WIDE = tuple(
    Resource(api, "GlobalNetworkPolicy") for api in ("crd.projectcalico.org/v1", "projectcalico.org/v3")
)
#: Labels by which Cilium tells the name of a namespace, without the source in front of them.
_CILIUM_NAMESPACE = ("io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name")
_CALICO_NAMESPACES = re.compile(
    r"\s*(projectcalico\.org/name|kubernetes\.io/metadata\.name)\s*(==\s*(?:'[^']+'|\"[^\"]+\")|in\s*\{[^{}]+\})\s*"
)
_LOOK = f"See that it admits TCP {HBONE} from whoever calls these pods, and probes from {_PROBES}"


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
                if namespace_of(policy) in names and any(map(_narrows, _specs(policy))):
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
        if any(_narrows(spec) and _may_reach(spec, names) for spec in _specs(policy))
    }
    problems += [Problem(where, "restricts ingress in the whole cluster", _LOOK) for where in sorted(wide)]
    return Outcome(problems)


def _narrows(spec: Mapping[str, Any]) -> bool:
    """Whether it is about ingress and names neither the port of HBONE nor the address of probes."""
    if not ({"ingress", "ingressDeny"} & spec.keys() or "Ingress" in (spec.get("types") or [])):
        return False
    rules = spec.get("ingress") or []
    text = str(rules)
    if str(HBONE) in text or _PROBES.partition("/")[0] in text:
        return False
    return bool(spec.get("ingressDeny")) or not (_only_adds(spec) or any(map(_admits_all, rules)))


def _only_adds(spec: Mapping[str, Any]) -> bool:
    """Whether a policy of Cilium leaves to others what it does not admit."""
    return (spec.get("enableDefaultDeny") or {}).get("ingress") is False


def _admits_all(rule: Mapping[str, Any]) -> bool:
    """Cilium's way to say so; an empty rule admits nobody there."""
    return "all" in (rule.get("fromEntities") or []) and not rule.get("toPorts")


def _may_reach(spec: Mapping[str, Any], names: set[str]) -> bool:
    """Whether a policy for the whole cluster may be about pods of these namespaces, as far as it names namespaces."""
    if "nodeSelector" in spec or spec.get("preDNAT") or spec.get("doNotTrack"):
        return False  # about nodes
    named = _cilium_namespaces(spec.get("endpointSelector") or {})
    found_in = _CALICO_NAMESPACES.fullmatch(str(spec.get("namespaceSelector") or ""))
    if found_in:
        named.append(set(re.findall(r"['\"]([^'\"]+)['\"]", found_in[2])))
    return all(names & each for each in named)


def _cilium_namespaces(selector: Mapping[str, Any]) -> list[set[str]]:
    """The names of namespaces that each part of an endpointSelector asks for."""
    labels, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
    named = [{str(value)} for key, value in labels.items() if _is_namespace(key)]
    return named + [
        set(map(str, each.get("values") or []))
        for each in expressions
        if _is_namespace(str(each.get("key"))) and each.get("operator") == "In"
    ]


def _is_namespace(key: str) -> bool:
    return key.removeprefix("any:").removeprefix("k8s:") in _CILIUM_NAMESPACE


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
        if namespace_of(policy) in names and INGRESS.concerns(policy) and not _admits_everybody(policy):
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
    return any(not rule.get("from") or _PROBES in str(rule["from"]) for rule in INGRESS.rules_of(policy))


def _specs(policy: Object) -> list[Mapping[str, Any]]:
    return [policy.get("spec") or {}, *(policy.get("specs") or [])]
