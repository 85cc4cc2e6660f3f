# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is no mesh, and yet decides whether ours can be installed and works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ..manifests.identity import labels_of, name_of, namespace_of
from .coexistence import IDLE, alive
from .context import Context, describe
from .findings import Outcome, Problem, Severity
from .found import env_of, version_of
from .ours import is_ours
from .signals import MESHES
from .snapshot import CONFIG_MAPS, DAEMONSETS, FELIX, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS, Resource, Snapshot

#: What an installation creates, as rules of webhooks name it.
_CREATED = {
    "": {"namespaces", "pods", "services", "configmaps", "serviceaccounts"},
    "apps": {"deployments", "daemonsets"},
    "apiextensions.k8s.io": {"customresourcedefinitions"},
}
_NARROWING = ("namespaceSelector", "objectSelector", "matchConditions")
_CALICO_WITH_PROBES = (3, 29, 0)
_OPENSHIFT_NETWORK = Resource("operator.openshift.io/v1", "Network")
_BY_MULTUS = ("acp", "openshift")
_ON = ("true", "strict", "probe", "partial")

_Hook = Mapping[str, Any]


def no_dead_webhook(context: Context) -> Outcome:
    """AMB0105: a webhook that must be asked and cannot answer refuses what it is asked about."""
    problems = []
    for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
        for obj in context.cluster.all(resource):
            for hook in _deadly(obj.get("webhooks") or [], context.cluster) if not is_ours(obj) else ():
                narrowed = any(hook.get(field) for field in _NARROWING)
                problems.append(
                    Problem(
                        describe(resource.kind, obj),
                        f"webhook {hook['name']} must be asked about what an installation creates, and "
                        f"{alive(hook['clientConfig'], context.cluster)[1]}",
                        "Bring its pods back, or delete the configuration if what it belonged to is gone",
                        Severity.WARNING if narrowed else None,
                    )
                )
    return Outcome(problems)


def _deadly(hooks: list[_Hook], cluster: Snapshot) -> Iterator[_Hook]:
    for hook in hooks:
        must_be_asked = hook.get("failurePolicy", "Fail") == "Fail" and any(map(_is_ours_to_create, _rules(hook)))
        if must_be_asked and not _is_of_a_mesh(hook) and alive(hook.get("clientConfig") or {}, cluster)[0] == IDLE:
            yield hook


def _rules(hook: _Hook) -> list[Mapping[str, Any]]:
    return hook.get("rules") or []


def _is_ours_to_create(rule: Mapping[str, Any]) -> bool:
    if not {"CREATE", "*"} & set(rule.get("operations") or []):
        return False
    resources = set(rule.get("resources") or [])
    groups = set(rule.get("apiGroups") or [])
    return any(
        (group in groups or "*" in groups) and (names & resources or {"*", "*/*"} & resources)
        for group, names in _CREATED.items()
    )


def _is_of_a_mesh(hook: _Hook) -> bool:
    patterns = (pattern for mesh in MESHES for pattern in (*mesh.webhooks, *mesh.validators))
    return any(fnmatchcase(str(hook.get("name", "")), pattern) for pattern in patterns)


def cilium_fits(context: Context) -> Outcome:
    """AMB0221: the settings that Istio's and Cilium's documentation ask for."""
    cluster = context.cluster
    agents = [each for each in cluster.all(DAEMONSETS) if labels_of(each).get("k8s-app") == "cilium"]
    if not agents:
        return Outcome(note="no Cilium")
    problems: list[Problem] = []
    for namespace in sorted({namespace_of(agent) for agent in agents}):
        for config in cluster.list_in(CONFIG_MAPS, namespace):
            if name_of(config) == "cilium-config":
                where = describe(CONFIG_MAPS.kind, config)
                problems += _unfit(where, {key: str(value) for key, value in (config.get("data") or {}).items()})
    return Outcome(problems, note="" if problems else "Cilium's settings fit")


def _unfit(where: str, data: Mapping[str, str]) -> Iterator[Problem]:
    if data.get("cni-exclusive", "true") == "true":
        yield Problem(where, "cni-exclusive is on: Cilium takes istio-cni off the nodes", "Set cni.exclusive=false")
    if data.get("enable-bpf-masquerade") == "true":
        yield Problem(
            where,
            "enable-bpf-masquerade is on: the probes of captured pods would fail",
            "Set bpf.masquerade=false",
            Severity.WARNING,
        )
    sockets = data.get("bpf-lb-sock") == "true" or data.get("kube-proxy-replacement", "false") in _ON
    if sockets and data.get("bpf-lb-sock-hostns-only") != "true":
        yield Problem(
            where,
            "socket load balancing works inside pods: ztunnel would not see which services are called",
            "Set socketLB.hostNamespaceOnly=true",
            Severity.WARNING,
        )


