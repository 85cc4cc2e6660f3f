# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is no mesh and yet matters: webhooks that are dead, the settings of the network."""

from __future__ import annotations

from typing import Any

import pytest

PODS = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
INGRESSES = {"operations": ["*"], "apiGroups": ["networking.k8s.io"], "apiVersions": ["*"], "resources": ["*"]}


def webhook(make: Any, kind: str = "ValidatingWebhookConfiguration", labels: Any = None, **fields: Any) -> Any:
    target = {"service": {"namespace": "policy", "name": "engine"}}
    hook = {"name": "v.policy.example", "clientConfig": target, "rules": [PODS], **fields}
    return make(kind, "engine", labels=labels or {}, webhooks=[hook])


def endpoints(make: Any, ready: bool) -> Any:
    labels = {"kubernetes.io/service-name": "engine"}
    points = [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}]
    return make("EndpointSlice", "engine-x", "policy", labels=labels, endpoints=points)


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({}, "error"),
        ({"failurePolicy": "Fail", "rules": [INGRESSES, PODS]}, "error"),
        ({"rules": [{**PODS, "apiGroups": ["*"], "resources": ["*/*"]}]}, "error"),
        ({"namespaceSelector": {"matchLabels": {"a": "b"}}}, "warning"),
        ({"failurePolicy": "Ignore"}, ""),
        ({"rules": [INGRESSES]}, ""),
        ({"rules": [{**PODS, "operations": ["DELETE"]}]}, ""),
        ({"clientConfig": {"url": "https://policy.example"}}, ""),
        ({"name": "pods-kuma-injector.kuma.io"}, ""),
    ],
)
@pytest.mark.parametrize("kind", ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])
def test_a_dead_webhook(world: Any, examine: Any, make: Any, kind: str, fields: Any, severity: str) -> None:
    dead = examine(world(webhook(make, kind, **fields), endpoints(make, False)), "AMB0105")
    assert [finding.severity for finding in dead.findings] == ([severity] if severity else [])

    assert examine(world(webhook(make, kind, **fields), endpoints(make, True)), "AMB0105").findings == []


def test_our_own_webhook_may_be_down_in_mid_installation(world: Any, examine: Any, make: Any) -> None:
    ours = webhook(make, labels={"ambient.alauda.io/mesh": "default"})

    assert examine(world(ours), "AMB0105").findings == []


GOOD = {"cni-exclusive": "false", "kube-proxy-replacement": "true", "bpf-lb-sock-hostns-only": "true"}


@pytest.mark.parametrize(
    ("data", "severities"),
    [
        (GOOD, []),
        ({"cni-exclusive": "false"}, []),
        ({}, ["error"]),
        ({**GOOD, "cni-exclusive": "true"}, ["error"]),
        ({**GOOD, "enable-bpf-masquerade": "true"}, ["warning"]),
        ({**GOOD, "bpf-lb-sock-hostns-only": "false"}, ["warning"]),
    ],
)
def test_cilium(world: Any, examine: Any, make: Any, data: dict[str, str], severities: list[str]) -> None:
    agent = make("DaemonSet", "cilium", "kube-system", labels={"k8s-app": "cilium"})
    config = make("ConfigMap", "cilium-config", "kube-system", data=data)

    report = examine(world(agent, config), "AMB0221")
    assert [finding.severity for finding in report.findings] == severities
    assert {finding.object for finding in report.findings} <= {"ConfigMap kube-system/cilium-config"}


def test_without_cilium_nobody_looks_for_its_settings(world: Any, examine: Any) -> None:
    report = examine(world(denied=("ConfigMap",)), "AMB0221")

    assert [(result.status, result.detail) for result in report.results] == [("pass", "no Cilium")]


@pytest.mark.parametrize(("version", "faults"), [("1.31.0", 0), ("1.30.3", 1), ("1.30.1", 2), ("", 0)])
def test_versions_with_known_faults(world: Any, examine: Any, version: str, faults: int) -> None:
    findings = examine(world(), "AMB0106", version=version).findings

    assert [finding.severity for finding in findings] == ["warning"] * faults


class TestLeftovers:
    RBAC = "rbac.authorization.k8s.io/v1"
    ROOT = {"istio.io/config": "true"}

    def test_what_nobody_took_away(self, world: Any, examine: Any, make: Any) -> None:
        report = examine(
            world(
                make("ClusterRole", "istiod-clusterrole-istio-system", api_version=self.RBAC),
                make("ClusterRole", "linkerd-linkerd-identity", api_version=self.RBAC),
                make("ClusterRole", "view", api_version=self.RBAC),
                make("ConfigMap", "istio-ca-root-cert", "shop", labels=self.ROOT),
                make("ConfigMap", "istio-ca-root-cert", "blog", labels=self.ROOT),
                make("ConfigMap", "mine", "blog", labels=self.ROOT),
            ),
            "AMB0225",
        )

        assert [(finding.severity, finding.message) for finding in report.findings] == [
            ("warning", "rights of Istio are left: istiod-clusterrole-istio-system"),
            ("warning", "rights of Linkerd are left: linkerd-linkerd-identity"),
            ("warning", "root certificates of an Istio that went are left in 2 namespaces: blog, shop"),
        ]

    def test_what_is_in_use_is_no_leftover(self, world: Any, examine: Any, make: Any, installation: Any) -> None:
        used = make("ConfigMap", "istio-ca-root-cert", "shop", labels=self.ROOT)
        theirs = make("Deployment", "istiod", "istio-system", labels={"app": "istiod"})
        for there in (installation(), [theirs]):
            assert not examine(world(used, *there), "AMB0225").findings


@pytest.mark.parametrize(
    ("package", "code"),
    [("asm-operator", "AMB0201"), ("servicemesh-operator2", "AMB0202"), ("servicemeshoperator", "AMB0206")],
)
def test_a_subscription_brings_the_operator(world: Any, examine: Any, make: Any, package: str, code: str) -> None:
    api_version = "operators.coreos.com/v1alpha1"
    subscription = make("Subscription", "it", "operators", api_version=api_version, spec={"name": package})
    other = make("Subscription", "other", "operators", api_version=api_version, spec={"name": "prometheus"})

    (finding,) = examine(world(subscription, other), "AMB0201", "AMB0202", "AMB0206").findings

    assert (finding.code, finding.severity, finding.object) == (code, "error", "Subscription operators/it")
    assert "is installed but idle: this subscription brings the operator" in finding.message
    assert "nothing installed yet" in finding.message
