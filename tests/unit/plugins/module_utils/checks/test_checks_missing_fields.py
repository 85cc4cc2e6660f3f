# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects with a field less than usual, as API servers do hand them out, crash no check."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.engine import Selection, run_checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.side_by_side import plan
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from unit.plugins.module_utils.checks.fields import paths, without

AMBIENT = {"istio.io/dataplane-mode": "ambient"}
MESH = {"namespaces": [{"name": "shop", "state": "l4"}]}
# An image would be asked for at its registry.
LOOKED_AT = [check for check in CHECKS if check.code != "AMB0112"]


def cluster(make: Any) -> list[Any]:
    """One object of every kind that a check looks into."""
    return [
        make(
            "Namespace",
            "shop",
            labels={**AMBIENT, "istio-injection": "enabled"},
            annotations={"linkerd.io/inject": "enabled"},
        ),
        make("Namespace", "istio-system", labels={"pod-security.kubernetes.io/enforce": "baseline"}),
        make(
            "Pod",
            "web",
            "shop",
            labels={"sidecar.istio.io/inject": "true", "app": "web"},
            annotations={"sidecar.istio.io/status": "{}"},
            spec={"nodeName": "one", "containers": [{"name": "x"}], "hostNetwork": True},
            status={"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        ),
        make(
            "Node",
            "one",
            labels={"a": "b"},
            spec={"taints": [{"key": "x", "effect": "NoSchedule"}], "providerID": "kind://"},
            status={
                "nodeInfo": {
                    "kubeletVersion": "v1+k3s",
                    "operatingSystem": "linux",
                    "architecture": "amd64",
                    "kernelVersion": "6",
                },
                "images": [{"names": ["a"]}],
            },
        ),
        make(
            "ResourceQuota",
            "q",
            "ztunnel",
            spec={
                "hard": {
                    "pods": "2",
                    "cpu": "1",
                    "limits.memory": "1Gi",
                    "requests.nvidia.com/gpu": "4",
                    "persistentvolumeclaims": "1",
                },
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["c"]}]
                },
            },
            status={"used": {"pods": "1"}},
        ),
        make(
            "LimitRange",
            "l",
            "ztunnel",
            spec={
                "limits": [
                    {
                        "type": "Container",
                        "max": {"cpu": "1", "nvidia.com/gpu": "1", "ephemeral-storage": "1Gi"},
                        "min": {"memory": "1"},
                        "default": {"memory": "1Gi"},
                        "defaultRequest": {"cpu": "1"},
                    }
                ]
            },
        ),
        make(
            "NetworkPolicy",
            "n",
            "shop",
            spec={
                "podSelector": {"matchLabels": {"app": "web"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080, "protocol": "TCP"}]}],
            },
        ),
        make(
            "Deployment",
            "istiod",
            "istio-system",
            labels={"app": "istiod", "istio.io/rev": "default"},
            spec={
                "replicas": 1,
                "template": {
                    "metadata": {"labels": {"app": "istiod"}},
                    "spec": {
                        "containers": [
                            {
                                "name": "d",
                                "image": "x/pilot:1.30.1",
                                "env": [
                                    {"name": "PILOT_ENABLE_AMBIENT", "value": "true"},
                                    {"name": "CA_TRUSTED_NODE_ACCOUNTS", "value": "ztunnel/ztunnel"},
                                ],
                            }
                        ]
                    },
                },
            },
            status={"readyReplicas": 1},
        ),
        make(
            "DaemonSet",
            "ztunnel",
            "ztunnel",
            labels={"app": "ztunnel"},
            spec={
                "template": {
                    "metadata": {"labels": {"app": "ztunnel"}},
                    "spec": {"serviceAccountName": "ztunnel", "containers": [{"image": "x/ztunnel:1.31.0"}]},
                }
            },
            status={"numberReady": 1, "desiredNumberScheduled": 1},
        ),
        make(
            "DaemonSet",
            "istio-cni-node",
            "istio-cni",
            labels={"k8s-app": "istio-cni-node"},
            spec={"template": {"spec": {"containers": [{"image": "x/cni:1.30.1"}]}}},
            status={"numberReady": 1, "desiredNumberScheduled": 1},
        ),
        make(
            "DaemonSet",
            "cilium",
            "kube-system",
            labels={"k8s-app": "cilium"},
            spec={"template": {"spec": {"containers": [{"image": "c"}]}}},
        ),
        make(
            "DaemonSet",
            "aws-node",
            "kube-system",
            spec={"template": {"spec": {"containers": [{"env": [{"name": "ENABLE_POD_ENI", "value": "true"}]}]}}},
        ),
        make("ConfigMap", "cilium-config", "kube-system", data={"cni-exclusive": "true"}),
        make(
            "ConfigMap",
            "istio",
            "istio-system",
            labels={"istio.io/rev": "default"},
            data={"mesh": "discoverySelectors: [{matchLabels: {a: b}}]"},
        ),
        make(
            "CustomResourceDefinition",
            "gateways.gateway.networking.k8s.io",
            annotations={"gateway.networking.k8s.io/bundle-version": "v1.4.0"},
        ),
        make(
            "MutatingWebhookConfiguration",
            "w",
            webhooks=[
                {
                    "name": "rev.namespace.sidecar-injector.istio.io",
                    "clientConfig": {"service": {"name": "s", "namespace": "n"}},
                    "failurePolicy": "Fail",
                    "rules": [{"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}],
                }
            ],
        ),
        make(
            "EndpointSlice",
            "s",
            "n",
            labels={"kubernetes.io/service-name": "s"},
            endpoints=[{"conditions": {"ready": True}}],
        ),
        make("Gateway", "wp", "shop", spec={"gatewayClassName": "istio-waypoint"}),
        make("FelixConfiguration", "default", api_version="crd.projectcalico.org/v1", spec={"bpfEnabled": True}),
        make(
            "CiliumClusterwideNetworkPolicy", "c", api_version="cilium.io/v2", spec={"ingress": [{"fromCIDR": ["x"]}]}
        ),
        make(
            "Subscription",
            "s",
            "o",
            api_version="operators.coreos.com/v1alpha1",
            spec={"name": "asm"},
            status={"installedCSV": "x"},
        ),
        make("ClusterRole", "linkerd-x-identity", api_version="rbac.authorization.k8s.io/v1"),
        make("Secret", "cacerts", "istio-system", data={"ca-cert.pem": "bm8="}),
    ]


def to_be_installed(make: Any) -> list[Any]:
    return [
        make(
            "DaemonSet",
            "ztunnel",
            "ztunnel",
            spec={
                "template": {
                    "spec": {
                        "priorityClassName": "c",
                        "tolerations": [{"operator": "Exists"}],
                        "nodeSelector": {"kubernetes.io/os": "linux"},
                        "containers": [
                            {"name": "z", "image": "r.test/z:1", "resources": {"requests": {"cpu": "1", "memory": "1"}}}
                        ],
                    }
                }
            },
        ),
        make("Namespace", "istio-system", labels={"pod-security.kubernetes.io/enforce": "restricted"}),
    ]


def look(world: Any, objects: list[Any], planned: list[Any]) -> None:
    wishes = Wishes(mesh=parse_mesh(MESH), version="1.31.0", platform="acp", planned=planned)
    context = Context(Snapshot(world(*objects)), wishes)
    report = run_checks(LOOKED_AT, Selection(tuple(Phase)), context)
    assert len(report.results) == len(LOOKED_AT)
    plan(context)


def test_no_missing_field_crashes_a_check(world: Any, make: Any) -> None:
    there, planned = cluster(make), to_be_installed(make)
    look(world, there, planned)
    variants = [(True, index, path) for index, obj in enumerate(there) for path in paths(obj)]
    variants += [(False, index, path) for index, obj in enumerate(planned) for path in paths(obj)]
    assert len(variants) > 200
    for live, index, path in variants:
        look(
            world,
            without(there, (index, *path)) if live else there,
            planned if live else without(planned, (index, *path)),
        )
