# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The passive verifications of what is declared: STRICT, policies, waypoints, lock-down, and ztunnel's word for it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.verify import (
    declared_facts,
    facts,
    passive_policies,
    passive_waypoints,
    run,
)
from ansible_collections.alauda.ambient.plugins.module_utils.verify.declared import Declared
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import Checked, Seen
from ansible_collections.alauda.ambient.plugins.module_utils.verify.verdict import run as judge_all
from ansible_collections.alauda.ambient.plugins.module_utils.verify.ztunnel import NO_PATH, NO_POLICY
from unit.plugins.module_utils.verify.verify_cluster import World
from unit.plugins.module_utils.verify.verify_world import STAND_IN_IMAGE, enrolled, entry, pod, sound, spiffe

CHECKS = (*passive_policies.CHECKS, *passive_waypoints.CHECKS)
MESH = {
    "waypoints": [{"name": "waypoint", "namespace": "shop"}],
    "namespaces": [{"name": "shop", "state": "l7", "default_deny": True}, {"name": "old", "state": False}],
}
WAYPOINT = "cluster.local/ns/shop/sa/waypoint"


def obj(kind: str, name: str, spec: Any = None, *conditions: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2030-01-01T00:00:00Z", **meta},
        "spec": spec or {},
        "status": {"conditions": list(conditions)},
    }


def says(kind: str, status: str = "True", reason: str = "Accepted", message: str = "", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message, **more}


def peer(name: str, mode: str, selector: Any = None, **meta: Any) -> dict[str, Any]:
    more = {"selector": {"matchLabels": selector}} if selector else {}
    return obj("PeerAuthentication", name, {"mtls": {"mode": mode}, **more}, **meta)


def policy(name: str, spec: Any = None, *conditions: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return obj("AuthorizationPolicy", name, spec, *(conditions or (says("ZtunnelAccepted"),)), **meta)


def only(*principals: str, selector: Any = None, name: str = "ambient-only-waypoint-1a2b") -> dict[str, Any]:
    spec: dict[str, Any] = {"action": "DENY", "rules": [{"from": [{"source": {"notPrincipals": list(principals)}}]}]}
    return policy(name, {**spec, **({"selector": {"matchLabels": selector}} if selector else {})})


def service(name: str = "cart", message: str = "Successfully attached to waypoint shop/waypoint", **meta: Any) -> Any:
    bound = says("istio.io/WaypointBound", "True", "WaypointAccepted", message)
    return obj("Service", name, {"selector": {"app": name}}, *([bound] if message else []), **meta)


def gateway(kind: str = "istio-waypoint", programmed: str = "True", **meta: Any) -> dict[str, Any]:
    found = says("Programmed", programmed, "Programmed", "address assigned")
    return {**obj("Gateway", "waypoint", {"gatewayClassName": kind}, found, **meta)}


def envoy(**changes: Any) -> dict[str, Any]:
    return pod("shop", "waypoint-1", labels={"gateway.networking.k8s.io/gateway-name": "waypoint"}, **changes)


def app(name: str, node: str) -> dict[str, Any]:
    return enrolled("shop", name, node, labels={"app": name})


def dump(**changes: Any) -> dict[str, Any]:
    """What a real ztunnel knows."""
    strict = ["istio-system/istio_converted_static_strict"]
    return {
        "certificates": [],
        "services": [
            {
                "name": "cart",
                "namespace": "shop",
                "hostname": "cart.shop.svc.cluster.local",
                "waypoint": {"destination": "/10.0.0.9"},
            },
            {"name": "waypoint", "namespace": "shop", "hostname": "waypoint.shop.svc", "vips": ["/10.0.0.9"]},
        ],
        "workloads": [
            {"uid": f"Kubernetes//Pod/shop/{name}", "authorizationPolicies": strict} for name in ("cart", "till")
        ],
        "policies": [
            {"namespace": "shop", "name": name} for name in ("ambient-default-deny", "ambient-only-waypoint-1a2b")
        ],
        **changes,
    }


AT_WAYPOINT = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}]}
POLICIES = [
    policy("ambient-default-deny"),
    policy("ambient-default-deny-waypoint", AT_WAYPOINT, says("WaypointAccepted")),
    only(WAYPOINT),
]


