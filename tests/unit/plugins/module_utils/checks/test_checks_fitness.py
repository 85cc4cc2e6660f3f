# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of platform, nodes, room, images and of what Calico, Multus and the VPC CNI have set."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks import images
from ansible_collections.alauda.ambient.plugins.module_utils.oci.registry import Answer

OURS = {"ambient.alauda.io/mesh": "default"}
ENFORCE = "pod-security.kubernetes.io/enforce"


def node(make: Any, name: str = "one", taints: Any = (), provider: str = "", **info: str) -> Any:
    labels = {"kubernetes.io/os": "linux", **info.pop("labels", {})}  # type: ignore[arg-type, call-overload]
    facts = {"operatingSystem": "linux", "architecture": "amd64", "kubeletVersion": "v1.34.4", **info}
    spec = {"taints": list(taints), "providerID": provider}
    return make("Node", name, labels=labels, spec=spec, status={"nodeInfo": facts})


def agent(make: Any, resources: Any = None, kind: str = "DaemonSet", name: str = "ztunnel", **spec: Any) -> Any:
    container = {"name": "main", "image": "registry.test/ztunnel:1", "resources": resources or {}}
    template = {"spec": {"containers": [container], **spec}}
    return make(kind, name, "ztunnel", labels=OURS, spec={"template": template})


def only_finding(report: Any) -> Any:
    (finding,) = report.findings
    return finding


class TestPlatform:
    @pytest.mark.parametrize(
        ("facts", "wanted", "severity", "words"),
        [
            ({}, "generic", "", ""),
            ({}, "", "", ""),
            ({"provider": "kind://podman/x/y"}, "generic", "", ""),
            ({"provider": "kind://podman/x/y"}, "kind", "", ""),
            ({"kubeletVersion": "v1.34.1-eks-113cf36"}, "generic", "", ""),
            ({"kubeletVersion": "v1.34.1+k3s1"}, "k3s", "", ""),
            ({"kubeletVersion": "v1.34.1+k3s1"}, "generic", "error", "is generic, but the cluster looks like k3s"),
            ({"kubeletVersion": "v1.34.1+k3s1", "name": "k3d-a-0"}, "k3s", "error", "looks like k3d"),
            ({"kubeletVersion": "v1.34.1-gke.1000"}, "eks", "error", "looks like gke"),
            ({"labels": {"microk8s.io/cluster": "true"}}, "generic", "error", "looks like microk8s"),
            ({"labels": {"node.openshift.io/os_id": "rhcos"}}, "kind", "error", "looks like openshift"),
            ({"labels": {"minikube.k8s.io/name": "x"}}, "generic", "warning", "looks like minikube"),
            ({"provider": "kind://podman/x/y"}, "k3s", "warning", "looks like kind"),
            ({}, "openshift", "warning", "nothing in the cluster looks like openshift"),
        ],
    )
    def test_what_the_nodes_tell(
        self, world: Any, examine: Any, make: Any, facts: Any, wanted: str, severity: str, words: str
    ) -> None:
        report = examine(world(node(make, **facts)), "AMB0107", platform=wanted)

        assert [finding.severity for finding in report.findings] == ([severity] if severity else [])
        assert all(words in finding.message for finding in report.findings)

    def test_what_else_tells(self, world: Any, examine: Any, make: Any) -> None:
        for sign, wanted in (
            (make("CustomResourceDefinition", "clusterversions.config.openshift.io"), "openshift"),
            (make("Namespace", "cpaas-system"), "acp"),
        ):
            assert only_finding(examine(world(sign), "AMB0107", platform="generic")).severity == "error"
            assert not examine(world(sign), "AMB0107", platform=wanted).findings


