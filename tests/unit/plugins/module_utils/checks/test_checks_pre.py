# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks before an installation, each on a cluster where it passes and on some where it does not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.rights import (
    LOOKED_AT,
    RIGHTS,
    needed,
    rights_suffice,
)
from ansible_collections.alauda.ambient.plugins.module_utils.checks.signals import MESHES
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.spec import (
    MeshSpec,
    NamespaceSpec,
    State,
    WaypointRef,
    WaypointSpec,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PLANNED = {"gateways.gateway.networking.k8s.io": "v1.6.0"}
GATEWAY_CRDS = ("gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants")
OURS = {"ambient.alauda.io/mesh": "default"}


GATEWAY = {"sidecar.istio.io/status": "{}", "inject.istio.io/templates": "gateway"}


def statuses(report: Any) -> dict[str, str]:
    return {result.check.code: result.status for result in report.results}


def only_finding(report: Any) -> Any:
    (finding,) = report.findings
    return finding


def gateway_crds(make: Any, bundle: str, **parts: Any) -> list[Any]:
    annotations = {"gateway.networking.k8s.io/bundle-version": bundle}
    return [
        make("CustomResourceDefinition", f"{plural}.gateway.networking.k8s.io", annotations=annotations, **parts)
        for plural in GATEWAY_CRDS
    ]


def test_an_empty_cluster_passes_everything_before_an_installation(world: Any, examine: Any) -> None:
    report = examine(world(), "cluster", "other-meshes", "own-installation")

    assert {code for code, status in statuses(report).items() if status != "pass"} == {"AMB0109", "AMB0112"}


@pytest.mark.parametrize("finished", [1, 2, 3, 4, 5])
def test_our_own_installation_is_never_foreign_however_far_it_got(
    world: Any, examine: Any, installation: Any, finished: int
) -> None:
    report = examine(world(*installation()[:finished]), "cluster", "other-meshes", "own-installation")

    assert {code for code, status in statuses(report).items() if status != "pass"} == {"AMB0109", "AMB0112"}
    note = next(result.detail for result in report.results if result.check.code == "AMB0301")
    assert note.startswith("complete" if finished >= 3 else "half-finished")


def test_what_an_uninstall_keeps_is_told_apart(world: Any, examine: Any, make: Any) -> None:
    crd = make("CustomResourceDefinition", "gateways.networking.istio.io", labels=OURS)
    report = examine(world(crd), "AMB0301")

    assert report.results[0].detail == "only CRDs or namespaces that an uninstall kept"


@pytest.mark.parametrize(
    ("version", "istio", "status"),
    [
        ("v1.32.0", "1.31.0", "pass"),
        ("v1.36.2+k3s1", "1.31.0", "pass"),
        ("v1.31.9", "1.31.0", "error"),
        ("v1.37.0", "1.31.0", "warning"),
        ("v1.34.4", "1.99.0", "error"),
        ("v1.34.4", "", "error"),
        ("unknown", "1.31.0", "error"),
    ],
)
def test_kubernetes_version(world: Any, examine: Any, version: str, istio: str, status: str) -> None:
    report = examine(world(version=version), "AMB0102", version=istio)

    assert statuses(report) == {"AMB0102": status}


def test_rights_of_someone_who_has_exactly_those_needed(world: Any, examine: Any) -> None:
    limited = world()
    limited.rights = {(verb, right.group, right.resource, right.namespace) for right in RIGHTS for verb in right.verbs}
    report = examine(limited, "AMB0103")

    assert only_finding(report).severity == "warning"
    assert "bind, escalate" in only_finding(report).message

    limited.rights.remove(("patch", "apps", "daemonsets", "ztunnel"))
    finding = examine(limited, "AMB0103").findings[0]
    assert (finding.severity, finding.object, finding.message) == (
        "error",
        "right on daemonsets.apps in ztunnel",
        "missing: patch",
    )


def test_rights_of_someone_who_has_none_are_told_in_few_findings(world: Any, examine: Any) -> None:
    nobody = world()
    nobody.rights = set()
    findings = examine(nobody, "AMB0103").findings

    assert len(findings) == 8
    assert [finding.severity for finding in findings].count("warning") == 1


def declared(count: int = 1) -> MeshSpec:
    """Namespaces that are strict and deny by default, with a waypoint in the first."""
    ref = WaypointRef("shop-0", "door")
    spaces = [
        NamespaceSpec(f"shop-{number}", State.L7, default_deny=True, waypoint=ref if number == 0 else None)
        for number in range(count)
    ]
    off = NamespaceSpec("old", State.OFF, mtls="strict")
    return MeshSpec(namespaces=(*spaces, off), waypoints=(WaypointSpec("door", "shop-0"),))


def test_rights_for_what_is_declared_are_asked_for_too(world: Any) -> None:
    limited = world()
    limited.rights = {
        (verb, right.group, right.resource, right.namespace) for right in (*RIGHTS, *LOOKED_AT) for verb in right.verbs
    }
    context = Context(Snapshot(limited), Wishes(mesh=declared(), version="1.31.0"))
    missing = {problem.object for problem in rights_suffice(context).problems if problem.severity is None}

    assert missing == {
        "right on gateways.gateway.networking.k8s.io in shop-0",
        "right on configmaps in shop-0",
        "right on peerauthentications.security.istio.io in shop-0",
        "right on authorizationpolicies.security.istio.io in shop-0",
    }
    assert needed(MeshSpec()) == RIGHTS


@pytest.mark.parametrize("mesh", [declared(), MeshSpec(waypoints=(WaypointSpec("door", "shop-0"),))])
def test_whoever_declares_something_may_list_all_that_the_phase_policies_reads(world: Any, mesh: MeshSpec) -> None:
    cluster = world()
    assert Context(Snapshot(cluster), Wishes(mesh=mesh, version="1.31.0")).policies.blind == {}
    kinds = {kind.lower() for kind, _namespace in cluster.lists}
    rights = {right.resource for right in needed(mesh) if "list" in right.verbs and right.namespace is None}

    assert {"authorizationpolicy", "statefulset", "wasmplugin"} < kinds
    assert {kind for kind in kinds if not {f"{kind}s", f"{kind[:-1]}ies"} & rights} == set()


def test_workloads_that_are_bound_ask_for_the_right_to_label_them() -> None:
    waypoint = {"name": "waypoint", "namespace": "shop", "for": "all"}
    account = {"name": "cart", "waypoint": "waypoint"}
    shop = {"name": "shop", "state": "l4", "service_accounts": [account]}
    added = {
        serves: {
            right.where
            for right in needed(parse_mesh({"waypoints": [waypoint | {"for": serves}], "namespaces": [shop]}))
        }
        for serves in ("all", "service")
    }

    assert added["all"] - added["service"] == {
        f"{resource}.apps in shop" for resource in ("deployments", "statefulsets", "daemonsets")
    }


def test_rights_in_many_namespaces_are_asked_for_once() -> None:
    added = set(needed(declared(300))) - set(RIGHTS) - set(LOOKED_AT)

    assert {right.where for right in added} == {
        "gateways.gateway.networking.k8s.io in shop-0",
        "configmaps in shop-0",
        "peerauthentications.security.istio.io",
        "authorizationpolicies.security.istio.io",
    }


class TestGatewayApi:
    def test_ours_may_stay_and_grow(self, world: Any, examine: Any, make: Any) -> None:
        crds = gateway_crds(make, "v1.5.1", labels=OURS)

        assert statuses(examine(world(*crds), "AMB0104", gateway_api_crds=PLANNED)) == {"AMB0104": "pass"}

    def test_ours_are_never_downgraded(self, world: Any, examine: Any, make: Any) -> None:
        crds = gateway_crds(make, "v1.7.0", labels=OURS)
        finding = only_finding(examine(world(*crds), "AMB0104", gateway_api_crds=PLANNED))

        assert finding.message == "bundle v1.7.0 is newer than v1.6.0, which would be installed"

    def test_those_of_others_are_never_adopted(self, world: Any, examine: Any, make: Any) -> None:
        crds = gateway_crds(make, "v1.6.0", labels={"app.kubernetes.io/managed-by": "envoy-gateway"})
        finding = only_finding(examine(world(*crds), "AMB0104"))

        assert finding.message == "5 Gateway API CRDs (bundle v1.6.0) belong to envoy-gateway"
        assert "ambient_gateway_api: require" in finding.hint

    def test_those_of_others_that_we_would_not_touch_are_no_matter(self, world: Any, examine: Any, make: Any) -> None:
        crds = [make("CustomResourceDefinition", "tcproutes.gateway.networking.k8s.io")]

        assert statuses(examine(world(*crds), "AMB0104", gateway_api_crds=PLANNED)) == {"AMB0104": "pass"}

    def test_those_of_others_serve_where_they_are_required(self, world: Any, examine: Any, make: Any) -> None:
        crds = gateway_crds(make, "v1.5.0")

        assert statuses(examine(world(*crds), "AMB0104", gateway_api="require")) == {"AMB0104": "pass"}

    def test_required_and_missing(self, world: Any, examine: Any, make: Any) -> None:
        crds = gateway_crds(make, "v1.6.0")[:3]
        finding = only_finding(examine(world(*crds), "AMB0104", gateway_api="require"))

        assert finding.message == "Gateway API CRDs are missing: httproutes, referencegrants"

    def test_required_and_too_old_for_what_nobody_has(self, world: Any, examine: Any, make: Any) -> None:
        crds = [*gateway_crds(make, "v1.4.1"), self.bundle(make, "udproutes", "v1.0.0")]

        assert statuses(examine(world(*crds), "AMB0104", gateway_api="require")) == {"AMB0104": "pass"}

    @staticmethod
    def bundle(make: Any, plural: str, version: str) -> Any:
        annotations = {"gateway.networking.k8s.io/bundle-version": version}
        return make("CustomResourceDefinition", f"{plural}.gateway.networking.k8s.io", annotations=annotations)

    @pytest.mark.parametrize(
        ("plural", "version", "severity"),
        [
            ("tlsroutes", "v1.4.1", "warning"),
            ("tlsroutes", "v1.5.0", ""),
            ("tcproutes", "v1.5.0", "warning"),
            ("listenersets", "v1.4.0", "warning"),
            ("backendtlspolicies", "v1.3.0", "warning"),
            ("grpcroutes", "v1.0.0", "error"),
        ],
    )
    @pytest.mark.parametrize("mode", ["install", "require"])
    def test_kinds_that_istiod_passes_over(
        self, world: Any, examine: Any, make: Any, plural: str, version: str, severity: str, mode: str
    ) -> None:
        mine = {"install": {"labels": OURS}, "require": {}}[mode]
        crds = [crd for crd in gateway_crds(make, "v1.6.0", **mine) if plural not in crd["metadata"]["name"]]
        old = self.bundle(make, plural, version)
        planned = {name: bundle for name, bundle in PLANNED.items() if mode == "install"}
        report = examine(world(*crds, old), "AMB0104", gateway_api=mode, gateway_api_crds=planned)

        assert [finding.severity for finding in report.findings] == ([severity] if severity else [])
        assert all(f"passes over all {plural} below v1" in finding.message for finding in report.findings)

    def test_routes_that_are_there_and_would_be_passed_over_refuse(self, world: Any, examine: Any, make: Any) -> None:
        crds = [*gateway_crds(make, "v1.4.1"), self.bundle(make, "tlsroutes", "v1.4.1")]
        routes = [make("TLSRoute", name, "shop", api_version="gateway.networking.k8s.io/v1alpha2") for name in "ab"]
        finding = only_finding(examine(world(*crds, *routes), "AMB0104", gateway_api="require"))

        assert (finding.severity, finding.object) == (
            "error",
            "CustomResourceDefinition tlsroutes.gateway.networking.k8s.io",
        )
        assert finding.message.endswith("without a word; 2 are there")
        tcp = self.bundle(make, "tcproutes", "v1.5.0")
        older = examine(world(*gateway_crds(make, "v1.5.0"), tcp), "AMB0104", gateway_api="require", version="1.30.4")
        assert not older.findings
        blind = examine(world(*crds, *routes, denied=("TLSRoute",)), "AMB0104", gateway_api="require")
        assert only_finding(blind).severity == "warning"

    def test_what_would_be_installed_is_not_too_old(self, world: Any, examine: Any, make: Any) -> None:
        planned = {"gateways.gateway.networking.k8s.io": "v1.4.0", "tlsroutes.gateway.networking.k8s.io": "v1.4.0"}
        finding = only_finding(examine(world(), "AMB0104", gateway_api_crds=planned))

        assert finding.message.startswith("bundle v1.4.0, which would be installed, is too old")
        assert finding.hint == "Point ambient_gateway_api_crds at CRDs of v1.5.0 or newer"
        better = dict.fromkeys(planned, "v1.6.0")
        replaced = self.bundle(make, "tlsroutes", "v1.4.0")
        replaced["metadata"]["labels"] = OURS
        assert not examine(world(replaced), "AMB0104", gateway_api_crds=better).findings


def service(namespace: str, name: str) -> dict[str, Any]:
    return {"service": {"namespace": namespace, "name": name}}


def planted(make: Any) -> dict[str, tuple[list[Any], list[Any], list[Any]]]:
    """For each code the objects of that mesh when it runs, when it idles, and what it leaves behind."""

    def deployment(name: str, namespace: str, ready: int, **labels: str) -> Any:
        status = {"readyReplicas": ready} if ready else {}
        return make("Deployment", name, namespace, labels=labels, spec={"replicas": 1}, status=status)

    def daemons(name: str, namespace: str, ready: int, **labels: str) -> Any:
        return make(
            "DaemonSet", name, namespace, labels=labels, status={"numberReady": ready, "desiredNumberScheduled": 2}
        )

    def hook(name: str, webhook: str, target: Any) -> Any:
        return make("MutatingWebhookConfiguration", name, webhooks=[{"name": webhook, "clientConfig": target}])

    def endpoints(namespace: str, service_name: str, ready: bool) -> Any:
        return make(
            "EndpointSlice",
            f"{service_name}-x",
            namespace,
            labels={"kubernetes.io/service-name": service_name},
            endpoints=[{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
        )

    def crd(name: str) -> Any:
        return make("CustomResourceDefinition", name)

    injector = hook(
        "istio-sidecar-injector", "rev.namespace.sidecar-injector.istio.io", service("istio-system", "istiod")
    )
    sail = crd("istios.sailoperator.io")
    smcp = crd("servicemeshcontrolplanes.maistra.io")
    consul = {"app": "consul", "component": "connect-injector"}
    return {
        "AMB0201": (
            [deployment("asm-controller", "cpaas-system", 1)],
            [crd("servicemeshes.asm.alauda.io"), make("ServiceMesh", "m", "x", api_version="asm.alauda.io/v1alpha1")],
            [crd("servicemeshes.asm.alauda.io")],
        ),
        "AMB0202": (
            [deployment("servicemesh-operator2", "sail-operator", 1)],
            [sail, make("Istio", "default", api_version="sailoperator.io/v1")],
            [sail],
        ),
        "AMB0203": (
            [deployment("istiod-1-22", "mesh-a", 1, app="istiod")],
            [deployment("istiod", "istio-system", 0, app="istiod")],
            [],
        ),
        "AMB0204": (
            [injector, endpoints("istio-system", "istiod", True)],
            [injector, endpoints("istio-system", "istiod", False)],
            [],
        ),
        "AMB0205": (
            [daemons("ztunnel", "istio-system", 2, app="ztunnel")],
            [daemons("istio-cni-node", "kube-system", 0)],
            [],
        ),
        "AMB0206": (
            [deployment("istio-operator", "openshift-operators", 1)],
            [smcp, make("ServiceMeshControlPlane", "basic", "a", api_version="maistra.io/v2")],
            [smcp],
        ),
        "AMB0207": (
            [deployment("linkerd-destination", "linkerd", 1)],
            [
                hook(
                    "linkerd-proxy-injector-webhook-config",
                    "linkerd-proxy-injector.linkerd.io",
                    service("linkerd", "x"),
                )
            ],
            [crd("serviceprofiles.linkerd.io"), crd("servers.policy.linkerd.io")],
        ),
        "AMB0208": (
            [deployment("c-consul-connect-injector", "consul", 1, **consul)],
            [deployment("c-consul-connect-injector", "consul", 0, **consul)],
            [crd("servicedefaults.consul.hashicorp.com")],
        ),
        "AMB0209": (
            [deployment("kuma-control-plane", "kuma-system", 1)],
            [deployment("kong-mesh-control-plane", "kong-mesh-system", 0, app="kuma-control-plane")],
            [crd("meshes.kuma.io")],
        ),
        "AMB0210": ([], [], [crd("virtualservices.networking.istio.io")]),
        "AMB0211": (
            [],
            [
                crd("controlplanerevisions.mesh.cloud.google.com"),
                make(
                    "ControlPlaneRevision",
                    "asm-managed",
                    "istio-system",
                    api_version="mesh.cloud.google.com/v1beta1",
                ),
            ],
            [crd("controlplanerevisions.mesh.cloud.google.com")],
        ),
        "AMB0212": (
            [deployment("istiod-asm-1-24", "aks-istio-system", 1, app="istiod")],
            [deployment("istiod-asm-1-24", "aks-istio-system", 0, app="istiod")],
            [],
        ),
        "AMB0213": (
            [],
            [
                crd("servicemeshes.istio.alibabacloud.com"),
                make("ServiceMesh", "m", "x", api_version="istio.alibabacloud.com/v1beta1"),
            ],
            [crd("servicemeshes.istio.alibabacloud.com")],
        ),
        "AMB0214": (
            [],
            [crd("istios.operator.tigera.io"), make("Istio", "default", api_version="operator.tigera.io/v1")],
            [],
        ),
        "AMB0215": (
            [deployment("osm-controller", "osm-system", 1)],
            [deployment("osm-injector", "osm-system", 0)],
            [crd("meshconfigs.config.openservicemesh.io")],
        ),
        "AMB0216": (
            [deployment("nginx-mesh-controller", "nginx-mesh", 1)],
            [deployment("nginx-mesh-controller", "nginx-mesh", 0)],
            [],
        ),
        "AMB0217": (
            [deployment("appmesh-controller", "appmesh-system", 1)],
            [deployment("appmesh-controller", "appmesh-system", 0)],
            [crd("virtualnodes.appmesh.k8s.aws")],
        ),
        "AMB0218": (
            [daemons("traefik-mesh-proxy", "traefik-mesh", 2)],
            [deployment("traefik-mesh-controller", "traefik-mesh", 0)],
            [],
        ),
    }


CODES = [mesh.code for mesh in MESHES]


@pytest.mark.parametrize("code", CODES)
def test_a_running_or_idle_mesh_refuses_and_is_named(world: Any, examine: Any, make: Any, code: str) -> None:
    running, idle, _traces = planted(make)[code]
    for objects, word in ((running, "is running"), (idle, "is i")):
        if objects:
            report = examine(world(*objects), "other-meshes")
            found = [finding for finding in report.findings if finding.code == code]
            assert found, code
            assert {finding.severity for finding in found} == {"error"}
            assert any(word in finding.message for finding in found)


@pytest.mark.parametrize("code", CODES)
def test_traces_are_told_without_refusing(world: Any, examine: Any, make: Any, code: str) -> None:
    traces = planted(make)[code][2]
    if traces:
        finding = only_finding(examine(world(*traces), "other-meshes"))
        assert finding.code == code
        assert "left traces: CRDs" in finding.message
        assert finding.severity == ("error" if code == "AMB0201" else "warning")


def test_every_mesh_of_the_table_has_its_signs(make: Any) -> None:
    assert set(planted(make)) == set(CODES)
    assert all(any(signs) for signs in planted(make).values())


WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
KINDS = (
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "EndpointSlice",
    "Istio",
    "Namespace",
    "Pod",
    "ServiceMesh",
)
DENIABLE = (*KINDS, *WEBHOOKS, "Subscription")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mixture_of_signs_crashes_it_or_passes_a_running_mesh(
    world: Any, examine: Any, make: Any, installation: Any, data: st.DataObject
) -> None:
    """Signs of any meshes in any grade, some of them torn apart, and any rights: what runs is an error or unseen."""
    signs = planted(make)
    chosen = data.draw(st.lists(st.sampled_from(CODES), unique=True))
    objects = [obj for code in chosen for obj in data.draw(st.sampled_from(signs[code]))]
    torn = data.draw(st.sets(st.integers(0, max(len(objects) - 1, 0)))) if objects else set()
    objects = [obj for index, obj in enumerate(objects) if index not in torn]
    proxies = data.draw(st.sets(st.sampled_from(["sidecar.istio.io/status", "linkerd.io/proxy-version"])))
    pods = [make("Pod", f"p{n}", "shop", annotations={key: "x"}) for n, key in enumerate(sorted(proxies))]
    denied = tuple(data.draw(st.sets(st.sampled_from(DENIABLE))))
    ours = data.draw(st.integers(0, 5))

    cluster = world(*installation()[:ours], *data.draw(st.permutations([*objects, *pods])), denied=denied)
    found = statuses(examine(cluster, "other-meshes"))

    running = [code for code in chosen if signs[code][0] and all(obj in objects for obj in signs[code][0])]
    for code in running:
        kinds = {obj["kind"] for obj in signs[code][0]} - {"EndpointSlice"}
        assert found[code] in (("error", "skipped") if kinds & set(denied) else ("error",)), code
    if pods and "linkerd.io/proxy-version" in proxies:
        assert found["AMB0219"] in (("skipped",) if "Pod" in denied else ("error",))


def test_look_alikes_do_not_trip_it(world: Any, examine: Any, make: Any) -> None:
    objects = [
        make("CustomResourceDefinition", "istios.operator.tigera.io"),
        make("CustomResourceDefinition", "asms.example.com"),
        make("CustomResourceDefinition", "gateways.gateway.networking.k8s.io"),
        make("Deployment", "istiod-asm-1-24", "shop", status={"readyReplicas": 1}),
        make("Pod", "web", "shop", spec={"containers": [{"name": "istio-proxy"}]}),
        make("Pod", "edge", "shop", annotations=GATEWAY),
        make("Namespace", "shop", labels={"istio-injection": "disabled", "istio.io/dataplane-mode": "ambient"}),
        make("Deployment", "asm-controller", "shop", status={"readyReplicas": 1}),
        make("Deployment", "istio-operator", "shop", status={"readyReplicas": 1}),
        make("Deployment", "istiod-exporter", "monitoring", labels={"app": "istiod-exporter"}),
        make(
            "MutatingWebhookConfiguration",
            "cert-manager-webhook",
            webhooks=[{"name": "webhook.cert-manager.io", "clientConfig": service("cert-manager", "w")}],
        ),
    ]

    assert examine(world(*objects), "other-meshes").findings == []


def test_a_webhook_that_cannot_be_followed_counts_as_alive(world: Any, examine: Any, make: Any) -> None:
    running, _idle, _traces = planted(make)["AMB0204"]
    finding = only_finding(examine(world(*running, denied=("EndpointSlice",)), "AMB0204"))
    assert "for all that is known (no right to list EndpointSlice)" in finding.message

    remote = make(
        "MutatingWebhookConfiguration",
        "istio-sidecar-injector",
        webhooks=[{"name": "object.sidecar-injector.istio.io", "clientConfig": {"url": "https://istiod.example"}}],
    )
    finding = only_finding(examine(world(remote), "AMB0204"))
    assert "is running: webhook object.sidecar-injector.istio.io calls https://istiod.example" in finding.message


def test_a_foreign_mesh_beside_our_half_finished_one_is_still_seen(
    world: Any, examine: Any, make: Any, installation: Any
) -> None:
    other = make("Deployment", "istiod", "istio-other", labels={"app": "istiod"}, status={"readyReplicas": 1})
    report = examine(world(*installation()[:2], other), "other-meshes")

    assert only_finding(report).object == "Deployment istio-other/istiod"


def test_another_mesh_of_ours_and_another_version_refuse(world: Any, examine: Any, installation: Any) -> None:
    finding = only_finding(examine(world(*installation(mesh="blue")), "AMB0302"))
    assert finding.message == "belongs to mesh blue, not to default"

    findings = examine(world(*installation(version="1.30.2")), "AMB0303").findings
    assert [finding.object.split("/")[-1] for finding in findings] == ["istiod", "istio-cni-node", "ztunnel"]
    assert findings[0].message == "runs version 1.30.2, ambient_version asks for 1.31.0"


def test_the_add_on_of_aks_is_reported_once(world: Any, examine: Any, make: Any) -> None:
    running = planted(make)["AMB0212"][0]

    assert only_finding(examine(world(*running), "other-meshes")).code == "AMB0212"


def test_what_may_not_be_seen_hides_nothing_that_is_seen(world: Any, examine: Any, make: Any) -> None:
    running, (crd, instance), _traces = planted(make)["AMB0202"]
    report = examine(world(*running, crd, instance, denied=("Istio", "IstioCNI", "ZTunnel")), "AMB0202")
    assert "is running" in only_finding(report).message

    daemons = planted(make)["AMB0218"][0]
    assert "is running" in only_finding(examine(world(*daemons, denied=("Deployment",)), "AMB0218")).message

    hidden = examine(world(crd, instance, denied=("Istio", "IstioCNI", "ZTunnel")), "AMB0202")
    assert statuses(hidden) == {"AMB0202": "skipped"}


def test_validating_webhooks_are_followed_too(world: Any, examine: Any, make: Any) -> None:
    hook = {"name": "rev.validation.istio.io", "clientConfig": service("istio-system", "istiod")}
    validator = make("ValidatingWebhookConfiguration", "istiod-default-validator", webhooks=[hook])

    finding = only_finding(examine(world(validator), "other-meshes"))
    assert (finding.code, finding.severity) == ("AMB0203", "error")
    assert "is installed but idle: webhook rev.validation.istio.io" in finding.message


def test_pods_with_a_foreign_proxy_are_counted(world: Any, examine: Any, make: Any, installation: Any) -> None:
    istio = [make("Pod", f"web-{n}", "shop", annotations={"sidecar.istio.io/status": "{}"}) for n in range(3)]
    kuma = make("Pod", "db", "data", annotations={"kuma.io/sidecar-injected": "true"})
    findings = examine(world(*istio, kuma), "AMB0219").findings

    assert [(finding.severity, finding.object, finding.message) for finding in findings] == [
        ("error", "Namespace data", "1 pod has a proxy of Kuma (counted by annotation kuma.io/sidecar-injected)"),
        ("error", "Namespace shop", "3 pods have a proxy of Istio (counted by annotation sidecar.istio.io/status)"),
    ]
    beside_ours = examine(world(*installation(), *istio, kuma), "AMB0219")
    assert only_finding(beside_ours).object == "Namespace data"
    assert statuses(examine(world(kuma, denied=("Pod",)), "AMB0219")) == {"AMB0219": "skipped"}


def test_namespaces_that_ask_for_a_foreign_proxy_are_told(world: Any, examine: Any, make: Any) -> None:
    asking = [make("Namespace", f"n{n}", labels={"istio-injection": "enabled"}) for n in range(6)]
    linkerd = make("Namespace", "shop", annotations={"linkerd.io/inject": "enabled"})
    findings = examine(world(*asking, linkerd), "AMB0220").findings

    assert [(finding.severity, finding.message) for finding in findings] == [
        ("warning", "istio-injection asks for the proxy of another mesh, on n0, n1, n2, n3, n4 and 1 more"),
        ("warning", "linkerd.io/inject asks for the proxy of another mesh, on shop"),
    ]
