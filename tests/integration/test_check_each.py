# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each check on a real API server: with something good planted it passes, with the bad beside it, it finds it."""

from __future__ import annotations

import copy
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.table import CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from check_plants import CONTAINERS, OURS, PLANTS, Object, crd, plain, planted, workload
from planted import status_of

OWN_APISERVER = True  # the checks look at the whole cluster

Run = Callable[..., dict[str, Any]]

BASE = {"version": "1.31.0", "gateway_api": "install", "fail_on": "never", "phase": [phase.value for phase in Phase]}
MODE = "istio.io/dataplane-mode"
AMBIENT = {MODE: "ambient"}
SHOP = {"mesh": {"namespaces": [{"name": "shop", "state": "l4"}]}}
BUNDLE = {
    "api-approved.kubernetes.io": "unapproved, a test",
    "gateway.networking.k8s.io/bundle-version": "v1.4.1",
}
GATEWAY_API = "gateway.networking.k8s.io"
SIDECAR = {"sidecar.istio.io/status": "{}"}
LINKERD = {"linkerd.io/proxy-version": "edge"}
CAPTURED = {"ambient.istio.io/redirection": "enabled"}
ENDED, RUNS = {"phase": "Succeeded"}, {"phase": "Running"}
READY = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}
SCHEDULED = dict.fromkeys(("currentNumberScheduled", "desiredNumberScheduled", "numberReady"), 1)
CILIUM, CALICO = "cilium.io", "crd.projectcalico.org"


