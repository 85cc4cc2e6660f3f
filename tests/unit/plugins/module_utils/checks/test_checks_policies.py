# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What policies of the network and a late istio-cni do to pods of enrolled namespaces."""

from __future__ import annotations

from typing import Any

import pytest

MODE = "istio.io/dataplane-mode"
MESH = {"namespaces": [{"name": "shop", "state": "l4"}, {"name": "old", "state": "off"}]}
WEB = {"app": "web"}
APP = {"ports": [{"protocol": "TCP", "port": 8080}]}
HBONE = {"ports": [{"port": 15008}]}
PEER = {"podSelector": {"matchLabels": {"app": "client"}}}
OTHER = {"podSelector": {"matchLabels": {"app": "other"}}}


def rules(*ingress: Any, selector: Any = None, types: Any = ("Ingress",)) -> dict[str, Any]:
    return {"podSelector": selector or {}, "policyTypes": list(types), "ingress": list(ingress)}


def policies_of(make: Any, *specs: Any, namespace: str = "shop") -> list[Any]:
    return [make("NetworkPolicy", f"p{number}", namespace, spec=spec) for number, spec in enumerate(specs)]


@pytest.mark.parametrize(
    ("specs", "hurt"),
    [
        ([rules()], []),
        ([rules({})], []),
        ([rules(APP)], ["p0"]),
        ([rules(APP), rules(HBONE)], []),
        ([rules(APP, HBONE)], []),
        ([rules({"ports": [{"port": 15000, "endPort": 15010}]})], []),
        ([rules({"ports": [{"port": "http"}]})], ["p0"]),
        ([rules({"ports": [{"protocol": "UDP", "port": 15008}, *APP["ports"]]})], ["p0"]),
        ([rules({"ports": [{"protocol": "UDP", "port": 53}]})], []),
        ([rules({"ports": [{"protocol": "TCP"}]})], []),
        ([rules({"from": [PEER], **APP}), rules({"from": [PEER], **HBONE})], []),
        ([rules({"from": [PEER], **APP}), rules({"from": [OTHER], **HBONE})], ["p0"]),
        ([rules(APP), rules({"from": [PEER], **HBONE})], ["p0"]),
        ([rules({"from": [PEER]})], []),
        ([rules(APP, selector={"matchLabels": WEB}), rules(HBONE)], []),
        ([rules(APP, selector={"matchLabels": WEB}), rules(HBONE, selector={"matchLabels": {"app": "db"}})], ["p0"]),
        ([rules(APP, types=("Egress",))], []),
    ],
)
@pytest.mark.parametrize("pods", [0, 2])
def test_network_policies(world: Any, examine: Any, make: Any, specs: Any, hurt: list[str], pods: int) -> None:
    objects = [make("Pod", f"web-{number}", "shop", labels=WEB) for number in range(pods)]
    report = examine(world(make("Namespace", "shop"), *objects, *policies_of(make, *specs)), "AMB0407", mesh=MESH)

    assert [finding.object for finding in report.findings] == [f"NetworkPolicy shop/{name}" for name in hurt]


def lets_out(*egress: Any, **parts: Any) -> dict[str, Any]:
    return {"podSelector": {}, "policyTypes": ["Egress"], "egress": list(egress), **parts}


DNS = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
WEB_PEER = {"podSelector": {"matchLabels": WEB}}
NO_POD = {"podSelector": {"matchLabels": {"app": "nobody"}}}
IN_SHOP = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
OUTSIDE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}