class TestNodes:
    TAINT = {"key": "team", "value": "blue", "effect": "NoSchedule"}

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            ({}, "it does not tolerate the taint team:NoSchedule"),
            ({"tolerations": [{"operator": "Exists"}]}, ""),
            ({"tolerations": [{"effect": "NoSchedule", "operator": "Exists"}]}, ""),
            ({"tolerations": [{"key": "team", "value": "blue"}]}, ""),
            ({"tolerations": [{"key": "team", "value": "red"}]}, "taint team"),
            ({"tolerations": [{"effect": "NoExecute", "operator": "Exists"}]}, "taint team"),
            ({"tolerations": [{"operator": "Exists"}], "nodeSelector": {"disk": "ssd"}}, "asks for disk=ssd"),
        ],
    )
    def test_who_gets_no_agent(self, world: Any, examine: Any, make: Any, spec: Any, words: str) -> None:
        cluster = world(node(make, taints=[self.TAINT]))
        report = examine(cluster, "AMB0108", planned=[agent(make, **spec)])

        assert [finding.severity for finding in report.findings] == (["warning"] if words else [])
        assert all(words in finding.message for finding in report.findings)

    def test_nodes_that_istio_has_nothing_for(self, world: Any, examine: Any, make: Any) -> None:
        windows = node(make, "w", operatingSystem="windows")
        assert not examine(world(node(make), windows), "AMB0108").findings
        assert only_finding(examine(world(windows), "AMB0108")).message == "none of them runs Linux"
        strange = only_finding(examine(world(node(make), node(make, "z", architecture="s390x")), "AMB0108"))
        assert strange.message == "z: architecture s390x, Istio has images for amd64 and arm64"

    def test_files_of_nodes_are_never_passed(self, world: Any, examine: Any, make: Any) -> None:
        (result,) = examine(world(node(make)), "AMB0109").results
        assert (result.status, result.detail[:23]) == ("skipped", "needs the opt-in probe ")


