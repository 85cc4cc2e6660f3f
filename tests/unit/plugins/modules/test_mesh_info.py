# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module mesh_info on a tree of manifests, and its errors: no cluster is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.plugins.module_utils.authz.small_world import app, may, namespace, policy, waypoint
from unit.plugins.modules.image_modules import failure, run_module


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    """The options for a tree with a shop whose cart goes through a waypoint."""
    objects = [
        namespace("shop", use_waypoint="waypoint"),
        *app("cart"),
        *app("web"),
        waypoint(),
        policy("l7", may("shop/web", methods=["GET"]), on="Service/cart"),
    ]
    for number, obj in enumerate(objects):
        (tmp_path / f"{number}.json").write_text(json.dumps(obj))
    return {"source": "tree", "tree": [str(tmp_path)]}


@pytest.mark.parametrize("check", [True, False])
def test_can(tree: dict[str, Any], check: bool) -> None:
    asked = {"query": "can", "from": "shop/web", "to": "shop/cart:80", "method": "GET", "path": "/p"}
    result = run_module("mesh_info", check=check, **tree, **asked)
    assert result["changed"] is False
    answer = result["answer"]
    assert (answer["verdict"], answer["policy"], answer["rule"]) == ("allowed", "AuthorizationPolicy shop/l7", 1)
    assert (answer["where"], answer["as_written"], answer["port"]) == ("waypoint shop/waypoint", True, 80)
    assert result["summary"][0] == "shop/web to Service shop/cart port 80, GET /p: allowed (as written)"
    refused = run_module("mesh_info", **tree, **{**asked, "method": "POST"})["answer"]
    assert refused["verdict"] == "denied"


def test_what_is_known_of_the_request_reaches_the_rules(tree: dict[str, Any], tmp_path: Path) -> None:
    when = [
        {"key": "request.headers[x-team]", "values": ["blue"]},
        {"key": "request.auth.claims[group]", "values": ["one"]},
        {"key": "remote.ip", "values": ["10.0.0.0/8"]},
    ]
    rule = {"to": [{"operation": {"hosts": ["cart.example"], "paths": ["/p"]}}], "when": when}
    (tmp_path / "more.json").write_text(json.dumps(policy("web", rule, on="Service/web")))
    asked = {"query": "can", "from": "shop/web", "to": "shop/web", "method": "GET", "path": "/p"}
    known = {
        "request_host": "cart.example",
        "headers": {"x-team": "blue"},
        "claims": {"iss": "i", "sub": "s", "group": "one"},
        "source_ip": "10.0.0.1",
    }
    assert run_module("mesh_info", **tree, **asked, **known)["answer"]["verdict"] == "allowed"
    for key in known:
        less = {name: value for name, value in known.items() if name != key}
        assert run_module("mesh_info", **tree, **asked, **less)["answer"]["verdict"] == "depends"


def test_matrix(tree: dict[str, Any]) -> None:
    result = run_module("mesh_info", query="matrix", namespace="shop", **tree)
    found = result["matrix"]
    assert found["accounts"] == ["shop/cart", "shop/web"]
    (cart, web) = found["services"]
    (group,) = cart["groups"]
    assert (group["accounts"], group["verdict"]) == (["shop/web"], "depends")
    assert (cart["others"]["verdict"], cart["others"]["policy"]) == ("denied", "AuthorizationPolicy shop/l7")
    assert (web["groups"], web["others"]["verdict"]) == ([], "allowed")
    assert result["summary"][1] == "shop/cart  depends on the method: shop/web; denied: all others (1)"