def judge(mesh: Any = None, **changes: Any) -> dict[str, Checked]:
    parts: dict[str, Any] = {
        "declared": Declared.of(parse_mesh(mesh or MESH)),
        "pods": Seen([app("cart", "node-a"), app("till", "node-b")]),
        "peers": Seen([peer("ambient-strict", "STRICT")]),
        "policies": Seen(POLICIES),
        "services": Seen([service()]),
        "gateways": Seen([gateway()]),
        "waypoint_pods": Seen([envoy()]),
        "dumps": Seen({"node-a": Seen(dump()), "node-b": Seen(dump())}),
    }
    return {item.id: item for item in judge_all(CHECKS, sound(**{**parts, **changes}))}


def dumps(**changes: Any) -> dict[str, Any]:
    return {"dumps": Seen({"node-a": Seen(dump(**changes))})}


SELF = {"namespace": "shop", "name": "cart"}
UNSUPPORTED = says("istio.io/WaypointBound", "False", "UnsupportedTrafficType", "does not support service")

# id of the check -> what breaks its subject, and a word of the evidence
BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("mtls-strict", {"peers": Seen([])}, "shop: there is no PeerAuthentication ambient-strict"),
    ("mtls-strict", {"peers": Seen([peer("ambient-strict", "PERMISSIVE")])}, "is not STRICT for all pods"),
    ("mtls-strict", {"peers": Seen([peer("ambient-strict", "STRICT", {"app": "cart"})])}, "is not STRICT for all pods"),
    (
        "mtls-strict",
        {"peers": Seen([peer("ambient-strict", "STRICT"), peer("legacy", "DISABLE", creationTimestamp="2029")])},
        "PeerAuthentication legacy (DISABLE) is older and wins",
    ),
    ("default-deny", {"policies": Seen(POLICIES[1:])}, "no AuthorizationPolicy ambient-default-deny"),
    ("default-deny", {"policies": Seen(POLICIES[:1])}, "no AuthorizationPolicy ambient-default-deny-waypoint"),
    (
        "default-deny",
        {"policies": Seen([policy("ambient-default-deny", {"rules": [{}]}), POLICIES[1]])},
        "does not deny everything",
    ),
    (
        "policies-accepted",
        {"policies": Seen([policy("a", {}, says("WaypointAccepted", "False", "TargetNotFound", "no Service cart"))])},
        "shop: AuthorizationPolicy a: WaypointAccepted is False, TargetNotFound: no Service cart",
    ),
    (
        "policies-accepted",
        {"policies": Seen([policy("a", {}, says("ZtunnelAccepted", "True", "UnsupportedValue", "methods"))])},
        "ZtunnelAccepted with reserve, UnsupportedValue: methods",
    ),
    (
        "policies-in-ztunnel",
        dumps(policies=[]),
        "does not know AuthorizationPolicy shop/ambient-default-deny, shop/ambient-only-waypoint-1a2b",
    ),
    ("policies-in-ztunnel", dumps(workloads=[]), "does not hold shop/cart for STRICT"),
    ("waypoints-ready", {"gateways": Seen([])}, "shop: waypoint waypoint has no Gateway"),
    ("waypoints-ready", {"gateways": Seen([gateway("istio")])}, "of class istio, not istio-waypoint"),
    ("waypoints-ready", {"gateways": Seen([gateway(programmed="False")])}, "is not programmed (Programmed: address"),
    ("waypoints-ready", {"waypoint_pods": Seen([envoy(ready=False)])}, "has no ready pod of 1"),
    ("services-bound", {"services": Seen([service(message="")])}, "Service cart is bound to no waypoint"),
    (
        "services-bound",
        {"services": Seen([service(message="", labels={"istio.io/use-waypoint": "none"})])},
        "its own label says istio.io/use-waypoint: none",
    ),
    (
        "services-bound",
        {"services": Seen([service(message="Successfully attached to waypoint shop/waypoint-2")])},
        "is bound otherwise than to shop/waypoint: Successfully attached to waypoint shop/waypoint-2",
    ),
    (
        "services-bound",
        {"services": Seen([obj("Service", "cart", {}, UNSUPPORTED)])},
        "is not bound to shop/waypoint, UnsupportedTrafficType: does not support service",
    ),
    ("lock-down", {"policies": Seen([])}, "shop: pod cart has no AuthorizationPolicy ambient-only-waypoint-*"),
    ("lock-down", {"policies": Seen([only("cluster.local/ns/x/sa/y")])}, "admits cluster.local/ns/x/sa/y, not"),
    ("lock-down", {"policies": Seen([only(WAYPOINT, "cluster.local/ns/x/sa/y")])}, "pod cart admits"),
    ("lock-down", {"policies": Seen([only(WAYPOINT, selector={"app": "till"})])}, "pod cart has no"),
    (
        "lock-down",
        {"policies": Seen([only(WAYPOINT, selector={"app": "x"})]), "pods": Seen([])},
        "Service cart has no AuthorizationPolicy",
    ),
    ("waypoint-in-path", dumps(services=[SELF]), "node-a sends Service cart to the pods, not to shop/waypoint"),
    (
        "waypoint-in-path",
        dumps(services=[{**SELF, "waypoint": {"destination": "edge/w.edge.svc"}}]),
        "sends Service cart to w.edge.svc, not",
    ),
]