@dataclass(frozen=True)
class Row:
    """What is planted where a check passes, and what where it finds something; options as the module has them.

    Attributes:
        bad_options: where the options make the difference.
        severity: of the finding.
    """

    code: str
    words: str
    bad: tuple[Object, ...] = ()
    good: tuple[Object, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    bad_options: dict[str, Any] = field(default_factory=dict)
    severity: str = "error"


def space(name: str = "shop", **labels: str) -> Object:
    return plain("Namespace", name, labels=labels)


def pod(status: Object, labels: Any = None, annotations: Any = None, **spec: Any) -> Object:
    content = {"containers": CONTAINERS, **spec}
    marks = {"labels": labels or {}, "annotations": annotations or {}}
    return plain("Pod", "web", namespace="shop", spec=content, status=status, **marks)


def network_policy(direction: str, port: int, peers: list[Object]) -> Object:
    side = {"Ingress": "from", "Egress": "to"}[direction]
    rule = {side: peers, "ports": [{"port": port}]}
    spec = {"podSelector": {}, "policyTypes": [direction], direction.lower(): [rule]}
    return plain("NetworkPolicy", "narrow", "networking.k8s.io/v1", "shop", spec=spec)


def component(kind: str, name: str, where: str, status: Object, image: str = "x", **labels: str) -> Object:
    obj = workload(kind, name, **labels)
    obj["metadata"]["namespace"] = where
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
    zero = {"numberMisscheduled": 0} if kind == "DaemonSet" else {}
    return {**obj, "status": {**zero, **status}} if status else obj


def gateway(name: str) -> tuple[Object, ...]:
    spec = {"gatewayClassName": name, "listeners": []}
    definition = crd("gateways", GATEWAY_API, "Gateway", labels=OURS, annotations=BUNDLE)
    definition["spec"]["scope"] = "Namespaced"
    return (definition, plain("Gateway", "it", f"{GATEWAY_API}/v1", "shop", spec=spec))


def policy_of(kind: str, plural: str, group: str, version: str, **spec: Any) -> tuple[Object, ...]:
    return (crd(plural, group, kind, version), plain(kind, "narrow", f"{group}/{version}", spec=spec))


def cni(version: str, status: Object) -> Object:
    image = f"r.invalid/install-cni:{version}"
    return component("DaemonSet", "istio-cni-node", "istio-cni", status, image, **{"k8s-app": "istio-cni-node"})


ISTIOD = {"app": "istiod"}
WIDE = ("CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies", CILIUM, "v2")
GLOBAL = ("GlobalNetworkPolicy", "globalnetworkpolicies", CALICO, "v1")
ROOT_CERT = plain("ConfigMap", "istio-ca-root-cert", namespace="shop", labels={"istio.io/config": "true"})
OTHER_CERT = plain("ConfigMap", "istio-ca-root-cert", namespace="shop")
TLS_ROUTES = crd("tlsroutes", GATEWAY_API, "TLSRoute", "v1alpha2", labels=OURS, annotations=BUNDLE)
TLS_ROUTE = plain("TLSRoute", "old", f"{GATEWAY_API}/v1alpha2", spec={})
IN_SHOP: list[Object] = [{"podSelector": {}}]
OLD = {**OURS, "app.kubernetes.io/version": "1.30.0"}
NEW = {**OURS, "app.kubernetes.io/version": "1.31.0"}
ROWS = (
    Row("AMB0102", "is not one that this collection knows", bad_options={"version": "1.99.0"}),
    Row("AMB0104", "without a word; 1 are there", (TLS_ROUTES, TLS_ROUTE)),
    Row("AMB0104", "passes over all tlsroutes below v1.5.0", (TLS_ROUTES,), severity="warning"),
    Row("AMB0106", "istio/istio 60544", bad_options={"version": "1.30.1"}, severity="warning"),
    Row("AMB0210", "left traces", (crd("virtualservices", "networking.istio.io", "VirtualService"),),
        (crd("virtualservices", "networking.istio.io", "VirtualService", labels=OURS),), severity="warning"),
    Row("AMB0219", "1 pod has a proxy of Istio", (pod(RUNS, None, SIDECAR),), (pod(ENDED, None, SIDECAR),)),
    Row("AMB0220", "asks for the proxy of another mesh", (space(**{"istio-injection": "enabled"}),),
        (space(**{"istio-injection": "disabled"}),), severity="warning"),
    Row("AMB0225", "left in 1 namespace: shop", (ROOT_CERT,), (OTHER_CERT,), severity="warning"),
    Row("AMB0303", "runs version 1.30.0", (component("DaemonSet", "ztunnel", "ztunnel", {}, **OLD),),
        (component("DaemonSet", "ztunnel", "ztunnel", {}, **NEW),)),
    Row("AMB0402", "label mesh is 'green'", (space(mesh="green"),), (space(mesh="blue"),),
        {**SHOP, "discovery_selectors": [{"matchLabels": {"mesh": "blue"}}]}),
    Row("AMB0403", "they win over ambient", (space(**{"istio-injection": "enabled"}),),
        (space(**{"istio-injection": "disabled"}),), SHOP),
    Row("AMB0403", "has a sidecar or asks for one", (pod(RUNS, None, SIDECAR),), (pod(ENDED, None, SIDECAR),), SHOP),
    Row("AMB0404", "would capture the node's traffic", (pod(RUNS, hostNetwork=True),), (pod(RUNS),),
        {**SHOP, "version": "1.30.3"}),
    Row("AMB0405", "is enrolled by tests, not by ambient_mesh", (space(**AMBIENT),), (space(**{MODE: "none"}),),
        severity="info"),
    Row("AMB0407", "admits callers to 1 of its 1 pods", (pod(RUNS), network_policy("Ingress", 8080, IN_SHOP)),
        (pod(RUNS), network_policy("Ingress", 15008, IN_SHOP)), SHOP),
    Row("AMB0407", "lets 1 of its 1 pods call others", (pod(RUNS), network_policy("Egress", 8080, IN_SHOP)),
        (pod(RUNS), network_policy("Egress", 15008, IN_SHOP)), SHOP),
    Row("AMB0408", "restricts ingress in the whole cluster", policy_of(*WIDE, ingress=[{"fromCIDR": ["10.0.0.0/8"]}]),
        policy_of(*WIDE, ingress=[{"fromCIDR": ["169.254.7.127/32"]}]), SHOP, severity="warning"),
    Row("AMB0408", "restricts ingress in the whole cluster", policy_of(*GLOBAL, types=["Ingress"]),
        policy_of(*GLOBAL, types=["Egress"]), SHOP, severity="warning"),
    Row("AMB0411", "1 pod has a sidecar of Linkerd", (pod(RUNS, None, LINKERD),), (pod(ENDED, None, LINKERD),), SHOP),
    Row("AMB0412", "it belongs to the platform", (space("openshift-logging", **AMBIENT),), (space(**AMBIENT),)),
    Row("AMB0413", "asks for sidecars", (space(**AMBIENT, **{"istio-injection": "enabled"}),), (space(**AMBIENT),),
        severity="info"),
    Row("AMB0414", "the probes of captured pods fail",
        (workload("DaemonSet", "cilium", **{"k8s-app": "cilium"}), network_policy("Ingress", 15008, IN_SHOP)),
        (workload("DaemonSet", "cilium", **{"k8s-app": "cilium"}), network_policy("Ingress", 15008, [])), SHOP,
        severity="warning"),
    Row("AMB0501", "0 of 1 ready", (component("Deployment", "istiod", "istio-system", {}, **ISTIOD),),
        (component("Deployment", "istiod", "istio-system", READY, **ISTIOD),)),
    Row("AMB0501", "is not there", (), (component("Deployment", "istiod", "istio-system", READY, **ISTIOD),)),
    Row("AMB0502", "only 0 of 1 ready", (cni("1.31.0", {**SCHEDULED, "numberReady": 0}),), (cni("1.31.0", SCHEDULED),)),
    Row("AMB0503", "is not there", (), (component("DaemonSet", "ztunnel", "ztunnel", SCHEDULED, app="ztunnel"),)),
    Row("AMB0506", "may be paired with the network of another", (cni("1.30.3", {}),), (cni("1.30.4", {}),),
        severity="warning"),
    Row("AMB0601", "has enrolled pods", (pod(RUNS, None, CAPTURED),), (pod(ENDED, None, CAPTURED),)),
    Row("AMB0602", "has the label", (space(**AMBIENT),), (space(**{MODE: "none"}),)),
    Row("AMB0603", "is a waypoint", gateway("istio-waypoint"), gateway("istio")),
)  # fmt: skip
#: Code → the test that shows it on a real API server.
ELSEWHERE = {
    "AMB0101": "test_check: test_an_error_is_one_clear_line",
    "AMB0103": "test_check: test_whoever_has_no_rights_is_told_so_and_passes_nothing",
    "AMB0108": "test_check: test_room_and_nodes_are_measured_by_what_is_to_be_installed",
    "AMB0109": "nothing shows it: the API does not tell",
    "AMB0110": "test_check: test_room_and_nodes_are_measured_by_what_is_to_be_installed",
    "AMB0112": "here: test_images_that_a_registry_has_or_lacks",
    "AMB0301": "test_check: test_what_carries_our_label_is_ours",
    "AMB0401": "test_check: test_namespaces_and_who_holds_their_labels",
    "AMB0406": "test_check: test_namespaces_and_who_holds_their_labels",
    "AMB0409": "test_check_mesh: test_a_pod_that_bypasses_the_mesh",
    "AMB0410": "test_check_mesh: test_the_selectors_of_their_istiod",
    "AMB0504": "test_check_mesh: test_a_mesh_that_is_not_well",
    "AMB0505": "test_check_mesh: test_a_mesh_that_is_not_well",
    "AMB0507": "test_check_mesh: test_a_mesh_that_is_not_well",
    "AMB0604": "test_check_mesh: test_finalizers_of_an_operator_that_is_gone",
    **{
        check.code: "test_check_policies: test_the_bad_is_found_and_the_good_passes"
        for check in CHECKS
        if check.phases == (Phase.POLICIES,)
    },
}


def test_every_check_has_its_fixture() -> None:
    shown = {row.code for row in ROWS} | set(PLANTS)
    assert {check.code for check in CHECKS} == shown | set(ELSEWHERE)
    assert not shown & set(ELSEWHERE)
    here = Path(__file__).parent
    for place in ELSEWHERE.values():
        module, _colon, test = place.partition(": ")
        if test.startswith("test_"):
            file = here / f"{'test_check_each' if module == 'here' else module}.py"
            assert f"def {test}(" in file.read_text()


@pytest.fixture(scope="module", autouse=True)
def _namespaces(client: Client) -> None:
    """No controller takes a namespace away here, so that they stay, and only their labels change."""
    for name in ("istio-cni", "istio-system", "openshift-logging", "shop", "ztunnel"):
        client.apply(space(name), "tests")


@contextmanager
def there(client: Client, objects: tuple[Object, ...]) -> Iterator[None]:
    """Plant objects with their status; a namespace gets its labels and loses them again."""
    spaces = [obj for obj in objects if obj["kind"] == "Namespace"]
    others = [copy.deepcopy(obj) for obj in objects if obj["kind"] != "Namespace"]
    statuses = [obj.pop("status", None) for obj in others]
    with ExitStack() as stack:
        for obj in spaces:
            client.apply(obj, "tests")
            stack.callback(client.apply, space(obj["metadata"]["name"]), "tests")
        stack.enter_context(planted(client, others))
        for obj, status in zip(others, statuses, strict=True):
            if status:
                status_of(client, obj, **status)
        yield


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code} {row.words[:20]}")
def test_the_good_passes_and_the_bad_is_found(run_module: Run, client: Client, row: Row) -> None:
    only = {**BASE, **row.options, "only": [row.code]}
    with there(client, row.good):
        good = run_module("check", only)
    with there(client, row.bad):
        bad = run_module("check", {**only, **row.bad_options})

    assert [check["status"] for check in good["checks"]] == ["pass"], good
    assert [check["status"] for check in bad["checks"]] == [row.severity], bad
    assert any(row.words in finding["message"] for finding in bad["findings"]), bad["findings"]