def calico_fits(context: Context) -> Outcome:
    """AMB0222: Calico's documentation rules out connect-time load balancing beside ambient mode."""
    problems: list[Problem] = []
    configurations = context.cluster.all(FELIX)
    for config in configurations:
        spec = config.get("spec") or {}
        if spec.get("bpfEnabled"):
            problems += _old_calico(context.cluster)
        older = "Disabled" if spec.get("bpfConnectTimeLoadBalancingEnabled") is False else "TCP"
        if spec.get("bpfEnabled") and spec.get("bpfConnectTimeLoadBalancing", older) != "Disabled":
            problems.append(
                Problem(
                    describe(FELIX.kind, config),
                    "eBPF with connect-time load balancing: ztunnel would not see which services are called",
                    "Set spec.bpfConnectTimeLoadBalancing: Disabled",
                    Severity.WARNING,
                )
            )
    return Outcome(problems, note="" if configurations else "no Calico")


def _old_calico(cluster: Snapshot) -> Iterator[Problem]:
    for agent in cluster.all(DAEMONSETS):
        version = version_of(agent) if labels_of(agent).get("k8s-app") == "calico-node" else None
        if version and version < _CALICO_WITH_PROBES:
            yield Problem(
                describe(DAEMONSETS.kind, agent),
                f"is Calico {'.'.join(map(str, version))} with eBPF: it loses the probes of captured pods "
                "(istio/istio 52765)",
                f"Upgrade Calico to {'.'.join(map(str, _CALICO_WITH_PROBES[:2]))} or newer",
                Severity.WARNING,
            )


def openshift_routes_through_the_host(context: Context) -> Outcome:
    """AMB0226: OVN-Kubernetes otherwise sends the kubelet's probes past the rules that Istio has on the host."""
    problems = []
    for network in context.cluster.all(_OPENSHIFT_NETWORK):
        default = (network.get("spec") or {}).get("defaultNetwork") or {}
        gateway = (default.get("ovnKubernetesConfig") or {}).get("gatewayConfig") or {}
        if default.get("type") == "OVNKubernetes" and gateway.get("routingViaHost") is not True:
            problems.append(
                Problem(
                    f"Network {name_of(network)} (operator.openshift.io)",
                    "OVN-Kubernetes does not route through the host: the probes of captured pods would fail",
                    "Set spec.defaultNetwork.ovnKubernetesConfig.gatewayConfig.routingViaHost: true",
                    Severity.WARNING,
                )
            )
    return Outcome(problems)


def multus_is_there(context: Context) -> Outcome:
    """AMB0223: istio-cni is called by Multus there, or by nobody."""
    if context.wishes.platform not in _BY_MULTUS:
        return Outcome(note="not needed here")
    if any(_is_multus(daemons) for daemons in context.cluster.all(DAEMONSETS)):
        return Outcome()
    hint = "Install Multus first (on ACP: before the network plugins that it calls), or correct ambient_platform"
    message = f"is {context.wishes.platform}, where Multus calls istio-cni; there is no DaemonSet of Multus"
    return Outcome([Problem("ambient_platform", message, hint)])


def _is_multus(daemons: Mapping[str, Any]) -> bool:
    return "multus" in (labels_of(daemons).get("app"), labels_of(daemons).get("name")) or name_of(daemons).startswith(
        "kube-multus"
    )


def vpc_cni_fits(context: Context) -> Outcome:
    """AMB0224: with strict security groups for pods Amazon's VPC CNI loses the probes of captured pods."""
    problems = []
    for daemons in context.cluster.all(DAEMONSETS):
        env = env_of(daemons) if name_of(daemons) == "aws-node" else {}
        if env.get("ENABLE_POD_ENI") == "true" and env.get("POD_SECURITY_GROUP_ENFORCING_MODE") != "standard":
            problems.append(
                Problem(
                    describe(DAEMONSETS.kind, daemons),
                    "security groups for pods are enforced strictly: the probes of captured pods would fail",
                    "Set POD_SECURITY_GROUP_ENFORCING_MODE=standard",
                    Severity.WARNING,
                )
            )
    return Outcome(problems)