def test_explain(tree: dict[str, Any]) -> None:
    result = run_module("mesh_info", query="explain", of="shop/cart", **tree)
    assert result["explanation"]["state"] == "l7"
    assert result["summary"][0].startswith("Service shop/cart: l7 (as written)")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"query": "can", "from": "shop/wep", "to": "shop/cart"},
            "from: there is no service account shop/wep. Did you mean shop/web?",
        ),
        ({"query": "can", "to": "shop/cart"}, "from: must be NAMESPACE/NAME. Such as shop/cart"),
        ({"query": "can", "from": "shop/web"}, "to: must be NAMESPACE/NAME. Such as shop/cart"),
        (
            {"query": "explain"},
            "of: is required. Write NAMESPACE, NAMESPACE/SERVICE or pod/NAMESPACE/NAME",
        ),
        (
            {"query": "matrix", "namespace": "shap"},
            "namespace: there is no namespace shap. Did you mean shop?",
        ),
        ({"query": "matrix", "tree": []}, "tree: is required. Name the files and directories of manifests"),
        (
            {"query": "matrix", "source": "cluster"},
            "tree: is not looked at in a cluster. Set source to tree, or leave it out",
        ),
        (
            {"query": "why"},
            "value of query must be one of: can, matrix, explain, got: why",
        ),
    ],
)
def test_an_error_is_told_exactly(tree: dict[str, Any], given: dict[str, Any], message: str) -> None:
    assert failure("mesh_info", **{**tree, **given}) == message


_CALL = {"query": "can", "from": "shop/web", "to": "shop/cart"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"headers": {"x-team": 1}}, "headers.x-team: must be a text, or a list of texts, it is 1. "),
        ({"headers": {"x-team": None}}, "headers.x-team: must be a text, or a list of texts, it is None. "),
        ({"headers": {"x-team": ["a", True]}}, "headers.x-team: must be a text, or a list of texts, it is ['a', True]"),
        ({"headers": {"x-a": "1", "X-A": "2"}}, "headers.X-A: is the same header as x-a. Give its values as one list"),
        ({"method": ""}, "method: '' is no method of HTTP. Name one, such as GET, or leave it out for any"),
        ({"method": "GET,POST"}, "method: 'GET,POST' is no method of HTTP. "),
        ({"request_host": ""}, "request_host: '' is no host of a call. "),
        ({"request_host": "http://shop.example/"}, "request_host: 'http://shop.example/' is no host of a call. "),
        ({"request_host": "*.example"}, "request_host: '*.example' is no host of a call. "),
        ({"path": "api"}, "path: 'api' is no path. Begin it with /"),
        ({"path": "/api\n"}, "path: '/api\\n' is no path. "),
        ({"to": "shop/cart:80", "port": 443}, "port: is 443, and to says 80. Say it in one of the two"),
        ({"to": "shop/cart:" + "9" * 5000}, "to: '99999999"),
        ({"of": "shop"}, "of: is not looked at where can is asked. Leave it out; can takes from, to, port, "),
        ({"query": "matrix", "to": None}, "from: is not looked at where matrix is asked. "),
        ({"query": "matrix", "from": None, "to": None, "port": 81}, "port: no Service has port 81. Known: 80"),
        ({"query": "matrix", "from": None, "to": None, "port": -1}, "port: -1 is no port. "),
        ({"query": "matrix", "from": None, "to": None, "namespace": ""}, "namespace: is empty. Name one, or leave it"),
        ({"tree": [""]}, "tree: is empty. Give a path, or leave the option out"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_no_call_can_have_is_refused(tree: dict[str, Any], given: dict[str, Any], message: str) -> None:
    asked = {key: value for key, value in {**_CALL, **tree, **given}.items() if value is not None}
    assert failure("mesh_info", **asked).startswith(message)


def test_what_may_be_meant_otherwise_is_noted(tree: dict[str, Any]) -> None:
    answer = run_module("mesh_info", **tree, **_CALL, path="/api/*", claims={"group": "one"})["answer"]
    assert answer["notes"] == [
        "a call has one path: the star in /api/* stands for itself",
        "the claims have no iss and no sub: no rule about requestPrincipals matches them",
    ]
    plain = run_module("mesh_info", **tree, **_CALL, path="/api", claims={"iss": "i", "sub": "s"})
    assert plain["answer"]["notes"] == []


def test_the_matrix_leaves_services_without_the_port_out(tree: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "more.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": app("db", port=5432)}))
    found = run_module("mesh_info", query="matrix", port=5432, **tree)["matrix"]
    assert [each["to"] for each in found["services"]] == ["shop/db"]