class _Registry(http.server.BaseHTTPRequestHandler):
    """Knows one image."""

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/v2/mesh/ztunnel/manifests/1.31.0" else 404)
        self.end_headers()

    def log_message(self, *dummy: object) -> None:
        """Quiet."""


@pytest.fixture
def registry() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_images_that_a_registry_has_or_lacks(run_module: Run, client: Client, registry: str, tmp_path: Path) -> None:
    file = tmp_path / "ztunnel.json"

    def look(image: str) -> Any:
        agent = component("DaemonSet", "ztunnel", "ztunnel", {}, image, **OURS)
        file.write_text(json.dumps({"role": "ztunnel", "items": [{"object": agent}]}))
        result = run_module("check", {**BASE, "only": ["AMB0112"], "files": [str(file)]})
        return result["checks"][0]["status"], result["checks"][0]["detail"], result["findings"]

    status, detail, findings = look(f"{registry}/mesh/ztunnel:1.31.0")
    assert (status, detail, findings) == ("pass", "in their registries", [])
    status, _detail, (finding,) = look(f"{registry}/mesh/ztunnel:1.30.0")
    assert (status, finding["object"]) == ("error", f"image {registry}/mesh/ztunnel:1.30.0")
    assert finding["message"] == "the registry does not have it"
    status, detail, _findings = look("127.0.0.1:1/mesh/ztunnel:1.31.0")
    assert (status, detail) == ("skipped", "from here no registry tells about 127.0.0.1:1/mesh/ztunnel:1.31.0")
    images = {"images": [{"names": ["none.invalid/ztunnel:1"], "sizeBytes": 1}]}
    with there(client, (plain("Node", "one", status=images),)):
        status, detail, _findings = look("none.invalid/ztunnel:1")
    assert (status, detail) == ("pass", "on every node")