class TestRoom:
    def quota(self, make: Any, hard: Any, used: Any = None, **spec: Any) -> Any:
        return make("ResourceQuota", "q", "ztunnel", spec={"hard": hard, **spec}, status={"used": used or {}})

    def limits(self, make: Any, **item: Any) -> Any:
        return make("LimitRange", "l", "ztunnel", spec={"limits": [{"type": "Container", **item}]})

    @pytest.mark.parametrize(
        ("hard", "used", "words"),
        [
            ({"pods": "2"}, {}, ""),
            ({"pods": "2"}, {"pods": "1"}, "leaves room for 1 pods, DaemonSet ztunnel/ztunnel has 2"),
            ({"requests.cpu": "1"}, {"requests.cpu": "600m"}, ""),
            ({"requests.cpu": "1"}, {"requests.cpu": "700m"}, "leaves 0.3 of requests.cpu"),
            ({"cpu": "300m"}, {}, "leaves 0.3 of cpu, DaemonSet ztunnel/ztunnel asks for 0.4"),
            ({"limits.memory": "4Gi"}, {}, "asks every container for limits.memory, and one of"),
            ({"requests.storage": "0", "services": "0"}, {}, ""),
        ],
    )
    def test_quotas(self, world: Any, examine: Any, make: Any, hard: Any, used: Any, words: str) -> None:
        cluster = world(node(make, "a"), node(make, "b"), self.quota(make, hard, used))
        planned = [agent(make, {"requests": {"cpu": "200m", "memory": "512Mi"}})]
        report = examine(cluster, "AMB0110", planned=planned)

        assert len(report.findings) == bool(words)
        assert all(words in finding.message for finding in report.findings)

    def test_quotas_that_concern_others(self, world: Any, examine: Any, make: Any) -> None:
        full = {"pods": "0"}
        select = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["critical"]}]}
        elsewhere = make("ResourceQuota", "q", "shop", spec={"hard": full})
        for quota in (elsewhere, self.quota(make, full, scopes=["BestEffort"])):
            assert not examine(world(quota), "AMB0110", planned=[agent(make)]).findings
        scoped = world(self.quota(make, full, scopeSelector=select))
        assert not examine(scoped, "AMB0110", planned=[agent(make)]).findings
        assert examine(scoped, "AMB0110", planned=[agent(make, priorityClassName="critical")]).findings
        there = world(self.quota(make, full), agent(make))
        assert not examine(there, "AMB0110", planned=[agent(make)]).findings

    def test_a_default_of_a_limit_range_helps(self, world: Any, examine: Any, make: Any) -> None:
        quota = self.quota(make, {"limits.memory": "4Gi"})
        cluster = world(quota, self.limits(make, default={"memory": "1Gi"}))
        assert not examine(cluster, "AMB0110", planned=[agent(make)]).findings

    @pytest.mark.parametrize(
        ("item", "words"),
        [
            ({"max": {"memory": "1Gi"}}, ""),
            ({"max": {"memory": "256Mi"}}, "max memory is 256Mi, DaemonSet ztunnel/ztunnel has more in its requests"),
            ({"min": {"cpu": "500m"}}, "min cpu is 500m, DaemonSet ztunnel/ztunnel has less in its requests"),
            ({"type": "PersistentVolumeClaim", "max": {"memory": "1"}}, ""),
        ],
    )
    def test_limit_ranges(self, world: Any, examine: Any, make: Any, item: Any, words: str) -> None:
        planned = [agent(make, {"requests": {"cpu": "200m", "memory": "512Mi"}})]
        report = examine(world(self.limits(make, **item)), "AMB0110", planned=planned)

        assert [finding.message for finding in report.findings] == ([words] if words else [])

    def test_pod_security(self, world: Any, examine: Any, make: Any) -> None:
        planned = [make("Namespace", "ztunnel", labels={**OURS, ENFORCE: "privileged"})]
        held = make("Namespace", "ztunnel", labels={ENFORCE: "baseline"}, managers={ENFORCE: ["kubectl-label"]})
        finding = only_finding(examine(world(held), "AMB0110", planned=planned))
        assert finding.message.startswith("its Pod Security level is baseline, held by kubectl-label;")
        for fine in ({ENFORCE: "privileged"}, {}, {**OURS, ENFORCE: "baseline"}):
            assert not examine(world(make("Namespace", "ztunnel", labels=fine)), "AMB0110", planned=planned).findings
        others = make("Namespace", "shop", labels={ENFORCE: "restricted"}, managers={ENFORCE: ["kubectl-label"]})
        assert not examine(world(others), "AMB0110", planned=planned).findings


class TestImages:
    @pytest.fixture(autouse=True)
    def _registry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.status = 200
        self.asked: list[str] = []

        def ask(dummy: str, url: str, dummy_headers: Any) -> Answer:
            self.asked.append(url)
            return Answer(self.status, {})

        monkeypatch.setattr(images, "ask", ask)

    @pytest.mark.parametrize(
        ("answer", "status"), [(200, "pass"), (404, "error"), (0, "skipped"), (500, "skipped"), (401, "skipped")]
    )
    def test_what_the_registry_says(self, world: Any, examine: Any, make: Any, answer: int, status: str) -> None:
        self.status = answer
        (result,) = examine(world(node(make)), "AMB0112", planned=[agent(make)]).results

        assert result.status == status
        assert self.asked[:1] == ["https://registry.test/v2/ztunnel/manifests/1"]

    def test_what_every_node_has_is_not_asked_for(self, world: Any, examine: Any, make: Any) -> None:
        holder = node(make)
        holder["status"]["images"] = [{"names": ["registry.test/ztunnel:1"]}]
        assert not examine(world(holder), "AMB0112", planned=[agent(make)]).findings
        assert self.asked == []
        examine(world(holder, node(make, "empty")), "AMB0112", planned=[agent(make)])
        assert len(self.asked) == 1