def test_kinds_of_others_with_the_same_name_are_passed_over(tree: dict[str, Any], tmp_path: Path) -> None:
    metadata = {"name": "cart", "namespace": "shop"}
    knative = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": metadata, "spec": {"ports": "x"}}
    (tmp_path / "zz.json").write_text(json.dumps(knative))
    assert run_module("mesh_info", **tree, **_CALL)["answer"]["policy"] == "AuthorizationPolicy shop/l7"
    metadata["name"] = "other"
    (tmp_path / "zz.json").write_text(json.dumps(knative))
    message = failure("mesh_info", **tree, **{**_CALL, "to": "shop/other"})
    assert message.startswith("to: there is no Service shop/other. ")


def test_a_protocol_that_is_null_is_tcp(tree: dict[str, Any], tmp_path: Path) -> None:
    there = json.loads((tmp_path / "1.json").read_text())
    there["spec"]["ports"][0]["protocol"] = None
    (tmp_path / "1.json").write_text(json.dumps(there))
    asked = {**_CALL, "method": "GET"}
    assert run_module("mesh_info", **tree, **asked)["answer"]["verdict"] == "allowed"


def test_a_tree_that_is_none_is_named(tmp_path: Path) -> None:
    asked = {"query": "matrix", "source": "tree"}
    assert "/no/tree" in failure("mesh_info", **asked, tree=["/no/tree"])
    (tmp_path / "broken.yaml").write_text("a: [b")
    assert "broken.yaml" in failure("mesh_info", **asked, tree=[str(tmp_path)])


def test_manifests_that_say_nothing_are_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "empty.yaml"
    asked: dict[str, Any] = {"query": "matrix", "source": "tree", "tree": [str(file)]}
    hint = "Name manifests of Namespaces, Services, what makes their pods, and policies"
    file.write_text("")
    assert failure("mesh_info", **asked) == f"{file}: holds no object. Put a manifest in it, or leave the path out"
    metadata = {"name": "c", "namespace": "shop"}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))
    assert failure("mesh_info", **asked) == f"{file}: holds 1 object, none of which says who may call whom. {hint}"