def test_what_is_as_declared_passes() -> None:
    judged = judge()
    assert {name: item.verdict.result for name, item in judged.items()} == {check.id: "pass" for check in CHECKS}, [
        item.line() for item in judged.values()
    ]


@pytest.mark.parametrize(("name", "changes", "evidence"), BROKEN)
def test_a_broken_subject_fails(name: str, changes: dict[str, Any], evidence: str) -> None:
    verdict = judge(**changes)[name].verdict
    assert (verdict.result, evidence in verdict.evidence) == ("fail", True), verdict.evidence
    assert verdict.advice


def test_every_verification_can_fail() -> None:
    assert {case[0] for case in BROKEN} == {check.id for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_was_not_seen_is_not_proven(check: Any) -> None:
    for need in check.needs:
        verdict = judge(**{need: Seen(why="no right to look")})[check.id].verdict
        assert (verdict.result, verdict.evidence) == ("not-proven", "no right to look")


def test_with_the_stand_in_the_path_is_not_proven() -> None:
    judged = judge(stand_in=Seen(f"image {STAND_IN_IMAGE}"))
    unproven = {name: item.verdict.evidence for name, item in judged.items() if item.verdict.result != "pass"}
    assert unproven == {"policies-in-ztunnel": NO_POLICY, "waypoint-in-path": NO_PATH}


def test_a_dump_without_the_sections_proves_nothing() -> None:
    bare = Seen({"node-a": Seen({"certificates": [entry(spiffe("shop", "cart"))]}), "node-b": Seen[Any](why="closed")})
    judged = judge(dumps=bare)
    for name, sections in (("policies-in-ztunnel", "policies and no workloads"), ("waypoint-in-path", "services and")):
        verdict = judged[name].verdict
        assert verdict.result == "not-proven"
        assert f"ztunnel on node-a: its configuration dump has no section {sections}" in verdict.evidence
        assert "ztunnel on node-b: closed" in verdict.evidence


def test_where_nothing_is_declared_nothing_is_asked_and_nothing_is_read() -> None:
    judged = judge({"namespaces": []}, services=Seen(why="no right"), gateways=Seen(why="no right"))
    assert {item.verdict.result for item in judged.values()} == {"skipped"}
    assert not any(item.verdict.asked for item in judged.values())
    assert judged["waypoints-ready"].verdict.evidence == "no waypoint is declared"
    asked = Asked()
    declared_facts.read(asked, Declared())
    assert asked.kinds == []


def test_for_l4_alone_only_policies_are_read() -> None:
    asked = Asked()
    found = declared_facts.read(asked, Declared.of(parse_mesh({"namespaces": [{"name": "shop", "state": "l4"}]})))
    assert asked.kinds == [("AuthorizationPolicy", "shop")]
    assert found["policies"].value == []


def test_many_namespaces_are_read_in_one_list() -> None:
    asked = Asked()
    spaces = [{"name": f"n{index}", "state": "l4-strict"} for index in range(30)]
    declared_facts.read(asked, Declared.of(parse_mesh({"namespaces": spaces})))
    assert asked.kinds == [("AuthorizationPolicy", None), ("PeerAuthentication", None)]


class Asked(World):
    """A cluster that notes what is listed."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[tuple[str, str | None]] = []

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> list[dict[str, Any]]:
        """Noted."""
        self.kinds.append((kind, namespace))
        return super().list(api_version, kind, namespace, label_selector)


def test_a_batch_is_judged_by_itself() -> None:
    mesh = parse_mesh(
        {
            "waypoints": [{"name": "w", "namespace": "till"}, {"name": "v", "namespace": "pay"}],
            "namespaces": [{"name": name, "state": "l7"} for name in ("till", "pay")] + [{"name": "x", "state": "off"}],
        }
    )
    batch = Declared.of(mesh, ["till"])
    assert (batch.enrolled, batch.off, [w.name for w in batch.waypoints]) == (("till",), (), ["w"])
    found = sound(declared=batch, pods=Seen([enrolled("till", "a"), enrolled("pay", "b")]))
    assert found.eligible() == []  # neither of their namespaces carries the label
    assert [
        p["metadata"]["name"]
        for p in sound(
            declared=batch, namespaces=Seen(["till", "pay"]), pods=Seen([enrolled("till", "a"), enrolled("pay", "b")])
        ).eligible()
    ] == ["a"]


def test_gateways_own_services_and_names_outside_need_no_waypoint() -> None:
    own = obj("Service", "waypoint", {}, labels={"gateway.networking.k8s.io/gateway-name": "waypoint"})
    outside = obj("Service", "bank", {"type": "ExternalName"})
    assert judge(services=Seen([service(), own, outside]))["services-bound"].verdict.evidence == "1 Service bound"


def test_a_service_that_opts_out_needs_none_and_is_not_locked_down() -> None:
    mesh = {**MESH, "namespaces": [{"name": "shop", "state": "l7", "services": [{"name": "till", "waypoint": "none"}]}]}
    services = [service(), service("till", message="")]
    judged = judge(mesh, services=Seen(services), policies=Seen([only(WAYPOINT, selector={"app": "cart"})]))
    assert judged["services-bound"].verdict.evidence == "1 Service bound"
    assert judged["lock-down"].verdict.result == "pass"


def test_a_declared_service_that_is_not_there_is_told() -> None:
    mesh = {
        **MESH,
        "namespaces": [{"name": "shop", "state": "l4", "services": [{"name": "x", "waypoint": "waypoint"}]}],
    }
    verdict = judge(mesh)["services-bound"].verdict
    assert (verdict.result, verdict.evidence) == ("fail", "shop: there is no Service x")


def test_the_services_of_a_service_account_go_through_its_waypoint() -> None:
    accounts = [{"name": "till", "waypoint": "waypoint"}]
    mesh = {**MESH, "namespaces": [{"name": "shop", "state": "l4", "service_accounts": accounts}]}
    judged = judge(mesh, services=Seen([service(message=""), service("till", message="")]))
    assert judged["services-bound"].verdict.evidence == "shop: Service till is bound to no waypoint"


def test_a_waypoint_for_workloads_binds_pods_and_leaves_services_alone() -> None:
    waypoint = {"name": "waypoint", "namespace": "shop", "for": "workload", "lock_down": True}
    services = Seen([obj("Service", "cart", {}, UNSUPPORTED)])
    judged = judge({"waypoints": [waypoint], "namespaces": MESH["namespaces"]}, services=services)
    assert judged["services-bound"].verdict.result == "skipped"
    assert "UnsupportedTrafficType" in judged["services-bound"].verdict.evidence
    assert "sends pod cart to the pods" in judged["waypoint-in-path"].verdict.evidence
    through = {"waypoint": {"destination": "shop/waypoint.shop.svc"}}
    workloads = [{"uid": f"Kubernetes//Pod/shop/{name}", **through} for name in ("cart", "till")]
    judged = judge(
        {"waypoints": [waypoint], "namespaces": MESH["namespaces"]}, services=services, **dumps(workloads=workloads)
    )
    assert judged["waypoint-in-path"].verdict.result == "pass"


def test_a_gateway_of_somebody_elses_is_known_by_its_address() -> None:
    mesh = {**MESH, "waypoints": [{"name": "waypoint", "namespace": "shop", "existing": True}]}
    theirs = gateway("their-class")
    theirs["status"]["addresses"] = [{"value": "10.9.9.9"}]
    services = [{**SELF, "waypoint": {"destination": "network1/10.9.9.9"}}]
    judged = judge(mesh, gateways=Seen([theirs]), waypoint_pods=Seen([]), **dumps(services=services))
    assert judged["waypoints-ready"].verdict.result == "pass"
    assert judged["waypoint-in-path"].verdict.result == "pass"


def test_without_lock_down_it_is_said_and_not_looked_for() -> None:
    mesh = {**MESH, "waypoints": [{"name": "waypoint", "namespace": "shop", "lock_down": False}]}
    verdict = judge(mesh, policies=Seen(POLICIES[:2]))["lock-down"].verdict
    assert (verdict.result, verdict.asked) == ("skipped", False)
    assert "lock_down is switched off" in verdict.evidence


def test_policies_for_gateways_at_the_edge_are_none_of_a_waypoints() -> None:
    target = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}]}
    refused = policy("a", target, says("WaypointAccepted", "False", "TargetNotFound"))
    edge = obj("Gateway", "edge", {"gatewayClassName": "istio"})
    assert judge(policies=Seen([refused]), gateways=Seen([edge]))["policies-accepted"].verdict.result == "pass"
    assert judge(policies=Seen([refused]), gateways=Seen([]))["policies-accepted"].verdict.result == "fail"


@pytest.mark.parametrize(("state", "result"), [("l7", "fail"), ("l4", "not-proven")])
def test_a_policy_that_waits_for_a_waypoint_fails_only_where_one_is_declared(state: str, result: str) -> None:
    idle = policy("a", {}, says("WaypointAccepted", "False", "AncestorNotBound", "Service shop/cart is not bound"))
    mesh = {**MESH, "namespaces": [{"name": "shop", "state": state}]}
    verdict = judge(mesh, policies=Seen([idle]))["policies-accepted"].verdict
    assert verdict.result == result
    assert verdict.evidence.startswith(("shop/a: in force nowhere", "shop: AuthorizationPolicy a: WaypointAccepted"))


OURS = [
    {**each, "metadata": {**each["metadata"], "labels": {"ambient.alauda.io/mesh": "default"}}} for each in POLICIES
]
ASLEEP: dict[str, Any] = {"annotations": {"istio.io/dry-run": "true"}}
NO_DRY_RUN = says("ZtunnelAccepted", "False", "UnsupportedValue", "ztunnel does not support dry-run")


def test_a_policy_in_dry_run_that_ztunnel_leaves_out_is_told_and_is_no_failure() -> None:
    asleep = policy("tried", {"selector": {"matchLabels": {"app": "cart"}}}, NO_DRY_RUN, **ASLEEP)
    only_one = judge(policies=Seen([asleep]))["policies-accepted"].verdict
    assert (only_one.result, only_one.evidence) == ("pass", "ztunnel leaves out what is in dry run: shop/tried")
    both = judge(policies=Seen([asleep, policy("a")]))["policies-accepted"].verdict
    assert (both.result, both.evidence) == (
        "pass",
        "istiod has accepted 1 of 2 of the declared namespaces; ztunnel leaves out what is in dry run: shop/tried",
    )


def test_a_policy_in_dry_run_at_a_waypoint_is_no_failure_though_ztunnel_does_not_do_that() -> None:
    target = {"targetRefs": [{"kind": "Service", "group": "", "name": "cart"}]}
    tried = policy("tried", target, NO_DRY_RUN, says("WaypointAccepted"), **ASLEEP)
    verdict = judge(policies=Seen([tried]))["policies-accepted"].verdict
    assert (verdict.result, verdict.evidence) == ("pass", "istiod has accepted the only one of the declared namespaces")


def asleep(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "metadata": {**found["metadata"], **ASLEEP}}


@pytest.mark.parametrize(
    ("check", "at", "evidence"),
    [
        ("default-deny", 0, "AuthorizationPolicy ambient-default-deny is in dry run and refuses nobody"),
        ("default-deny", 1, "AuthorizationPolicy ambient-default-deny-waypoint is in dry run and refuses nobody"),
        ("lock-down", 2, "pod cart has only AuthorizationPolicy ambient-only-waypoint-1a2b, which is in dry run"),
        ("policies-accepted", 0, "AuthorizationPolicy ambient-default-deny: is in dry run and decides nothing"),
        ("policies-accepted", 1, "AuthorizationPolicy ambient-default-deny-waypoint: is in dry run"),
    ],
)
def test_a_policy_of_ours_that_somebody_put_into_dry_run_fails(check: str, at: int, evidence: str) -> None:
    policies = [asleep(each) if number == at else each for number, each in enumerate(OURS)]
    verdict = judge(policies=Seen(policies))[check].verdict
    assert verdict.result == "fail"
    assert evidence in verdict.evidence


def test_what_is_refused_fails_awake_and_where_it_is_a_waypoint_that_would_try_it() -> None:
    target = {"targetRefs": [{"kind": "Service", "group": "", "name": "cart"}]}
    refused = policy("tried", target, says("WaypointAccepted", "False", "TargetNotFound"), **ASLEEP)
    for each in (refused, policy("a", {}, NO_DRY_RUN)):
        assert judge(policies=Seen([each]))["policies-accepted"].verdict.result == "fail"


@pytest.mark.parametrize(
    "conditions",
    [[says("Reconciled")], [says("ZtunnelAccepted", observedGeneration=1)]],
)
def test_policies_that_istiod_has_not_seen_are_not_proven_yet(conditions: list[dict[str, Any]]) -> None:
    verdict = judge(policies=Seen([policy("a", {}, *conditions, generation=2)]))["policies-accepted"].verdict
    assert (verdict.result, verdict.pending) == ("not-proven", True)
    assert verdict.evidence.endswith("AuthorizationPolicy shop/a")


def test_exceptions_from_strict_are_told_and_not_asked_of_ztunnel() -> None:
    peers = Seen([peer("ambient-strict", "STRICT"), peer("ambient-plaintext-1", "PERMISSIVE", {"app": "till"})])
    strict = ["istio-system/istio_converted_static_strict"]
    workloads = [{"uid": "Kubernetes//Pod/shop/cart", "authorizationPolicies": strict}]
    judged = judge(peers=peers, **dumps(workloads=workloads))
    assert judged["mtls-strict"].verdict.evidence == (
        "shop by ambient-strict; not for the pods of shop/ambient-plaintext-1"
    )
    assert judged["policies-in-ztunnel"].verdict.result == "pass"


def test_a_younger_policy_does_not_win() -> None:
    peers = Seen([peer("ambient-strict", "STRICT"), peer("late", "PERMISSIVE", creationTimestamp="2031-01-01")])
    assert judge(peers=peers)["mtls-strict"].verdict.result == "pass"


def test_the_request_reads_the_declaration() -> None:
    params: dict[str, Any] = {
        "phase": "passive",
        "declaration": {"name": "edge", **MESH},
        "namespaces": [],
        "image": None,
        "timeout": 1,
        "settle": 0,
        "discovery_labels": {},
        "images": {},
        "versions": {},
        "waypoint": True,
        "waypoint_manifests": [],
        "disrupt": False,
    }
    request = run.Request.of(params)
    assert (request.mesh, request.declared.enrolled, request.declared.off) == ("edge", ("shop",), ("old",))
    with pytest.raises(AmbientError, match="ambient_mesh"):
        run.Request.of({**params, "declaration": {"namespaces": [{"name": "shop", "state": "maybe"}]}})


def test_what_was_written_a_moment_ago_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def gather(cluster: Any, declared: Declared) -> facts.Facts:
        looks.append(1)
        told = (says("ZtunnelAccepted"),) if len(looks) > 1 else (says("Reconciled"),)
        return sound(declared=declared, policies=Seen([policy("a", {}, *told)]))

    monkeypatch.setattr(facts, "gather", gather)
    monkeypatch.setattr(run, "_PAUSE", 0.0)
    declared = Declared.of(parse_mesh({"namespaces": [{"name": "shop", "state": "l4"}]}))
    run.verify(World(), run.Request("passive", "default", declared, "", 1, settle=5), run.Progress(None))
    assert len(looks) == 2


def test_a_batch_is_not_judged_by_a_waypoint_that_it_has_left() -> None:
    """It may have left that waypoint because it is dead: to be taken back there would be worse."""
    waypoints = [{"name": "waypoint", "namespace": "shop"}]
    for state, looked_at in (("l4-strict", []), ("l7", ["shop/waypoint"])):
        mesh = parse_mesh({"waypoints": waypoints, "namespaces": [{"name": "shop", "state": state}]})
        assert [str(each.ref) for each in Declared.of(mesh, ["shop"]).waypoints] == looked_at
        assert [str(each.ref) for each in Declared.of(mesh).waypoints] == ["shop/waypoint"], "the mesh as a whole is"