@pytest.mark.parametrize(
    ("specs", "severities"),
    [
        ([lets_out()], []),
        ([lets_out({})], []),
        ([lets_out(DNS)], []),
        ([lets_out({"to": [WEB_PEER], **APP})], ["error"]),
        ([lets_out({"to": [IN_SHOP], **APP})], ["error"]),
        ([lets_out({"to": [{"namespaceSelector": {}, **WEB_PEER}], **APP})], ["error"]),
        ([lets_out({"to": [NO_POD], **APP})], ["warning"]),
        ([lets_out(APP)], ["warning"]),
        ([lets_out({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], **APP})], ["warning"]),
        ([lets_out({"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}], **APP})], []),
        ([lets_out({"to": [OUTSIDE], **APP})], []),
        ([lets_out({"to": [WEB_PEER], **APP}), lets_out({"to": [WEB_PEER], **HBONE})], []),
        ([lets_out({"to": [WEB_PEER], **APP}), lets_out(HBONE)], []),
        ([lets_out({"to": [WEB_PEER], **APP}), lets_out({"to": [OUTSIDE], **HBONE})], ["error"]),
        ([lets_out({"to": [WEB_PEER], **APP}, policyTypes=["Ingress"])], []),
        ([{"egress": [{"to": [WEB_PEER], **APP}]}], ["error"]),
        ([lets_out({"to": [WEB_PEER], "ports": [{"protocol": "UDP", "port": 5000}]})], []),
    ],
)
def test_network_policies_for_calls_out(world: Any, examine: Any, make: Any, specs: Any, severities: list[str]) -> None:
    shop = make("Namespace", "shop", labels={"kubernetes.io/metadata.name": "shop"})
    pods = [make("Pod", "web", "shop", labels=WEB), make("Pod", "out", "shop", labels={"app": "nobody", MODE: "none"})]
    report = examine(world(shop, *pods, *policies_of(make, *specs)), "AMB0407", mesh=MESH)

    assert [finding.severity for finding in report.findings] == severities
    assert all("call others, but not on TCP 15008" in finding.message for finding in report.findings)
    assert all("of its 1 pods" in finding.message for finding in report.findings)


@pytest.mark.parametrize("direction", [rules(APP, selector={"matchLabels": WEB}), {
    **lets_out({"to": [IN_SHOP], **APP}), "podSelector": {"matchLabels": WEB}}], ids=["ingress", "egress"])  # fmt: skip
def test_pods_that_stay_outside_the_mesh_need_no_hbone(world: Any, examine: Any, make: Any, direction: Any) -> None:
    shop = make("Namespace", "shop", labels={"kubernetes.io/metadata.name": "shop"})
    outside = make("Pod", "web-0", "shop", labels={**WEB, MODE: "none"})
    others = [make("Pod", "client", "shop", labels={"app": "client"}), *policies_of(make, direction)]

    assert examine(world(shop, outside, *others), "AMB0407", mesh=MESH).findings == []
    inside = make("Pod", "web-1", "shop", labels=WEB)
    (finding,) = examine(world(shop, outside, inside, *others), "AMB0407", mesh=MESH).findings
    assert "1 of its 1 pods" in finding.message


def test_network_policies_elsewhere_are_nobodys_business(world: Any, examine: Any, make: Any) -> None:
    old = make("Namespace", "old", labels={MODE: "ambient"})
    objects = [old, *policies_of(make, rules(APP), namespace="old"), *policies_of(make, rules(APP), namespace="x")]
    cluster = world(*objects, make("Namespace", "x"))

    assert examine(cluster, "AMB0407", mesh=MESH).findings == []
    assert not any(kind == "Pod" for kind, _namespace in cluster.lists)


def test_policies_without_the_right_to_see_them_pass_nothing(world: Any, examine: Any, make: Any) -> None:
    report = examine(world(make("Namespace", "shop"), denied=("NetworkPolicy",)), "AMB0407", mesh=MESH)

    assert report.results[0].status == "skipped"


WIDE = ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", "")
GLOBAL = ("projectcalico.org/v3", "GlobalNetworkPolicy", "")
POD_NS = "io.kubernetes.pod.namespace"


@pytest.mark.parametrize(
    ("api", "kind", "namespace", "spec", "told"),
    [
        ("cilium.io/v2", "CiliumNetworkPolicy", "shop", {"ingress": [{}]}, True),
        ("cilium.io/v2", "CiliumNetworkPolicy", "shop", {"egress": [{}]}, False),
        ("cilium.io/v2", "CiliumNetworkPolicy", "x", {"ingress": [{}]}, False),
        ("cilium.io/v2", "CiliumNetworkPolicy", "shop", {"ingress": [{"toPorts": [{"port": "15008"}]}]}, False),
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", "", {"ingress": [{}]}, True),
        ("crd.projectcalico.org/v1", "NetworkPolicy", "shop", {"types": ["Ingress"]}, True),
        ("projectcalico.org/v3", "GlobalNetworkPolicy", "", {"types": ["Egress"]}, False),
        ("cilium.io/v2", "CiliumNetworkPolicy", "shop", {"ingress": [{"fromEntities": ["all"]}]}, False),
        ("cilium.io/v2", "CiliumNetworkPolicy", "shop", {"ingress": [{"fromEntities": ["all"], "toPorts": []}]}, False),
        (
            "cilium.io/v2",
            "CiliumNetworkPolicy",
            "shop",
            {"ingress": [{"fromEntities": ["all"], "toPorts": [{"ports": [{"port": "80"}]}]}]},
            True,
        ),
        (
            "cilium.io/v2",
            "CiliumNetworkPolicy",
            "shop",
            {"ingress": [{"fromEntities": ["all"]}], "ingressDeny": [{"fromEntities": ["world"]}]},
            True,
        ),
        (*WIDE, {"ingress": [{"fromCIDR": ["10.0.0.0/8"]}], "enableDefaultDeny": {"ingress": False}}, False),
        (*WIDE, {"ingress": [{}], "nodeSelector": {}}, False),
        (*WIDE, {"ingress": [{}], "endpointSelector": {"matchLabels": {f"k8s:{POD_NS}": "monitoring"}}}, False),
        (*WIDE, {"ingress": [{}], "endpointSelector": {"matchLabels": {POD_NS: "shop"}}}, True),
        (*WIDE, {"ingress": [{}], "endpointSelector": {"matchLabels": {"app": "monitoring"}}}, True),
        (
            *WIDE,
            {
                "ingress": [{}],
                "endpointSelector": {"matchExpressions": [{"key": POD_NS, "operator": "In", "values": ["a", "shop"]}]},
            },
            True,
        ),
        (
            *WIDE,
            {
                "ingress": [{}],
                "endpointSelector": {"matchExpressions": [{"key": POD_NS, "operator": "In", "values": ["a", "b"]}]},
            },
            False,
        ),
        (
            *WIDE,
            {
                "ingress": [{}],
                "endpointSelector": {"matchExpressions": [{"key": POD_NS, "operator": "NotIn", "values": ["a"]}]},
            },
            True,
        ),
        (*GLOBAL, {"types": ["Ingress"], "preDNAT": True}, False),
        (*GLOBAL, {"types": ["Ingress"], "namespaceSelector": "projectcalico.org/name == 'monitoring'"}, False),
        (*GLOBAL, {"types": ["Ingress"], "namespaceSelector": 'kubernetes.io/metadata.name in {"a", "shop"}'}, True),
        (*GLOBAL, {"types": ["Ingress"], "namespaceSelector": "kubernetes.io/metadata.name in {'a', 'b'}"}, False),
        (*GLOBAL, {"types": ["Ingress"], "namespaceSelector": "projectcalico.org/name != 'monitoring'"}, True),
        (*GLOBAL, {"types": ["Ingress"], "namespaceSelector": "global()"}, True),
    ],
)
def test_other_kinds(
    world: Any, examine: Any, make: Any, api: str, kind: str, namespace: str, spec: Any, told: bool
) -> None:
    policy = make(kind, "p", namespace, api_version=api, spec=spec)
    report = examine(world(make("Namespace", "shop"), policy), "AMB0408", mesh=MESH)

    assert [finding.severity for finding in report.findings] == (["warning"] if told else [])
    assert examine(world(policy), "AMB0408").findings == []


def pod(make: Any, name: str, node: str = "n1", state: str = "", **spec: Any) -> Any:
    marks = {"ambient.istio.io/redirection": state} if state else {}
    return make("Pod", name, "shop", annotations=marks, spec={"nodeName": node, **spec}, status={"phase": "Running"})


def agents(make: Any) -> list[Any]:
    agent = {"k8s-app": "istio-cni-node"}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return [
        make("Namespace", "shop", labels={MODE: "ambient"}),
        make("DaemonSet", "istio-cni-node", "cni", labels=agent),
        make("Pod", "agent-1", "cni", labels=agent, spec={"nodeName": "n1"}, status=ready),
    ]


def test_pods_that_are_captured_or_cannot_be(world: Any, examine: Any, make: Any) -> None:
    done = make("Pod", "job", "shop", spec={}, status={"phase": "Succeeded"})
    out = make("Pod", "out", "shop", labels={MODE: "none"}, status={"phase": "Running"})
    objects = [pod(make, "in", state="enabled"), pod(make, "host", hostNetwork=True), done, out]

    assert examine(world(*agents(make), *objects), "AMB0409").findings == []
    assert examine(world(agents(make)[0], pod(make, "web")), "AMB0409").findings == []


@pytest.mark.parametrize(
    ("node", "state", "word"),
    [("n1", "", "started past istio-cni"), ("n2", "", "ready on node n2"), ("n1", "pending", "not taken it over")],
)
def test_pods_that_bypass(world: Any, examine: Any, make: Any, node: str, state: str, word: str) -> None:
    (finding,) = examine(world(*agents(make), pod(make, "web", node, state)), "AMB0409").findings

    assert finding.object == "Namespace shop"
    assert "1 running pod bypasses the mesh, web" in finding.message
    assert word in finding.message


@pytest.mark.parametrize(
    ("mark", "title"),
    [
        ({"linkerd.io/proxy-version": "edge"}, "Linkerd"),
        ({"consul.hashicorp.com/connect-inject-status": "injected"}, "Consul"),
        ({"kuma.io/sidecar-injected": "true"}, "Kuma"),
        ({"kuma.io/sidecar-injected": "false"}, ""),
        ({"linkerd.io/inject": "disabled"}, ""),
    ],
)
def test_foreign_sidecars(world: Any, examine: Any, make: Any, mark: dict[str, str], title: str) -> None:
    objects = [make("Namespace", "shop"), make("Pod", "web", "shop", annotations=mark)]
    report = examine(world(*objects), "AMB0411", mesh=MESH)

    assert [title in finding.message for finding in report.findings] == ([True] if title else [])


@pytest.mark.parametrize(("name", "count"), [("kube-system", 1), ("istio-system", 1), ("shop", 0)])
def test_protected_namespaces(world: Any, examine: Any, make: Any, name: str, count: int) -> None:
    assert len(examine(world(make("Namespace", name, labels={MODE: "ambient"})), "AMB0412").findings) == count


def test_a_namespace_that_others_enrolled_refuses_nothing(world: Any, examine: Any, make: Any) -> None:
    labels = {MODE: "ambient", "istio-injection": "enabled"}
    pod = make("Pod", "web", "theirs", labels=WEB, annotations={"linkerd.io/proxy-version": "stable"})
    objects = [make("Namespace", "theirs", labels=labels), pod, *policies_of(make, rules(APP), namespace="theirs")]
    for code in ("AMB0403", "AMB0407", "AMB0411"):
        report = examine(world(*objects), code, mesh=MESH)
        assert [finding.severity for finding in report.findings] == ["warning"], code


CILIUM = {"k8s-app": "cilium"}


@pytest.mark.parametrize(
    ("specs", "wide", "found"),
    [
        ([rules()], None, True),
        ([rules({"from": [PEER]})], None, True),
        ([rules({})], None, False),
        ([rules({"from": [{"ipBlock": {"cidr": "169.254.7.127/32"}}]})], None, False),
        ([rules(types=("Egress",))], None, False),
        ([], None, False),
        ([rules()], {"endpointSelector": {}, "ingress": [{"fromCIDR": ["169.254.7.127/32"]}]}, False),
        ([rules()], {"endpointSelector": {}, "ingress": [{"fromCIDR": ["10.0.0.0/8"]}]}, True),
    ],
)
def test_probes_beside_cilium(world: Any, examine: Any, make: Any, specs: Any, wide: Any, found: bool) -> None:
    objects = [make("Namespace", "shop"), *policies_of(make, *specs)]
    kind = ("CiliumClusterwideNetworkPolicy", "probes")
    objects += [make(*kind, api_version="cilium.io/v2", spec=wide)] if wide else []
    agent = make("DaemonSet", "cilium", "kube-system", labels=CILIUM)

    report = examine(world(agent, *objects), "AMB0414", mesh=MESH)
    assert [finding.object for finding in report.findings] == (["Namespace shop"] if found else [])
    assert not examine(world(*objects), "AMB0414", mesh=MESH).findings