def test_where_there_is_no_such_kind_it_is_told_what_was_read(tmp_path: Path) -> None:
    file = tmp_path / "some.json"
    objects = [namespace("shop"), namespace("out"), waypoint(), waypoint("other"), app("web")[1]]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    message = failure("mesh_info", query="can", source="tree", tree=[str(file)], to="shop/cart", **{"from": "shop/web"})
    assert message == (
        "to: there is no Service shop/cart. There is none at all; read were 1 Deployment, 2 Gateways, 2 Namespaces. "
        "Add its manifest to the tree"
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "AuthorizationPolicy", "apiVersion": "security.istio.io/v1", "spec": {"rules": "all"}},
        {"kind": "AuthorizationPolicy", "apiVersion": "security.istio.io/v1", "spec": {"rules": [{"from": "x"}]}},
        {
            "kind": "AuthorizationPolicy",
            "apiVersion": "security.istio.io/v1",
            "spec": {"rules": [{"to": [{"operation": 1}]}]},
        },
        {
            "kind": "AuthorizationPolicy",
            "apiVersion": "security.istio.io/v1",
            "spec": {"selector": {"matchLabels": []}},
        },
        {"kind": "PeerAuthentication", "apiVersion": "security.istio.io/v1", "spec": {"portLevelMtls": "STRICT"}},
        {"kind": "Service", "apiVersion": "v1", "spec": {"ports": [{"name": "http"}]}},
        {"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"template": {"spec": {"containers": ["x"]}}}},
        {"kind": "StatefulSet", "apiVersion": "apps/v1", "spec": {"template": {"spec": {"initContainers": ["x"]}}}},
        {
            "kind": "Gateway",
            "apiVersion": "gateway.networking.k8s.io/v1",
            "spec": {"gatewayClassName": "istio-waypoint", "listeners": "x"},
        },
        {
            "kind": "HTTPRoute",
            "apiVersion": "gateway.networking.k8s.io/v1",
            "spec": {"parentRefs": [{"kind": "Service", "name": "cart", "port": "http"}]},
        },
        {
            "kind": "TCPRoute",
            "apiVersion": "gateway.networking.k8s.io/v1",
            "spec": {"rules": [{"backendRefs": [{"port": 80}]}]},
        },
        {"kind": "VirtualService", "apiVersion": "networking.istio.io/v1", "spec": {"tcp": ["x"]}},
        {
            "kind": "VirtualService",
            "apiVersion": "networking.istio.io/v1",
            "spec": {"tls": [{"route": [{"destination": {"host": "cart", "port": {"number": "http"}}}]}]},
        },
        {
            "kind": "NetworkPolicy",
            "apiVersion": "networking.k8s.io/v1",
            "spec": {"ingress": [{"ports": [{"port": 15000, "endPort": "20000"}]}]},
        },
    ],
    ids=lambda broken: f"{broken['kind']}-{next(iter(broken['spec']))}",
)
def test_a_manifest_of_the_wrong_shape_is_named(tree: dict[str, Any], tmp_path: Path, broken: dict[str, Any]) -> None:
    obj = {**broken, "metadata": {"name": "odd", "namespace": "shop"}}
    (tmp_path / "odd.json").write_text(json.dumps(obj))
    message = failure("mesh_info", query="matrix", **tree)
    assert message.startswith(f"{broken['kind']} shop/odd: spec."), message
    assert message.endswith(". Mend the manifest")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"action": "Deny"}, "spec.action: must be one of ALLOW, AUDIT, CUSTOM, DENY, it is 'Deny'. Mend"),
        ({"selector": {"app": "cart"}}, "spec.selector.app: is no field that Istio has there. Known: matchLabels"),
        (
            {"rules": [{"from": [{"source": {"principal": ["x"]}}]}]},
            "spec.rules[0].from[0].source.principal: is no field that Istio has there. Did you mean principals?",
        ),
        (
            {"rules": [{"when": [{"key": "source.ip", "value": ["10.0.0.1"]}]}]},
            "spec.rules[0].when[0].value: is no field that Istio has there. Did you mean values?",
        ),
        ({"rule": [{}]}, "spec.rule: is no field that Istio has there. Did you mean rules?"),
        ({"selector": {"matchLabels": {"app": 1}}}, "spec.selector.matchLabels.app: must be a text, it is 1. "),
        (
            {"rules": [{"from": [{"source": {}}]}]},
            "spec.rules[0].from[0].source: says nothing. Say something there, or take the entry out: it would mean "
            "everybody",
        ),
        ({"rules": [{"to": [{}]}]}, "spec.rules[0].to[0].operation: says nothing. "),
        (
            {"selector": {"matchLabels": {"a": "b"}}, "targetRefs": [{"kind": "Service", "name": "cart"}]},
            "spec.targetRefs: stands beside selector. Keep one of the two; make another policy for the other",
        ),
        (
            {"targetRefs": [{"kind": "Service", "name": "cart", "namespace": "pay"}]},
            "spec.targetRefs[0].namespace: cannot be said. Put the policy in the namespace of its target",
        ),
        (
            {"targetRefs": [{"kind": "Gateway", "name": "waypoint"}]},
            "spec.targetRefs[0].group: is ''. A Gateway is of group 'gateway.networking.k8s.io'",
        ),
        (
            {"rules": [{"from": [{"source": {"serviceAccounts": ["web"], "namespaces": ["pay"]}}]}]},
            "spec.rules[0].from[0].source.serviceAccounts: stands beside namespaces. Make an entry of each of them",
        ),
        (
            {"rules": [{}, {"from": [{"source": {"principals": ["a", ""]}}]}]},
            "spec.rules[1].from[0].source.principals[1]: is empty. Mend the manifest",
        ),
        (
            {"rules": [{"to": [{"operation": {"ports": [80]}}]}]},
            "spec.rules[0].to[0].operation.ports[0]: must be a text, it is 80. Mend the manifest",
        ),
        (
            {"rules": [{"to": [{"operation": {"notPorts": ["http"]}}]}]},
            "spec.rules[0].to[0].operation.notPorts[0]: 'http' is no port: numbers only. Mend the manifest",
        ),
        (
            {"rules": [{"from": [{"source": {"notIpBlocks": ["10.0.0.0/33"]}}]}]},
            "spec.rules[0].from[0].source.notIpBlocks[0]: '10.0.0.0/33' is neither an IP address nor a block of such. ",
        ),
        (
            {"rules": [{"when": [{"key": "remote.ip", "values": ["there"]}]}]},
            "spec.rules[0].when[0].values[0]: 'there' is neither an IP address nor a block of such. ",
        ),
        (
            {"rules": [{"when": [{"key": "source.ip"}]}]},
            "spec.rules[0].when[0]: has neither values nor notValues. Say which: without them it would mean every call",
        ),
        (
            {"rules": [{"when": [{"key": "request.header[x]", "values": ["1"]}]}]},
            "spec.rules[0].when[0].key: 'request.header[x]' is no attribute that Istio has. "
            "Did you mean request.headers[NAME]?",
        ),
    ],
)
def test_words_that_istio_does_not_have_are_not_passed_over(
    tree: dict[str, Any], tmp_path: Path, spec: dict[str, Any], says: str
) -> None:
    obj = {
        "kind": "AuthorizationPolicy",
        "apiVersion": "security.istio.io/v1",
        "metadata": {"name": "odd", "namespace": "shop"},
        "spec": spec,
    }
    (tmp_path / "odd.json").write_text(json.dumps(obj))
    assert failure("mesh_info", query="matrix", **tree).startswith(f"AuthorizationPolicy shop/odd: {says}")
    told = failure("check", phase=["policies"], source="tree", tree=[str(tmp_path)])
    assert told.startswith(f"AuthorizationPolicy shop/odd: {says}")