class TestSurroundings:
    @pytest.mark.parametrize(
        ("spec", "found"),
        [
            ({}, 0),
            ({"bpfEnabled": False}, 0),
            ({"bpfEnabled": True}, 1),
            ({"bpfEnabled": True, "bpfConnectTimeLoadBalancing": "TCP"}, 1),
            ({"bpfEnabled": True, "bpfConnectTimeLoadBalancing": "Disabled"}, 0),
            ({"bpfEnabled": True, "bpfConnectTimeLoadBalancingEnabled": False}, 0),
        ],
    )
    def test_calico(self, world: Any, examine: Any, make: Any, spec: Any, found: int) -> None:
        felix = make("FelixConfiguration", "default", api_version="crd.projectcalico.org/v1", spec=spec)
        assert len(examine(world(felix), "AMB0222").findings) == found

    @pytest.mark.parametrize(
        ("image", "ebpf", "found"),
        [
            ("docker.io/calico/node:v3.28.2", True, 1),
            ("docker.io/calico/node:v3.29.0", True, 0),
            ("docker.io/calico/node:v3.28.2", False, 0),
            ("calico/node@sha256:00", True, 0),
        ],
    )
    def test_old_calico(self, world: Any, examine: Any, make: Any, image: str, ebpf: bool, found: int) -> None:
        spec = {"bpfEnabled": ebpf, "bpfConnectTimeLoadBalancing": "Disabled"}
        felix = make("FelixConfiguration", "default", api_version="crd.projectcalico.org/v1", spec=spec)
        template = {"template": {"spec": {"containers": [{"name": "calico-node", "image": image}]}}}
        agent = make("DaemonSet", "calico-node", "calico-system", labels={"k8s-app": "calico-node"}, spec=template)
        findings = examine(world(felix, agent), "AMB0222").findings

        assert [finding.object for finding in findings] == ["DaemonSet calico-system/calico-node"] * found

    @pytest.mark.parametrize(
        ("kind", "gateway", "found"),
        [
            ("OVNKubernetes", {}, 1),
            ("OVNKubernetes", {"gatewayConfig": {"routingViaHost": False}}, 1),
            ("OVNKubernetes", {"gatewayConfig": {"routingViaHost": True}}, 0),
            ("OpenShiftSDN", {}, 0),
        ],
    )
    def test_ovn(self, world: Any, examine: Any, make: Any, kind: str, gateway: Any, found: int) -> None:
        spec = {"defaultNetwork": {"type": kind, "ovnKubernetesConfig": gateway}}
        network = make("Network", "cluster", api_version="operator.openshift.io/v1", spec=spec)
        assert len(examine(world(network), "AMB0226").findings) == found
        assert not examine(world(), "AMB0226").findings

    def test_multus(self, world: Any, examine: Any, make: Any) -> None:
        multus = make("DaemonSet", "kube-multus-ds", "kube-system")
        assert only_finding(examine(world(), "AMB0223", platform="acp")).severity == "error"
        assert not examine(world(multus), "AMB0223", platform="acp").findings
        assert not examine(world(), "AMB0223", platform="generic").findings

    @pytest.mark.parametrize(
        ("env", "found"),
        [
            ({}, 0),
            ({"ENABLE_POD_ENI": "true"}, 1),
            ({"ENABLE_POD_ENI": "true", "POD_SECURITY_GROUP_ENFORCING_MODE": "strict"}, 1),
            ({"ENABLE_POD_ENI": "true", "POD_SECURITY_GROUP_ENFORCING_MODE": "standard"}, 0),
        ],
    )
    def test_vpc_cni(self, world: Any, examine: Any, make: Any, env: Any, found: int) -> None:
        container = {"name": "aws-node", "env": [{"name": key, "value": value} for key, value in env.items()]}
        spec = {"template": {"spec": {"containers": [container]}}}
        cluster = world(make("DaemonSet", "aws-node", "kube-system", spec=spec))
        assert len(examine(cluster, "AMB0224").findings) == found