def test_every_attribute_of_istio_may_stand_in_a_condition(tree: dict[str, Any], tmp_path: Path) -> None:
    texts = ("source.namespace", "source.serviceAccount", "source.principal", "source.trustDomain", "connection.sni")
    tokens = ("principal", "audiences", "presenter", "claims[a][b]")
    keys = [*texts, *(f"request.auth.{each}" for each in tokens), "request.headers[x]"]
    keys.append("experimental.envoy.filters.network.mysql_proxy[db]")
    when = [{"key": key, "values": ["x"]} for key in keys]
    when += [{"key": key, "notValues": ["10.0.0.1", "2001:db8::/32"]} for key in ("source.ip", "remote.ip")]
    when += [{"key": "destination.ip", "values": ["10.0.0.1/8"]}, {"key": "destination.port", "values": ["80"]}]
    (tmp_path / "odd.json").write_text(json.dumps(policy("odd", {"when": when}, on="Service/web")))
    assert run_module("mesh_info", query="matrix", **tree)["matrix"]["services"]


@pytest.mark.parametrize(
    ("obj", "says"),
    [
        (
            namespace("{{ .Values.name }}"),
            "metadata.name: '{{ .Values.name }}' is not a name that Kubernetes takes. Ren",
        ),
        (app("a", space="Shop")[0], "metadata.namespace: 'Shop' is not a name that Kubernetes takes. Mend"),
        ({**app("a")[0], "kind": "service"}, "kind: is no kind of that API. Did you mean Service?"),
        (app("a", port=0)[0], "spec.ports[0].port: must be a number from 1 to 65535, it is 0. "),
        (app("a", port="80")[0], "spec.ports[0].port: must be a number from 1 to 65535, it is '80'. "),  # type: ignore[arg-type]
        (app("a", hostNetwork="false")[1], "spec.template.spec.hostNetwork: must be true or false, it is 'false'. "),
    ],
    ids=["template", "namespace", "kind", "port 0", "port text", "flag"],
)
def test_what_kubernetes_would_refuse_is_no_answer(
    tree: dict[str, Any], tmp_path: Path, obj: dict[str, Any], says: str
) -> None:
    (tmp_path / "odd.json").write_text(json.dumps(obj))
    assert f": {says}" in failure("mesh_info", query="matrix", **tree)
